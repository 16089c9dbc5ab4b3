"""One traced body on a server: sent, left there, taken up again, or only weighed."""

from __future__ import annotations

import functools
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import torch

from volvelle.models.remote.backend import ProgressBackend
from volvelle.models.remote.errors import RemoteFailure
from volvelle.models.remote.left import LeftBackend, plain
from volvelle.models.remote.remembered import Left, digest_of, digests, remembered
from volvelle.models.remote.servers import host_of
from volvelle.models.remote.status import Announced, RemoteRequest
from volvelle.models.remote.stream import TokenStream
from volvelle.models.traces.write import tell

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import pandas as pd

    from volvelle.models.remote.request import Request
    from volvelle.models.remote.stream import StepShape
    from volvelle.models.work.job import Job
    from volvelle.models.work.worker import Worker

T = TypeVar("T")

# Seconds after which a request whose connection was lost is sent once more.
RETRY = 1.5


@dataclass(frozen=True, eq=False)
class Server:
    """A model on a server, and the worker whose jobs ask it.

    Attributes
    ----------
    lm : nnsight TransformersModel
        Its structure, which is here.
    name : str
    remote : bool or str
        True for NDIF; the address of another server.
    worker : Worker
    """

    lm: Any
    name: str
    remote: bool | str
    worker: Worker

    @property
    def host(self) -> str:
        """Where it is asked."""
        return host_of(self.remote)


@dataclass
class How:
    """How the work of this thread uses a server.

    Attributes
    ----------
    left : bool
        Whether requests are left there to be fetched, instead of listened to.
    ids : dict of digest -> id
        Requests that were left there and are to be taken up instead of sent.
    weighed : Estimate or None
        Whether nothing is sent, only weighed.
    """

    left: bool = False
    ids: dict[str, str] = field(default_factory=dict)
    weighed: Estimate | None = None


@dataclass
class Estimate:
    """What work would send first.

    Attributes
    ----------
    sent : int
        Bytes of the first request beside the measuring of norms, 0 where nothing is sent; with
        the model's proof, where that is yet to be made.
    prompt_tokens, new_tokens : int
        Tokens it has the model read, padding included, and at most write; without the 80 of that
        proof.
    """

    sent: int = 0
    prompt_tokens: int = 0
    new_tokens: int = 0

    def __str__(self) -> str:
        wrote = f" and writes at most {self.new_tokens:,}" if self.new_tokens else ""
        return f"sends {self.sent / 1e3:,.0f} kB, reads {self.prompt_tokens:,} tokens{wrote}"


class _Weighed(Exception):  # noqa: N818 - a way out, not an error
    """Ends work whose first request has been weighed."""


_thread = threading.local()


def how() -> How:
    """Return how this thread's work uses a server."""
    return getattr(_thread, "how", None) or How()


@contextmanager
def using(new: How) -> Iterator[How]:
    """Use a server in some way within the block."""
    before = getattr(_thread, "how", None)
    _thread.how = new
    try:
        yield new
    finally:
        _thread.how = before


def leaving(work: Callable[[], T], ids: dict[str, str] | None = None) -> Callable[[], T]:
    """Return work whose requests are left on the server, or taken up where they were left."""

    @functools.wraps(work)
    def left() -> T:
        with using(How(left=True, ids=dict(ids or {}))):
            return work()

    return left


def weighed(work: Callable[[], Any]) -> Estimate:
    """Do work up to its first request, which is weighed and not sent."""
    with using(How(weighed=Estimate())) as here, suppress(_Weighed):
        work()
    assert here.weighed is not None  # noqa: S101 - set above
    return here.weighed


def attached(server: Server, ids: Sequence[str], work: Callable[[], Any] | None) -> Job:
    """Return a job that takes up requests; `Model.attach` documents it."""
    host = server.host
    if work is not None:
        return server.worker.submit(leaving(work, digests(ids, host)))
    if len(ids) != 1:
        raise ValueError(f"{len(ids)} ids without work; attach them one by one")

    def fetch() -> Any:
        told = _sent(server)
        told.id, told.detached = ids[0], True
        return plain(LeftBackend(server.lm, told, **_hearers(server)).fetch())

    return server.worker.submit(fetch, name="attach")


