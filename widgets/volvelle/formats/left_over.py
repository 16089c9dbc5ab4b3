"""Nothing in a file is lost: what nobody reads is refused, by name and with the way out."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping


def refuse_left_over(
    found: Iterable[str],
    read: Collection[str],
    *,
    kind: str,
    source: str,
    reasons: Mapping[str, str],
    ignore: Collection[str] | None = (),
) -> None:
    """Raise ValueError for names in a file that nobody reads.

    Parameters
    ----------
    found : iterable of str
        What the file holds.
    read : collection of str
        What is used, and what is left out by a written rule.
    kind : str
        What they are: ``"tensor"``, ``"key"``.
    source : str
        What the message calls the file.
    reasons : mapping of str to str
        What a name is known to mean, and the way out.
    ignore : collection of str, or None
        Names that the caller says do not matter; None where there is no way to say so.
    """
    left = sorted(name for name in found if name not in read and name not in (ignore or ()))
    if not left:
        return
    # one that is known says more than one that nobody has seen
    name = next((name for name in left if name in reasons), left[0])
    others = [repr(other) for other in left if other != name]
    also = f" (and {', '.join(others[:6])}{' and more' * (len(others) > 6)})" if others else ""
    means = reasons.get(name, "volvelle does not know what it means, and numbers could be wrong")
    way_out = "write the file again without it"
    if ignore is not None:
        way_out = f"write SAE.load(..., ignore={left})"
    raise ValueError(
        f"{source} holds the {kind} {name!r}{also}: {means}. If you know that it does not matter, "
        f"{way_out}"
    )
