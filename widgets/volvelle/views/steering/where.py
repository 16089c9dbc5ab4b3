"""Where a steer acts, as a line of text that a person can read and type."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any, TypedDict

from traitlets import TraitError

from volvelle.arguments.texts import cleaned
from volvelle.compute.steering.choices import TokenChoice
from volvelle.compute.steering.where import When, Where
from volvelle.names import unknown
from volvelle.views.kit.texts import Dict


class WherePlaces(TypedDict):
    """A `Where` as JSON."""

    prompt: str  # as `read_places` reads it
    generated: str
    special: bool
    first: bool
    turns: str  # words of `Where` between commas, empty for its None
    when: str  # name of a direction, empty for always
    above: float  # its threshold


PHASES = ("prompt", "generated")
FLAGS = ("special", "first")
EVERYWHERE = {
    "prompt": "all",
    "generated": "all",
    "special": False,
    "first": False,
    "turns": "",
    "when": "",
    "above": 0.0,
}
SPELLINGS = (
    'write all, none, positions (0, 3, -1), a window (2:8, -5:), tokens in quotes (" cat"), '
    "or any of them after 'not'"
)
_ITEM = re.compile(
    r"""\s*(?P<no>not\s+)?(?:(?P<string>"(?:[^"\\]|\\.)*"|'[^']*')|\#(?P<id>\d+)"""
    r"""|(?P<window>-?\d*\s*:\s*-?\d*)|(?P<position>-?\d+))\s*(?:,|$)"""
)


def read_places(text: str, phase: str) -> str | dict[str, Any]:
    """Return what `Where` takes for a typed line.

    Parameters
    ----------
    text : str
        ``"all"``, ``"none"``, or items between commas: ``3``, ``-1``, ``2:8``, ``-5:``,
        ``" cat"`` (a token), ``#284`` (a token's id), each perhaps after ``not``.
    phase : {"prompt", "generated"}
        For messages.

    Raises
    ------
    ValueError
        For a line that cannot be read, with what can.
    """
    said = text.strip()
    if said in ("", "all", "none"):
        return said or "all"
    found: dict[str, Any] = {}
    at = 0
    while at < len(said):
        item = _ITEM.match(said, at)
        if item is None:
            raise ValueError(f"{phase}: {said[at:].strip()!r} names no tokens; {SPELLINGS}")
        at = item.end()
        out = "exclude_" if item["no"] else ""
        if item["window"]:
            if f"{out}window" in found:
                raise ValueError(f"{phase}: {said!r} holds two windows; list positions instead")
            start, stop = (part.strip() for part in item["window"].split(":"))
            found[f"{out}window"] = (int(start or 0), int(stop) if stop else None)
        elif item["position"]:
            found.setdefault(f"{out}positions", []).append(int(item["position"]))
        else:
            string = item["string"]
            token: int | str = int(item["id"]) if item["id"] else _unquoted(string)
            found.setdefault(f"{out}tokens", []).append(token)
    return found


def _unquoted(string: str) -> str:
    return json.loads(string) if string.startswith('"') else string[1:-1]


def write_places(given: Any, phase: str) -> str:
    """Return the line that says one phase of a `Where`."""
    if isinstance(given, str) and given not in ("all", "none"):
        given = read_places(given, phase)
    chosen = TokenChoice.parse(given, phase)
    items = _items(chosen.positions, chosen.window, chosen.tokens)
    left_out = _items(chosen.exclude_positions, chosen.exclude_window, chosen.exclude_tokens)
    listed = items + [f"not {item}" for item in left_out]
    return ", ".join(listed) or ("all" if chosen.everything else "none")


def _items(positions: Any, window: Any, tokens: Any) -> list[str]:
    found = [str(position) for position in positions]
    if window is not None:
        start, stop = window
        found.append(f"{start or ''}:{'' if stop is None else stop}")
    return found + [
        f"#{token}" if isinstance(token, int) else json.dumps(token, ensure_ascii=False)
        for token in tokens
    ]


class Places(Dict):
    """Where all steers of a view act, as JSON; a `volvelle.Where` may be assigned.

    Its keys are those of `WherePlaces`. A `When` that came with a `Where` is kept by the view,
    under its feature's name.
    """

    def __init__(self) -> None:
        super().__init__(default_value=dict(EVERYWHERE))
        self.tag(sync=True, of=WherePlaces)

    def validate(self, obj: Any, value: Any) -> dict[str, Any]:
        """Fill in what is missing, and bring every spelling to text."""
        given = cleaned(self._keys(obj, value))
        try:
            found = EVERYWHERE | given
            found |= {phase: write_places(found[phase], phase) for phase in PHASES}
            found |= {flag: bool(found[flag]) for flag in FLAGS}
            found["turns"] = ", ".join(_words(found["turns"]))
            found |= {"when": str(found["when"] or ""), "above": float(found["above"])}
            where_of(found, None)
        except (TypeError, ValueError, OverflowError) as error:
            raise TraitError(f"where: {error}") from error
        if not math.isfinite(found["above"]):
            raise TraitError(f"where: above={found['above']} is no threshold")
        return found

    def _keys(self, obj: Any, value: Any) -> dict[str, Any]:
        if isinstance(value, Where):
            names = (*PHASES, *FLAGS, "turns")
            given: dict[str, Any] = {name: getattr(value, name) for name in names}
            if value.when is not None:
                obj.remember(value.when.feature)
                given |= {"when": value.when.feature.name, "above": value.when.above}
            return given
        if not isinstance(value, Mapping):
            raise TraitError(f"where={value!r} is no place; write vv.Where(prompt=..., ...)")
        for key in value:
            if key not in EVERYWHERE:
                raise TraitError(unknown("key of where", key, EVERYWHERE))
        return dict(value)


def _words(turns: Any) -> tuple[str, ...]:
    """Return the words of a choice of turns, typed or as `Where` has them; () for None."""
    listed = turns.split(",") if isinstance(turns, str) else turns or ()
    return tuple(word for one in listed if (word := " ".join(str(one).split())))


def where_of(places: Mapping[str, Any], feature: Any) -> Where:
    """Return the `Where` of the trait's value; `feature` is what ``when`` names, or None."""
    return Where(
        prompt=read_places(places["prompt"], "prompt"),
        generated=read_places(places["generated"], "generated"),
        special=places["special"],
        first=places["first"],
        turns=_words(places["turns"]) or None,
        when=None if feature is None else When(feature, above=places["above"]),
    )
