"""What a steered run will send, about."""

from __future__ import annotations

from typing import TYPE_CHECKING

from volvelle.models.plan import FLOAT, STEERED, Plan, host_of, measuring, together, writing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from volvelle.compute.directions.directions import Direction
    from volvelle.models.model import Model


def steering(
    model: Model,
    directions: Sequence[Sequence[Direction]],
    *,
    n_strengths: int,
    n_placebos: int,
    n_new: int,
    watch: Sequence[str | Sequence[str]],
) -> str:
    """Return the sentence beside Run of a view that steers on a server.

    Parameters
    ----------
    model : Model
    directions : sequence of sequence of Direction
        Of each steer that is on; none for a head that is scaled.
    n_strengths : int
        Other than 0.
    n_placebos : int
        Of each kind, at each strength.
    n_new : int
        Tokens to write per row.
    watch : sequence of str or sequence of str
        Answers to follow, each in one or several spellings.
    """
    from volvelle.experiments.steering.answers import ids_of

    of_features = any(d.a_max is not None for steer in directions for d in steer)
    placebos = (2 if of_features else 1) * n_placebos if directions else 0
    texts = 1 + n_strengths * (1 + placebos) if directions else 1
    vectors = sum(len(steer) or 1 for steer in directions) * (1 + placebos)
    parts = [writing(texts, n_new, vectors, model.d_model)]
    spelled = [one for entry in watch for one in ([entry] if isinstance(entry, str) else entry)]
    phrases = [n for n in (len(ids_of(model, one)) for one in spelled) if n > 1]
    if phrases:
        what = f"{texts * len(phrases)} watched phrases to score"
        back = 1_000 + texts * len(phrases) * max(phrases) * FLOAT
        parts.append(Plan(what, STEERED + vectors * model.d_model * FLOAT, back))
    points = {str(d.point) for steer in directions for d in steer}
    return together([*parts, *measuring(model, points)]).text(host_of(model))
