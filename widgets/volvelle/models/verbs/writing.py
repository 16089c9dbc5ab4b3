"""How texts are written: what the verbs that write take as keywords, as one thing."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from volvelle.models.engine.engine import Engine


@dataclass(frozen=True)
class Writing:
    """How texts are written.

    Attributes
    ----------
    tokens : int
        Of each text, at most.
    temperature : float
        0 takes the likeliest token.
    samples : int
        Texts of each prompt under each steer.
    seed : int
        Of the noise that samples draw from.
    chat : bool
        Whether a text prompt is put in the model's chat template.
    """

    tokens: int
    temperature: float = 0.0
    samples: int = 1
    seed: int = 0
    chat: bool = False

    @property
    def told(self) -> dict[str, Any]:
        """The two of them that `generate_rows` takes as they are, by its names."""
        return {"max_new_tokens": self.tokens, "temperature": self.temperature}

    @property
    def said(self) -> dict[str, Any]:
        """All of them as a result keeps them, by the names of the verbs' keywords."""
        return {
            "seed": self.seed,
            "temperature": float(self.temperature),
            "max_new_tokens": int(self.tokens),
            "samples": self.samples,
            "chat": self.chat,
        }

    def check(self, model: Engine, rows: Sequence[Sequence[int]]) -> None:
        """Refuse what cannot be written after these prompts: none, too long, no number.

        Raises
        ------
        ValueError
        """
        if not isinstance(self.tokens, (int, np.integer)) or self.tokens < 1:
            raise ValueError(f"max_new_tokens={self.tokens!r} must be a whole number, 1 or more")
        if not isinstance(self.temperature, Real) or not 0 <= float(self.temperature) < np.inf:
            raise ValueError(f"temperature={self.temperature!r} must be a finite number, 0 or more")
        for row in rows:
            if not len(row):
                raise ValueError("a prompt has no tokens; give the model something to continue")
            if len(row) + self.tokens > model.context:
                raise ValueError(
                    f"a prompt of {len(row)} tokens and max_new_tokens={self.tokens} exceed "
                    f"{model.name}'s context of {model.context}"
                )
