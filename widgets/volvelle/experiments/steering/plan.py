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
        Texts of each kind of placebo, at each strength; of their next words as many as the
        view measures.
    n_new : int
        Tokens to write per row.
    watch : sequence of str or sequence of str
        Answers to follow, each in one or several spellings.
    """
    from volvelle.experiments.steering.answers import ids_of
    from volvelle.experiments.steering.placebos import counts_with_texts

    kinds = 2 if any(d.a_max is not None for steer in directions for d in steer) else 1
    placebos = kinds * n_placebos if directions else 0
    texts = 1 + n_strengths * (1 + placebos) if directions else 1
    own = sum(len(steer) or 1 for steer in directions)
    vectors = own * (1 + placebos)
    parts = [writing(texts, n_new, vectors, model.d_model)]
    counts = counts_with_texts(n_placebos)
    words = kinds * max(0, counts["words"] - n_placebos)
    if all(d.contrast is not None for steer in directions for d in steer):
        words += 2 * counts["labels"]
    spelled = [one for entry in watch for one in ([entry] if isinstance(entry, str) else entry)]
    rows = texts
    if spelled and words and directions:
        parts.append(_asking(words * n_strengths, own * words, len(spelled), model.d_model))
        rows += words * n_strengths
    phrases = [n for n in (len(ids_of(model, one)) for one in spelled) if n > 1]
    if phrases:
        what = f"{rows * len(phrases)} watched phrases to score"
        back = 1_000 + rows * len(phrases) * max(phrases) * FLOAT
        parts.append(Plan(what, STEERED + vectors * model.d_model * FLOAT, back))
    points = {str(d.point) for steer in directions for d in steer}
    return together([*parts, *measuring(model, points)]).text(host_of(model))


def _asking(rows: int, vectors: int, n_answers: int, width: int) -> Plan:
    """Estimate next words under placebos, in as many requests as they take."""
    from volvelle.experiments.steering.ask import MOST_ROWS

    requests = -(-rows // MOST_ROWS)
    what = f"{rows:,} next words of placebos"
    sent = requests * STEERED + vectors * width * FLOAT
    return Plan(what, sent, requests * 1_000 + rows * (n_answers + 1) * FLOAT)
