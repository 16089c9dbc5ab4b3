"""What laying out two dictionaries will send, about."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from volvelle.models.plan import (
    CODE,
    FLOAT,
    Plan,
    check_read,
    host_of,
    n_tokens,
    observing,
    together,
    too_many,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from volvelle.models.model import Model
    from volvelle.models.verbs.readout import Readout

MOST_MATCHED = 20_000  # tokens of texts given to a map by a line of code
INSTEAD = "vv.dual_layout(...)"


def matching(model: Model, texts: Sequence[str], nouns: Sequence[Any]) -> list[Plan]:
    """Estimate what dictionaries of one model do along texts."""
    from volvelle.experiments.readouts.codes import Codes
    from volvelle.experiments.readouts.projection import Norms, Projection
    from volvelle.models.verbs.readout import Size

    at: dict[str, list[Readout]] = {}
    for noun in nouns:
        one = Codes(noun) if hasattr(noun, "encode_sparse") else Projection(noun.vectors)
        at.setdefault(str(noun.point), [Norms()]).append(one)
    size = Size(n_tokens(model, texts), len(texts), model.d_model)
    return [observing(size, [readouts]) for readouts in at.values()]


def laying_out(sides: Sequence[Any], texts: Sequence[str], there: Sequence[Model]) -> str:
    """Return the sentence beside Run of a map whose models are on a server.

    Parameters
    ----------
    sides : sequence of SAE, Dictionary, array or None
        The two dictionaries.
    texts : sequence of str
        What they are compared on.
    there : sequence of Model
        The models of the map that are on a server.
    """
    from volvelle.experiments.maps.parts import MOST_PROMOTED, PROMOTED

    parts = []
    for model in there:
        n = n_tokens(model, texts)
        if n > MOST_MATCHED:
            return too_many(n, INSTEAD, MOST_MATCHED)
        if n:
            parts += matching(model, texts, [side for side in sides if hasattr(side, "point")])
    vectors = sum(n for n in map(n_directions, sides) if n <= MOST_PROMOTED)
    width = there[0].d_model
    what = f"{vectors:,} directions to read off the vocabulary"
    parts.append(Plan(what, CODE + vectors * width * FLOAT, 1_000 + vectors * PROMOTED * FLOAT))
    return f"{together(parts).text(host_of(there[0]))} Less, where it is in the cache."


def check_texts(there: Sequence[Model], texts: Sequence[str]) -> None:
    """Raise ValueError for more text than a map sends at once."""
    for model in there:
        check_read(n_tokens(model, texts), INSTEAD, MOST_MATCHED)


def n_directions(noun: Any) -> int:
    """Count the features of an SAE, or the vectors of a dictionary or an array."""
    if noun is None:
        return 0
    n = getattr(noun, "n_features", None)
    return int(n) if n is not None else len(getattr(noun, "vectors", noun))