def left_table(server: Server) -> pd.DataFrame:
    """Return what was left on the server; `Model.left` documents it."""
    import pandas as pd

    table = pd.DataFrame(remembered(server.host), columns=["id", "model", "what", "at"])
    table["at"] = pd.to_datetime(table["at"], unit="s", utc=True)
    return table


class _Scales(ProgressBackend):
    """Weighs a request and ends the work."""

    def request(self, request: Any, tracer: Any) -> Any:  # noqa: ARG002 - nnsight's name
        self._serialize(tracer)
        raise _Weighed


def run_there(
    server: Server,
    request: Request[T],
    on_step: Callable[..., None] | None,
    step_shape: StepShape | None,
) -> T:
    """Run one body on the server; `Runner.__call__` documents it."""
    here, request = how(), replace(request, args=_alone(request.args))
    if here.weighed is not None:
        return _weigh(server, request, here.weighed)
    if here.left:
        return _leave(server, request, here)
    stream, told = None, {}
    if on_step is not None and step_shape is not None:
        vocabulary = server.lm._module.get_output_embeddings().weight.shape[0]  # noqa: SLF001 - nnsight's name
        stream = TokenStream(on_step, step_shape, vocabulary)
        told = {"on_step": partial(tell, stream.mark)}

    def once() -> T:
        backend = ProgressBackend(server.lm, _sent(server), stream=stream, **_hearers(server))
        return request.body(server.lm, *request.args, **told, backend=backend)

    # a body changes nothing on the server, so repeating is safe; but not once tokens have
    # been handed on
    try:
        return once()
    except RemoteFailure as failure:
        if failure.kind != "lost" or (stream is not None and stream.next):
            raise
        first = failure
    _wait(server, RETRY)
    try:
        return once()
    except RemoteFailure as failure:
        # gone for good: what matters is what was lost
        raise first if failure.kind == "unreachable" else failure from None


def _alone(payload: Any) -> Any:
    """Return arguments whose tensors hold nothing but themselves.

    A slice travels with all of the tensor it is cut from: a few columns of a dictionary with the
    dictionary.
    """
    if isinstance(payload, torch.Tensor):
        held = payload.untyped_storage().nbytes()
        return payload if held <= payload.numel() * payload.element_size() else payload.clone()
    if isinstance(payload, dict):
        return {key: _alone(value) for key, value in payload.items()}
    if isinstance(payload, (list, tuple)):
        return type(payload)(_alone(value) for value in payload)
    return payload


def _leave(server: Server, request: Request[T], here: How) -> T:
    digest = digest_of(request, server.lm.to_model_key())
    known = here.ids.pop(digest, "")
    if here.ids and not known and not request.beside:
        ids = ", ".join(here.ids.values())
        raise ValueError(
            f"request {ids} was left at {server.host} by other work than this; give "
            "the same texts, steers and settings, or no work to see what it saved"
        )
    told = _sent(server)
    told.id, told.detached = known, True
    left = Left(request.name, request.formats, digest)
    backend = LeftBackend(server.lm, told, left=left, **_hearers(server))
    return request.body(server.lm, *request.args, backend=backend)


def _weigh(server: Server, request: Request[T], into: Estimate) -> T:
    told = RemoteRequest(server.host, server.name)
    try:
        return request.body(server.lm, *request.args, backend=_Scales(server.lm, told))
    finally:
        into.sent = told.sent
        into.prompt_tokens, into.new_tokens = request.reads, request.writes


def _sent(server: Server) -> RemoteRequest:
    told = RemoteRequest(server.host, server.name)
    if server.worker.job is not None:
        server.worker.job.requests.append(told)
    return told


def _hearers(server: Server) -> dict[str, Any]:
    """Return who is told what happens: the job, or the cell that waits and sees none."""
    job = server.worker.job
    return {"job": job, "on_state": Announced() if job is None or not job.watched else None}


def _wait(server: Server, seconds: float) -> None:
    """Let a lost server come back, unless the job is stopped."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if server.worker.job is not None:
            server.worker.job.check()
        time.sleep(0.1)
