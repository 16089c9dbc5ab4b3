"""The view of an answer against the strength of a steer."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from traitlets import List, TraitError, validate

from volvelle.names import unknown
from volvelle.views.kit.bundle import bundle
from volvelle.views.kit.texts import Dict, WholeText
from volvelle.views.kit.view import View
from volvelle.views.steering.dose_wire import (
    DoseCurve,
    DoseFacts,
    DosePoint,
    curve_wire,
    facts_wire,
)

if TYPE_CHECKING:
    import pandas as pd

    from volvelle.experiments.steering.dose_result import Dose


class DoseResponse(View):
    """Answers to a question while concepts are steered, the placebo band beside every curve.

    Parameters
    ----------
    result : Dose
        What `vv.dose` returned, or `Dose.load` read.
    **traits
        Initial values of the traits below.

    Examples
    --------
    >>> result = vv.dose(model, "Is it cold? Answer:", {"winter": winter}, control=..., placebo=20)
    >>> view = vv.DoseResponse(result)
    >>> view.selected = {"concept": "winter", "strength": 1.0}
    """

    _esm = bundle("dose_response")

    concepts = List(WholeText()).tag(sync=True)
    """Which concepts are drawn; all at first."""
    selected = Dict().tag(sync=True, of=DosePoint)
    """The point whose texts are read: ``{"concept": "joy", "strength": 1.0}``, the strength as
    a multiple of the steer's own; empty for none."""

    _curves = List(Dict()).tag(sync=True, of=list[DoseCurve])
    _facts = Dict().tag(sync=True, of=DoseFacts)

    def __init__(self, result: Dose | None = None, **traits: Any) -> None:
        self._result = result
        if result is not None:
            traits.setdefault("concepts", list(result.concepts))
        super().__init__(**traits)
        if result is None:
            return
        with self.hold_sync():
            self._curves = [curve_wire(result, concept) for concept in result.concepts]
            self._facts = facts_wire(result)

    @property
    def result(self) -> Dose | None:
        """What is shown."""
        return self._result

    def run(self) -> DoseResponse:
        """Refuse: this view shows what was measured."""
        raise ValueError(
            "this view shows a finished result; measure again with vv.dose(model, prompt, "
            "steers, ...) and show that with vv.DoseResponse(result)"
        )

    @validate("concepts")
    def _check_concepts(self, proposal: dict[str, Any]) -> list[str]:
        for name in proposal["value"]:
            self._known(name, "concepts")
        return list(dict.fromkeys(proposal["value"]))

    @validate("selected")
    def _check_selected(self, proposal: dict[str, Any]) -> dict[str, Any]:
        given = dict(proposal["value"])
        if not given:
            return given
        for key in given:
            if key not in ("concept", "strength"):
                raise TraitError(unknown("key of selected", key, ("concept", "strength")))
        if len(given) < 2:
            raise TraitError(f"selected={given} needs both 'concept' and 'strength'")
        self._known(given["concept"], "selected")
        strengths = self._result.strengths if self._result else ()
        near = [s for s in strengths if math.isclose(s, given["strength"], abs_tol=1e-9)]
        if not near:
            listed = ", ".join(f"{s:g}" for s in strengths)
            raise TraitError(f"selected: strength {given['strength']} was not run; {listed} were")
        return {"concept": given["concept"], "strength": near[0]}

    def _known(self, name: str, trait: str) -> None:
        known = self._result.concepts if self._result else ()
        if name not in known:
            raise TraitError(f"{trait}: {unknown('concept', name, known)}")

    def to_pandas(self) -> pd.DataFrame:
        """Return one line per prompt, strength and steer: see `Dose.to_pandas`."""
        if self._result is None:
            import pandas as pd

            return pd.DataFrame()
        return self._result.to_pandas()

    def _export_title(self) -> str:
        if self._result is None:
            return "DoseResponse"
        return f"DoseResponse: {self._result.model}, {', '.join(self._result.concepts)}"
