"""The one place that runs a trace: on which thread, with which backend, stoppable."""

from __future__ import annotations

import weakref
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, TypeVar

from volvelle.models.lean import unwrapped_but
from volvelle.models.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from volvelle.models.layout import Layout

T = TypeVar("T")

# One worker per module tree: wrapping a model twice must not trace it from two threads.
_workers: weakref.WeakKeyDictionary[Any, Worker] = weakref.WeakKeyDictionary()


def worker_of(module: Any, name: str) -> Worker:
    """Return the worker of a module tree; it ends when the tree is collected."""
    worker = _workers.get(module)
    if worker is None:
        worker = _workers[module] = Worker(name)
        weakref.finalize(module, worker.stop, 0)
    return worker


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
    Verbs differ between here and a server only in what `backend` returns.
    """

    def __init__(self, lm: Any, layout: Layout, remote: bool | str) -> None:
        self.lm = lm
        self.layout = layout
        self.remote = remote
        self.worker = worker_of(lm._module, layout.name)  # noqa: SLF001 - nnsight's own name

    def __call__(
        self,
        body: Callable[..., T],
        *args: Any,
        on_block: Callable[[int], None] | None = None,
        only: Collection[str] | None = None,
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
        """
        bare = only is not None and not self.remote
        lean = unwrapped_but(self.lm._module, only or ()) if bare else nullcontext()  # noqa: SLF001 - as above
        with self._watched(on_block), lean:
            return body(self.lm, *args, backend=self.backend())

    def backend(self) -> Any:
        """Return nnsight's backend for one trace; None runs it here."""
        if self.remote:
            raise NotImplementedError(
                f"{self.layout.name} is on a server (remote={self.remote!r}); running traces there "
                "is not built yet: load it with remote=False"
            )
        return None

    @contextmanager
    def _watched(self, on_block: Callable[[int], None] | None) -> Iterator[None]:
        """Let the running job be cancelled before every block, not only between traces."""
        job = self.worker.job
        if self.remote or (job is None and on_block is None):
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
