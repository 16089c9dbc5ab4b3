"""The one place that runs a trace: on which thread, with which backend, stoppable."""

from __future__ import annotations

import sys
import time
import weakref
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from volvelle.models.lean import unwrapped_but
from volvelle.models.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from volvelle.models.layout import Layout
    from volvelle.models.remote_status import RemoteRequest
    from volvelle.models.remote_stream import TokenStream

T = TypeVar("T")

# Seconds after which a request whose connection was lost is sent once more.
RETRY = 1.5

# Jobs of one model that stand in a server's queue together.
LANES = 4

# One worker per module tree: wrapping a model twice must not trace it from two threads.
_workers: weakref.WeakKeyDictionary[Any, dict[int, Worker]] = weakref.WeakKeyDictionary()


def worker_of(module: Any, name: str, lanes: int = 1) -> Worker:
    """Return the worker of a module tree; it ends when the tree is collected."""
    workers = _workers.setdefault(module, {})
    if lanes not in workers:
        workers[lanes] = worker = Worker(name, lanes)
        weakref.finalize(module, worker.stop, 0)
    return workers[lanes]


class _Announced:
    """Writes the states that take long to stderr, once each."""

    def __init__(self) -> None:
        self.said = ""

    def __call__(self, request: RemoteRequest) -> None:
        slow = request.status in ("provisioning", "deploying") or (request.position or 0) > 1
        if slow and request.text != self.said:
            self.said = request.text
            sys.stderr.write(f"{request.model} at {request.host}: {request.text}\n")


class Runner:
    """Runs the bodies of `models.trace` on a model, here or on a server.

    Parameters
    ----------
    lm : nnsight TransformersModel
    layout : Layout
    remote : bool or str
        False for this machine; True for NDIF; the address of another server.

    Notes
    -----
    Verbs differ between here and a server only in what `__call__` does.
    """

    def __init__(self, lm: Any, layout: Layout, remote: bool | str) -> None:
        self.lm = lm
        self.layout = layout
        self.remote = remote
        self.worker = worker_of(lm._module, layout.name, LANES if remote else 1)  # noqa: SLF001 - nnsight's own name

    def __call__(
        self,
        body: Callable[..., T],
        *args: Any,
        on_block: Callable[[int], None] | None = None,
        only: Collection[str] | None = None,
        on_step: Callable[..., None] | None = None,
        step_shape: tuple[int, int] = (0, 0),
    ) -> T:
        """Run one body of `models.trace`; the caller is on the worker's thread.

        Parameters
        ----------
        body : callable
            A function of `models.trace`.
        *args
            Its arguments after the model.
        on_block : callable(layer), optional
            Called before each block runs, of a model that is here; may raise to end the run.
        only : collection of str, optional
            Paths of the modules the body touches, beside the whole model: the others then run
            without nnsight's wrapper, which is faster.
        on_step : callable(step, ids, logprobs, watched), optional
            Passed to the body, which calls it with every token; from a server the calls come by
            lines of its log.
        step_shape : tuple of int
            Rows and watched tokens of a step, which those lines must have.
        """
        if self.remote:
            return self._there(body, args, on_step, step_shape)
        told = {} if on_step is None else {"on_step": on_step}
        bare = only is not None
        lean = unwrapped_but(self.lm._module, only or ()) if bare else nullcontext()  # noqa: SLF001 - as above
        with self._watched(on_block), lean:
            return body(self.lm, *args, **told, backend=self.backend())

    def _there(
        self,
        body: Callable[..., T],
        args: tuple[Any, ...],
        on_step: Callable[..., None] | None,
        step_shape: tuple[int, int],
    ) -> T:
        """Run one body on the server, a second time where the connection was lost.

        A body changes nothing on the server, so repeating is safe; but not once tokens have
        been handed on.
        """
        from volvelle.models import trace
        from volvelle.models.remote_errors import RemoteFailure
        from volvelle.models.remote_stream import TokenStream

        stream, told = None, {}
        if on_step is not None:
            vocabulary = self.lm._module.get_output_embeddings().weight.shape[0]  # noqa: SLF001 - as above
            stream = TokenStream(on_step, *step_shape, vocabulary)
            told = {"on_step": partial(trace.tell, stream.mark)}
        try:
            return body(self.lm, *args, **told, backend=self.backend(stream))
        except RemoteFailure as failure:
            if failure.kind != "lost" or (stream is not None and stream.next):
                raise
            first = failure
        self._wait(RETRY)
        try:
            return body(self.lm, *args, **told, backend=self.backend(stream))
        except RemoteFailure as failure:
            # gone for good: what matters is what was lost
            raise first if failure.kind == "unreachable" else failure from None

    def backend(self, stream: TokenStream | None = None) -> Any:
        """Return nnsight's backend for one trace; None runs it here."""
        if not self.remote:
            return None
        from volvelle.models.remote import host_of
        from volvelle.models.remote_backend import ProgressBackend
        from volvelle.models.remote_status import RemoteRequest

        job = self.worker.job
        request = RemoteRequest(host_of(self.remote), self.layout.name)
        if job is not None:
            job.requests.append(request)
        # a cell that waits sees no job: it is told why nothing happens
        on_state = _Announced() if job is None or not job.watched else None
        return ProgressBackend(self.lm, request, job=job, stream=stream, on_state=on_state)

    def _wait(self, seconds: float) -> None:
        """Let a lost server come back, unless the job is stopped."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if self.worker.job is not None:
                self.worker.job.check()
            time.sleep(0.1)

    @contextmanager
    def _watched(self, on_block: Callable[[int], None] | None) -> Iterator[None]:
        """Let the running job be cancelled before every block, not only between traces."""
        job = self.worker.job
        if job is None and on_block is None:
            yield
            return

        def before(layer: int) -> None:
            if job is not None:
                job.check()
            if on_block is not None:
                on_block(layer)

        blocks: Any = self.lm._module.get_submodule(self.layout.blocks)  # noqa: SLF001 - as above
        hooks = [
            block.register_forward_pre_hook(lambda *_, layer=layer: before(layer))
            for layer, block in enumerate(blocks)
        ]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()
