"""The view that turns directions while a model writes, a placebo beside every effect."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from traitlets import List, TraitError, observe, validate

from volvelle.arguments.said import said
from volvelle.compute.steering.steers import Steer
from volvelle.compute.steering.where import Where
from volvelle.experiments.steering import plan
from volvelle.models.remote.errors import RemoteFailure
from volvelle.names import unknown
from volvelle.views.kit.bundle import bundle
from volvelle.views.kit.server import on_server
from volvelle.views.kit.texts import Dict
from volvelle.views.kit.view import View, reported
from volvelle.views.steering.controls import CONTROLS, Controls
from volvelle.views.steering.history import History
from volvelle.views.steering.records import SteeringFacts, StreamPicture, StreamWire
from volvelle.views.steering.rows import FoundFeature, Row, RowWire, rows_of, search
from volvelle.views.steering.where import where_of
from volvelle.views.steering.wire import Stream, facts_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import pandas as pd

    from volvelle.compute.dictionaries.sae import SparseAutoencoder
    from volvelle.compute.directions.directions import Direction
    from volvelle.experiments.steering.rows import AnySteer
    from volvelle.experiments.steering.steering_run import SteeringRun
    from volvelle.models.model import Model

# Failures whose message says what to do: of a control that was refused, of a server.
SPEAKING = (ValueError, TypeError, LookupError, TraitError, RemoteFailure)


def _start(steer: AnySteer) -> float:
    """Return where a steer's slider starts."""
    from volvelle.experiments.steering.rows import GENTLE, in_norms

    return GENTLE[-1] if in_norms([steer]) and steer.strength == 1 else steer.strength


