"""What is worked out of one point of a map, when somebody looks at it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from volvelle.views.kit.server import on_server

if TYPE_CHECKING:
    from volvelle.experiments.maps.result import DualLayout
    from volvelle.experiments.maps.sides import Side


class Looks:
    """Answers the browser about a point of a map too large to send all of it ahead."""

    _given: dict[str, Any]
    _pair: DualLayout | None
    _looked: Any
    _work: Any
    _sides: dict[str, Side] | None = None

    def _on_look(self, which: Literal["a", "b"], index: int) -> None:
        """Send what is known of one point of a map too large to send it ahead."""
        if self._pair is None:
            return
        half = getattr(self._pair, which)
        if not 0 <= index < half.n:
            return
        found = {
            name: [
                None if isinstance(v, float) and not np.isfinite(v) else v
                for v in np.asarray(getattr(half, name)[index]).tolist()
            ]
            for name in ("own", "own_cosine", "other", "other_score")
        }
        other = self._pair.b if which == "a" else self._pair.a
        labels = {
            "own": [half.labels[i] if i >= 0 else "" for i in half.own[index]],
            "other": [other.labels[i] if i >= 0 else "" for i in half.other[index]],
        }
        self._looked = {
            "which": which,
            "index": index,
            "label": half.labels[index],
            **found,
            "labels": labels,
        }
        if which in self._promoters():
            self._ask_model(which, index)

    def _promoters(self) -> dict[str, Any]:
        """Return the model to ask what a feature promotes, by dictionary; none that is remote."""
        if self._pair is None or self._pair is self._given["a"]:
            return {}
        from volvelle.experiments.maps.parts import promotes

        models = {"a": self._given["model"], "b": self._given["model_b"] or self._given["model"]}
        return {
            which: model
            for which, model in models.items()
            if self._given[which] is not None
            and not getattr(self._pair, which).promoted
            and not on_server(model)
            and promotes(model, self._side(which))
        }

    def _side(self, which: str) -> Side:
        from volvelle.experiments.maps.sides import side

        held = self._sides or {}
        if which not in held:
            self._sides = held = held | {which: side(self._given[which], which)}
        return held[which]

    def _ask_model(self, which: str, index: int) -> None:
        """Work out what one feature promotes, on the model's thread."""
        from volvelle.experiments.maps.parts import promoted_by

        model = self._promoters()[which]
        vector = self._side(which).vectors[index : index + 1]

        def work() -> None:
            with self._work.reporting():
                (text,) = promoted_by(model, vector)
                looked = self._looked
                if (looked["which"], looked["index"]) == (which, index):
                    self._looked = looked | {"promoted": text}

        model.submit(work, key=f"look-{id(self)}", name="promoted tokens")
