"""The one place that runs a trace: on which thread, with which backend, stoppable."""

from __future__ import annotations

import threading
import weakref
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from volvelle.models.engine.lean import unwrapped_but
from volvelle.models.engine.measured import as_measured
from volvelle.models.engine.parsing import parsed_again
from volvelle.models.traces.prove import prove as prove_body
from volvelle.models.work.worker import Worker
from volvelle.progress import look

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from volvelle.models.engine.architecture import Layout
    from volvelle.models.remote.request import Request
    from volvelle.models.remote.run import Server
    from volvelle.models.remote.stream import StepShape

T = TypeVar("T")

# Seconds between two looks at Stop while another job is waited for.
LOOK = 0.2

# Tokens of a pass of which a block alone may take longer than Stop should.
LONG = 512

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


class Rider(Protocol):
    """What goes along with the first request to a server: see `Proving`."""

    def on(self, request: Request[T]) -> Request[T]:
        """Return a request that takes it along."""
        ...

    def fail(self, said: str) -> None:
        """Take note that it ended the request that took it along."""
        ...

    def prove(self) -> None:
        """Send it by itself, where that has not been done."""
        ...

    def settle(self) -> None:
        """Raise where the answer refuses what was asked for."""
        ...


class Runner:
    """Runs the bodies of `models.traces` on a model, here or on a server.

    Parameters
    ----------
    lm : nnsight TransformersModel
    layout : Layout
    remote : bool or str
        False for this machine; True for NDIF; the address of another server.

    Attributes
    ----------
    rider : Rider or None
        What goes along with the first request to a server.

    Notes
    -----
    Verbs differ between here and a server only in what `__call__` does.
    """

    def __init__(self, lm: Any, layout: Layout, remote: bool | str) -> None:
        self.lm = lm
        self.layout = layout
        self.remote = remote
        self.rider: Rider | None = None
        self.worker = worker_of(lm._module, layout.name, LANES if remote else 1)  # noqa: SLF001 - nnsight's own name
        self._gate = threading.RLock()

    @cached_property
    def server(self) -> Server:
        """The model as a server has it; of a model that is on one."""
        from volvelle.models.remote.run import Server

        return Server(self.lm, self.layout.name, self.remote, self.worker)

    @property
    def weighing(self) -> bool:
        """Whether the work of this thread is only weighed (`Model.estimate`)."""
        if not self.remote:
            return False
        from volvelle.models.remote.run import how

        return how().weighed is not None

    @property
    def leaving(self) -> bool:
        """Whether this thread's requests are left on a server, to be taken up one by one."""
        if not self.remote:
            return False
        from volvelle.models.remote.run import how

        return how().left

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Do something that jobs under way together should do once."""
        while not self._gate.acquire(timeout=LOOK):
            if self.worker.job is not None:
                self.worker.job.check()
        try:
            yield
        finally:
            self._gate.release()

    def __call__(
        self,
        request: Request[T],
        *,
        on_block: Callable[[int], None] | None = None,
        only: Collection[str] | None = None,
        on_step: Callable[..., None] | None = None,
        step_shape: StepShape | None = None,
    ) -> T:
        """Run one body of `models.traces`; the caller is on the worker's thread.

        Parameters
        ----------
        request : Request
        on_block : callable(layer), optional
            Called before each block runs, of a model that is here; may raise to end the run.
        only : collection of str, optional
            Paths of the modules the body touches, beside the whole model: the others then run
            without nnsight's wrapper, which is faster.
        on_step : callable(step, ids, logprobs, watched, touched), optional
            Passed to the body, which calls it with every token; from a server the calls come by
            lines of its log.
        step_shape : StepShape, optional
            What those lines must hold.
        """
        if self.remote:
            return self._there(request, on_step, step_shape)
        body = parsed_again(request.body)
        told = {} if on_step is None else {"on_step": on_step}
        bare = only is not None
        lean = unwrapped_but(self.lm._module, only or ()) if bare else nullcontext()  # noqa: SLF001 - as above
        long = request.reads >= LONG
        with as_measured(self.lm._module), self._watched(on_block, long=long), lean:  # noqa: SLF001 - as above
            return body(self.lm, *request.args, **told, backend=None)

    def _there(
        self,
        request: Request[T],
        on_step: Callable[..., None] | None,
        step_shape: StepShape | None,
    ) -> T:
        from volvelle.models.remote.errors import RemoteFailure
        from volvelle.models.remote.run import how, run_there

        told: list[int] = []

        def heard(step: int, *more: Any) -> None:
            told.append(step)
            assert on_step is not None  # noqa: S101 - passed on only where it is not
            on_step(step, *more)

        def run(one: Request[T]) -> T:
            hears = None if on_step is None else heard
            one = replace(one, body=parsed_again(one.body))
            return run_there(self.server, one, hears, step_shape)

        rider = self.rider if request.body is not prove_body else None
        if rider is None:
            return run(request)
        rider.settle()  # before it is sent, where it is known
        apart = how().left  # what is left is taken up by what it was: later kernels know the proof
        along = request if apart else rider.on(request)
        try:
            found = run(along)
        except RemoteFailure as failure:
            if along is request or failure.kind != "code" or told:
                raise
            found = run(request)  # where that fails too, it is the body's own fault
            rider.fail(str(failure))
        if apart:
            rider.prove()
        rider.settle()
        return found

    @contextmanager
    def _watched(
        self, on_block: Callable[[int], None] | None, *, long: bool = False
    ) -> Iterator[None]:
        """Let the running job be cancelled before every block, not only between traces.

        Of a long pass before every part of one: a block may take a second.
        """
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
        if long and job is not None:
            parts = [part for block in blocks for part in block.modules() if part is not block]
            hooks += [part.register_forward_pre_hook(lambda *_: look()) for part in parts]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()
