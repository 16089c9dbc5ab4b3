"""How likely given texts are under the steers that would write them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from volvelle.models.verbs.score import whole

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from volvelle.models.engine.engine import Engine
    from volvelle.models.steering.steered import Steered
    from volvelle.models.verbs.score import Progress, Text


def score_steered(
    model: Engine, rows: Sequence[Text], steered: Steered, progress: Progress = None
) -> list[np.ndarray]:
    """Return the log-probability of every token of continuations under steers.

    Parameters
    ----------
    model : Engine
    rows : sequence of (prompt ids, continuation ids)
    steered : Steered
        Each row's steers, made with ``forced=``: its continuation but for the last token.
    progress : callable(fraction, text), optional

    Returns
    -------
    list of array, float32, each shape (n_continuation,)
        Natural log: of each token given those before it, steered where generated tokens are.
    """
    return whole(model, rows, [None] * len(rows), progress, steered)