class Steering(History, Controls, View):
    """Steer a model and read what it writes, beside what it writes unsteered and at random.

    Parameters
    ----------
    model : volvelle.Model
    directions : Direction, Dictionary, ControlVector, Steer, HeadScale, list or dict of them
        One row each. Bare directions start at strength 0; a `Steer` brings its own strength,
        unit, method, parameters and place (one place for all rows of a view). Added in residual
        norms, a strength of 1 that nobody chose starts at 0.2, as `vv.steer` takes it: the
        whole norm ends in noise.
    prompt : str or list of dict
        A text to continue, or chat messages with ``role`` and ``content``.
    sae : volvelle.SAE, optional
        Dictionary whose labels the view's search looks through.
    **traits
        Initial values of the traits below.

    Examples
    --------
    >>> w = vv.Steering(model, {"joy": joy}, "The letter said", watch=[" happy", " sad"])
    >>> w.strengths = {"joy": 0.3}
    >>> w.run().wait()
    >>> w.result.summary()
    """

    _esm = bundle("steering")

    _rows = List(Dict()).tag(sync=True, of=list[RowWire])
    _found = List(Dict()).tag(sync=True, of=list[FoundFeature])
    _facts = Dict().tag(sync=True, of=SteeringFacts)

    def __init__(
        self,
        model: Model | None = None,
        directions: Any = None,
        prompt: str | Sequence[Mapping[str, str]] = "",
        *,
        sae: SparseAutoencoder | None = None,
        **traits: Any,
    ) -> None:
        self._model, self._sae = model, sae
        self._all: dict[str, Row] = {row.name: row for row in rows_of(directions)}
        self._remembered: dict[str, Direction] = {}
        self._done = {}
        texts = {"prompt": prompt} if isinstance(prompt, str) else {"messages": list(prompt)}
        super().__init__(**({"live": not on_server(model)} | texts | self._given() | traits))
        self._facts = facts_of(model, sae)
        self._show_rows()
        self._measure()
        self._make_plan()

    # -- rows -----------------------------------------------------------------------------

    @property
    def names(self) -> list[str]:
        """Names of the rows, from the top."""
        return list(self._all)

    def _given(self) -> dict[str, Any]:
        """Return the traits that steers given as such bring along."""
        steers = {name: row.steer for name, row in self._all.items()}
        places = [s.where for s in steers.values() if s.where != Where()]
        if any(place != places[0] for place in places):
            raise ValueError("the steers act in different places; a view has one `where` for all")
        mine = {n: s for n, s in steers.items() if isinstance(s, Steer)}
        own = {n: settings for n, row in self._all.items() if (settings := row.own_settings())}
        for steer in mine.values():
            if steer.method == "swap":
                self.remember(steer.target)
        found: dict[str, Any] = {
            "strengths": {n: _start(s) for n, s in steers.items()},
            "units": {n: s.unit for n, s in mine.items()},
            "methods": {n: s.method for n, s in mine.items() if s.method != "add"},
            "settings": own,
        }
        return found | ({"where": places[0]} if places else {})

    def add(self, direction: Any, strength: float | None = None) -> Steering:
        """Add rows, as the constructor's `directions` does.

        Parameters
        ----------
        direction : Direction, Steer, ..., list or dict of them
        strength : float, optional
            In the row's unit; a `Steer` brings its own, a bare direction starts at 0.
        """
        rows = rows_of(direction)
        for row in rows:
            if row.name in self._all:
                raise ValueError(f"there is a direction named {row.name!r} already")
        before = {name: self._all[name] for name in self._all}
        self._all = {row.name: row for row in rows}
        brought = self._given()
        self._all = before | self._all
        with self.hold_sync():
            for trait in ("strengths", "units", "methods", "settings"):
                new = brought[trait]
                if trait == "strengths" and strength is not None:
                    new = dict.fromkeys(new, float(strength))
                setattr(self, trait, getattr(self, trait) | new)
            self._show_rows()
        self._measure()
        return self

    def remove(self, name: str) -> Steering:
        """Remove a row."""
        if name not in self._all:
            raise KeyError(unknown("direction", name, self._all))
        with self.hold_sync():
            del self._all[name]
            for trait in ("strengths", "units", "methods", "points", "settings"):
                kept = {key: v for key, v in getattr(self, trait).items() if key != name}
                setattr(self, trait, kept)
            self.muted = [other for other in self.muted if other != name]
            self._show_rows()
        return self

    def remember(self, direction: Direction) -> None:
        """Keep a direction that is named but has no row: a condition's, or a swap's target."""
        self._remembered[direction.name] = direction

    def _show_rows(self) -> None:
        self._rows = [row.wire() for row in self._all.values()]
        targets = dict.fromkeys([*self._remembered, *self._all])
        self._facts = self._facts | {"targets": list(targets)}

    def _named(self, name: str, what: str) -> Direction:
        row = self._all.get(name)
        if row is not None and row.directions:
            return row.directions[0]
        if name in self._remembered:
            return self._remembered[name]
        raise ValueError(f"{what}: {unknown('direction', name, [*self._all, *self._remembered])}")

    @validate("where")
    def _check_when(self, proposal: dict[str, Any]) -> dict[str, Any]:
        if name := proposal["value"]["when"]:
            try:
                self._named(name, "where: when")
            except ValueError as error:
                raise TraitError(str(error)) from error
        return proposal["value"]

    # -- work -----------------------------------------------------------------------------

    def _measure(self) -> None:
        """Measure the norms behind the units, where that is cheap and nothing else runs."""
        model = self._model
        if model is None or on_server(model) or self.status in ("queued", "running"):
            return
        wanted = {point for name in self._all for point in self._points(name)} - set(self._norms)
        if not wanted:
            return

        def work(report: Callable[[float, str], None]) -> dict[str, float]:
            norms = {}
            for n, point in enumerate(sorted(wanted)):
                report(n / len(wanted), "measuring the residual norm")
                norms[point] = float(model.norm(point))
            return norms

        self._start(model, work, self._add_norms)

    def _add_norms(self, norms: dict[str, float]) -> None:
        self._norms = self._norms | norms

    def _points(self, name: str) -> list[str]:
        moved = self.points.get(name)
        points = [moved] if moved else self._all[name].points
        return [point for point in points if not point.startswith("z.")]

    def steers(self) -> list[Any]:
        """Return the steers the controls describe, those that are off left out."""
        feature = self._named(self.where["when"], "where") if self.where["when"] else None
        where = where_of(self.where, feature)
        found = []
        for name, row in self._all.items():
            strength = float(self.strengths.get(name, 0.0))
            if name in self.muted or strength == 0:
                continue
            method = self.methods.get(name, self.method)
            own = dict(self.settings.get(name, {}))
            if method not in row.methods:
                method = row.methods[0]
            if method == "swap":
                own["target"] = self._target(name, own.get("target"))
            found.append(
                row.steered(
                    strength,
                    unit=self.units.get(name, "norm"),
                    method=method,
                    point=self.points.get(name, ""),
                    settings=own,
                    where=where,
                )
            )
        return found

    def _target(self, name: str, target: Any) -> Direction:
        if not isinstance(target, str):
            others = [other for other in self._all if other != name]
            if not others:
                raise ValueError(f"swap of {name!r} needs another direction; add one to the view")
            target = others[0]
        return self._named(target, "target")

    def run(self) -> Steering:
        """Write with the present controls. Returns at once; `wait` waits."""
        model = self._model
        if model is None:
            raise ValueError("this view has no model; make one with vv.Steering(model, ...)")
        if not self._all:
            raise ValueError("nothing to steer: add a direction, as in w.add(direction)")
        from volvelle.experiments.steering.placebos import counts_with_texts as counts
        from volvelle.experiments.steering.steer import steer
        from volvelle.models.engine.chats import labels_of

        steers = self.steers()
        idle = [row.steer for row in self._all.values()]
        controls = copy.deepcopy({name: getattr(self, name) for name in CONTROLS})
        prompt: Any = self.messages or self.prompt
        frame: StreamWire = {
            "serial": self._next,
            "settings": {name: controls[name] for name in ("seed", "temperature")},
            "sizes": [{"strength": s.strength, "unit": s.unit, "method": s.method} for s in steers],
        }

        def spell(ids: list[int]) -> Sequence[str]:
            return model.tokens(ids).strings

        def work(report: Callable[[float, str], None]) -> SteeringRun:
            @self._work.while_newest
            def show(picture: StreamPicture) -> None:
                self._stream = {**picture, **frame}

            chat = controls["chat"] and not self.messages
            ids = model.prompt_ids(prompt, chat=chat)
            stream = Stream(spell, show, controls["watch"], spell(ids), labels_of(ids))
            return steer(
                model,
                prompt,
                steers or idle,
                strengths=controls["multiples"] if steers else (),
                placebo=counts(controls["placebo"]) if steers else 0,
                watch=controls["watch"],
                max_new_tokens=controls["max_new_tokens"],
                temperature=controls["temperature"],
                chat=chat,
                seed=controls["seed"],
                on_token=stream,
                on_steered=stream.mark,
                progress=report,
            )

        self._stream = {}
        self._start(model, work, lambda run: self._keep(run, controls))
        return self

    def _fail(self, error: BaseException) -> None:
        """Say what to do next, where the message comes from below and does not."""
        if not isinstance(error, SPEAKING):
            error = RuntimeError(
                f"{type(error).__name__} while the model ran: {said(error)}. The last result "
                "stays; change a control, or Run again. The traceback is in the log 'volvelle'"
            ).with_traceback(error.__traceback__)
        super()._fail(error)

    # -- traits set by anyone -------------------------------------------------------------

    @observe("points")
    @reported
    def _new_points(self, change: dict[str, Any]) -> None:  # noqa: ARG002
        if self._rows:
            self._measure()

    @observe(*CONTROLS, "result")
    @reported
    def _new_control(self, change: dict[str, Any]) -> None:  # noqa: ARG002
        self._make_plan()

    def _make_plan(self) -> None:
        """Say what Run will send, where it sends anything."""
        if on_server(self._model):
            on = [
                row.directions
                for name, row in self._all.items()
                if name not in self.muted and self.strengths.get(name)
            ]
            self._plan = plan.steering(
                self._model,
                on,
                n_strengths=len(self.multiples),
                n_placebos=self.placebo,
                n_new=self.max_new_tokens,
                watch=self.watch,
            )

    @observe("query")
    @reported
    def _new_query(self, change: dict[str, Any]) -> None:
        self._found = search(self._sae, change["new"])

    # -- what the browser asks ------------------------------------------------------------

    def _on_add(self, feature: int) -> None:
        if self._sae is None:
            raise ValueError("this view has no SAE to search; give vv.Steering(..., sae=sae)")
        self.add(self._sae.feature(feature))

    def _on_remove(self, name: str) -> None:
        self.remove(name)

    def _on_restore(self, number: int) -> None:
        self.restore(number)

    # -- out ------------------------------------------------------------------------------

    def to_pandas(self) -> pd.DataFrame:
        """Return the shown run, one line per row: see `SteeringRun.to_pandas`."""
        if self.result is None:
            import pandas as pd

            return pd.DataFrame()
        return self.result.to_pandas()

    def _export_title(self) -> str:
        name = self._facts.get("model")
        return f"Steering: {name}, {', '.join(self._all)}" if name else "Steering"
