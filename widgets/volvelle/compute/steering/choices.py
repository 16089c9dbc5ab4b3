"""Which tokens of one phase are meant, in one form whatever the spelling."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from numbers import Integral
from typing import Any, cast

import numpy as np

from volvelle.arguments import plain
from volvelle.arguments.said import seen
from volvelle.names import unknown

INCLUDES = ("positions", "window", "tokens")
EXCLUDES = ("exclude_positions", "exclude_window", "exclude_tokens")
# what windows and positions may come as
WINDOWS: tuple[type, ...] = (tuple, slice)
PLACES: tuple[type, ...] = (int, list, range, np.ndarray)


@dataclass(frozen=True)
class TokenChoice:
    """One phase's choice of tokens, in one form whatever the spelling.

    Attributes
    ----------
    everything : bool
        Start from all tokens.
    positions, exclude_positions : tuple of int
        Token indices; negative ones count from the prompt's end.
    window, exclude_window : (int, int or None) or None
        Half-open range of token indices; stop None is open.
    tokens, exclude_tokens : tuple of int or str
        Token ids, or the strings of single tokens (the model's tokenizer resolves them).
    """

    everything: bool = False
    positions: tuple[int, ...] = ()
    window: tuple[int, int | None] | None = None
    tokens: tuple[int | str, ...] = ()
    exclude_positions: tuple[int, ...] = ()
    exclude_window: tuple[int, int | None] | None = None
    exclude_tokens: tuple[int | str, ...] = ()

    @classmethod
    def parse(cls, given: object, phase: str) -> TokenChoice:
        """Read one phase of a `Where`, in any of its spellings.

        Parameters
        ----------
        given : "all", "none", None, int, list of int, (start, stop), slice, dict or TokenChoice
            What the user wrote; `Where` documents the meaning.
        phase : str
            ``"prompt"`` or ``"generated"``, for messages.

        Raises
        ------
        ValueError, TypeError
            For anything else, with the spellings that exist.
        """
        if isinstance(given, TokenChoice):
            return given
        if given is None or (isinstance(given, str) and given in ("all", "none")):
            return cls(everything=given == "all")
        if isinstance(given, WINDOWS):
            return cls(window=_window(given, phase))
        if isinstance(given, Mapping):
            return cls._of_mapping(cast("Mapping[str, Any]", given), phase)
        if isinstance(given, PLACES) and not isinstance(given, bool):
            return cls(positions=_positions(given, phase))
        raise TypeError(
            f"{phase}={seen(given)} names no tokens; write 'all', 'none', a position, a list of "
            "positions, a window (start, stop), or a dict with any of "
            + ", ".join((*INCLUDES, *EXCLUDES))
        )

    @classmethod
    def _of_mapping(cls, given: Mapping[str, Any], phase: str) -> TokenChoice:
        known = (*INCLUDES, *EXCLUDES)
        for name in given:
            if name not in known:
                raise ValueError(unknown(f"key of {phase}", name, known))
        read: dict[str, Any] = {}
        for name, value in given.items():
            if name.endswith("window"):
                read[name] = None if value is None else _window(value, phase)
            elif name.endswith("positions"):
                read[name] = _positions(value, phase)
            else:
                read[name] = _tokens(value, phase)
        # excludes alone take away from everything
        return cls(everything=not any(given.get(name) is not None for name in INCLUDES), **read)

    def spelled(self) -> str | dict[str, Any]:
        """Return the spelling JSON can hold: ``"all"``, ``"none"`` or a dict."""
        parts = {
            name: list(cast("tuple[Any, ...]", value)) if isinstance(value, tuple) else value
            for name, value in vars(self).items()
            if name != "everything" and value not in ((), None)
        }
        if parts:
            return parts
        return "all" if self.everything else "none"

    def places(self, n: int, negative: bool) -> np.ndarray:
        """Return the mask over n tokens before any token id or rule is looked at, bool (n,)."""
        mask = np.full(n, self.everything)
        mask[self._indices(self.positions, n, negative)] = True
        if self.window is not None:
            mask[_slice(self.window)] = True
        return mask

    def kept(self, n: int, negative: bool) -> np.ndarray:
        """Return the mask of what the excluded places leave, bool (n,)."""
        mask = np.ones(n, dtype=bool)
        mask[self._indices(self.exclude_positions, n, negative)] = False
        if self.exclude_window is not None:
            mask[_slice(self.exclude_window)] = False
        return mask

    @staticmethod
    def _indices(positions: tuple[int, ...], n: int, negative: bool) -> list[int]:
        if not negative and any(p < 0 for p in positions):
            raise ValueError(
                f"generated position {min(positions)} counts from an end nobody knows yet; "
                "generated tokens are 0, 1, 2, ... from the first new one"
            )
        if negative and (outside := [p for p in positions if not -n <= p < n]):
            raise IndexError(
                f"position {outside[0]} is outside the prompt's 0...{n - 1} (-1...-{n})"
            )
        return [p for p in positions if -n <= p < n]


def _tokens(given: object, phase: str) -> tuple[int | str, ...]:
    listed = [given] if isinstance(given, (Integral, str)) else given
    found = list(cast("Iterable[object]", listed)) if isinstance(listed, Iterable) else [listed]
    for one in found:
        if not isinstance(one, (Integral, str)):
            raise TypeError(f"tokens of {phase} are ids, or texts of one token, not {seen(one)}")
    return tuple(one if isinstance(one, str) else int(cast("Any", one)) for one in found)


def _positions(given: object, phase: str) -> tuple[int, ...]:
    found: list[Any] | None = [given] if plain.is_whole(given) else plain.listed(given)
    if found is None or not all(map(plain.is_whole, found)):
        raise TypeError(f"positions of {phase} are integers, not {seen(given)}")
    return tuple(int(p) for p in found)


def _window(given: object, phase: str) -> tuple[int, int | None]:
    if isinstance(given, slice):
        cut = cast("slice[Any, Any, Any]", given)
        if cut.step not in (None, 1):
            raise ValueError(f"the window of {phase} has step {cut.step}; windows are unbroken")
        given = (cut.start or 0, cut.stop)
    pair = tuple(cast("Iterable[object]", given)) if isinstance(given, (tuple, list)) else ()
    if len(pair) != 2 or not isinstance(pair[0], int) or not isinstance(pair[1], int | None):
        raise ValueError(
            f"the window of {phase} is (start, stop) with stop None for open, not {seen(given)}; "
            "single positions go in a list"
        )
    return pair[0], pair[1]


def _slice(window: tuple[int, int | None]) -> slice:
    return slice(window[0], window[1])
