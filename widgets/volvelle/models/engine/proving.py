"""When a model is proven, and how long that is remembered."""

from __future__ import annotations

import hashlib
import threading
import weakref
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from volvelle.models.engine.prove import asked_of, failed, proofs_from, prove
from volvelle.models.traces.prove import riding

if TYPE_CHECKING:
    from collections.abc import Callable

    from volvelle.models.engine.facts import Facts
    from volvelle.models.engine.proofs import Proofs
    from volvelle.models.engine.running import Runner
    from volvelle.models.remote.request import Request
    from volvelle.models.work.worker import Job

T = TypeVar("T")

# Numbers taken of each weight: whatever trains, merges or quantizes a model changes them.
SAMPLES = 4
# Models whose proofs are remembered.
MOST_KEPT = 256

# By what a model is.
PROVEN: dict[Any, Proofs] = {}


def mark_of(module: Any) -> str:
    """Return a hash that tells a model from one of other weights or another configuration.

    Parameters
    ----------
    module : torch.nn.Module
        Wrapped or not, once or twice.

    Notes
    -----
    Classes of all modules, and a few numbers of every weight: counters of changes in place do not
    count what is written to ``weight.data``, as adapters are merged. A few single numbers that
    change, or an attribute of a module, are not seen.
    """
    import torch

    parts = [type(part).__qualname__ for part in module.modules()]
    told = [str(vars(module.config)), str(parts)]
    kinds: dict[Any, list[torch.Tensor]] = {}
    with torch.no_grad():
        for name, weight in module.named_parameters():
            told.append(name)
            if weight.is_meta:  # weights that are kept on a disk
                continue
            n, flat = weight.numel(), weight if weight.is_contiguous() else weight.flatten()
            some = flat.as_strided((min(n, SAMPLES),), (max(1, n // SAMPLES),))
            kinds.setdefault((weight.device, weight.dtype), []).append(some)
        sampled = {kind: torch.cat(some).double().cpu().numpy() for kind, some in kinds.items()}
    digest = hashlib.sha256("\n".join(told).encode())
    for kind, numbers in sampled.items():
        digest.update(str(kind).encode() + numbers.tobytes())
    return digest.hexdigest()


class Proving:
    """What one model has proven; of a model on a server, with its first request.

    Parameters
    ----------
    model : Facts
    run : Runner
    on_change : callable without arguments
        Called when the model is seen to be another than it was.

    Notes
    -----
    Here a model is proven before the first point is read. On a server that would be a request of
    its own: points that are asked for are noted, the proof rides in the request that reads them,
    and what does not hold is refused when that comes back.
    """

    def __init__(self, model: Facts, run: Runner, on_change: Callable[[], None]) -> None:
        self._model, self._run, self._on_change = weakref.proxy(model), run, on_change
        self._mark = ""
        self._marks: weakref.WeakKeyDictionary[Job, str] = weakref.WeakKeyDictionary()
        self._claims: weakref.WeakKeyDictionary[Job, list[Callable[[Proofs], None]]] = (
            weakref.WeakKeyDictionary()
        )
        self._lock = threading.Lock()

    @property
    def known(self) -> Proofs | None:
        """What was proven of a model like this one."""
        found = PROVEN.get(self._key())
        return found and replace(found, model=self._model.name)

    def proofs(self) -> Proofs:
        """Return what the model has proven, trying it where it has not; also on a server."""
        known = self.known
        # what was broken may have been mended in numbers that the mark does not sample
        if known is None or (known.unsound and not self._run.remote):
            known = self._run.worker.call(lambda: prove(self._model, self._run))
            self._keep(known)
        return known

    def claim(self, check: Callable[[Proofs], None]) -> None:
        """Check something against the proofs: now, or when the first request is back."""
        job = self._job()
        if job is None or not self._run.remote or self.known is not None:
            check(self.proofs())
            return
        with self._lock:
            self._claims.setdefault(job, []).append(check)

    # -- for the runner of a model on a server ---------------------------------------------------

    def on(self, request: Request[T]) -> Request[T]:
        """Return a request that takes the proof along, where there is none yet."""
        if self.known is not None:
            return request
        asked = asked_of(self._model)

        def ridden(lm: Any, *args: Any, backend: Any = None, **told: Any) -> T:
            proven, found = riding(lm, asked, request.body, args, told, backend=backend)
            self._keep(proofs_from(self._model, self._run, proven))
            return found

        return replace(request, body=ridden)

    def fail(self, said: str) -> None:
        """Remember that the proof cannot be made there: what rests on it is refused."""
        self._keep(failed(self._model, said))

    def prove(self) -> None:
        """Send the proof by itself, where there is none: behind a request that is left there.

        That one goes as it is and at once: a later kernel takes it up by what it asked for, and
        may have the proof or not.
        """
        if self.known is None:
            self._keep(prove(self._model, self._run))

    def settle(self) -> None:
        """Raise ValueError where something that this job was given does not hold."""
        job, known = self._job(), self.known
        if job is None or known is None:
            return
        with self._lock:
            claims = self._claims.pop(job, [])
        if known.unsound and claims:
            PROVEN.pop(self._key(), None)  # the server may have another by the next request
        for check in claims:
            check(known)

    # -- what is remembered ----------------------------------------------------------------------

    def _job(self) -> Job | None:
        worker = self._run.worker
        return worker.job if worker.here else None

    def _key(self) -> Any:
        layout = replace(self._model.layout, name="")
        run = self._run
        if run.remote:
            return run.server.host, run.lm.to_model_key(), layout
        job = self._job()
        mark = self._marks.get(job) if job is not None else None
        if mark is None:
            mark = mark_of(run.lm._module)  # noqa: SLF001 - nnsight's name
            if self._mark and mark != self._mark:
                self._on_change()
            self._mark = mark
            if job is not None:
                self._marks[job] = mark
        return mark, layout

    def _keep(self, proofs: Proofs) -> None:
        PROVEN[self._key()] = proofs
        for old in list(PROVEN)[:-MOST_KEPT]:
            PROVEN.pop(old, None)
