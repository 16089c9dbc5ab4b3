"""One continuation of `volvelle.steer`, with everything that was measured of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

import numpy as np

from volvelle.archive.fields import Axes
from volvelle.experiments.steering.collapse import perplexity, repetition


@dataclass(frozen=True, eq=False)
class SteeredRow:
    """One continuation under one strength.

    Attributes
    ----------
    kind : {"steered", "random", "shuffled"}
        The steers, a random turn of them, or other features of the same SAE.
    number : int
        Which placebo; -1 for the steers themselves.
    strength : float
        Multiplier of every steer's own strength; 0 is the baseline.
    sample : int
        Rows of one sample drew from the same noise.
    text : str
        The continuation.
    ids : int array, shape (n,)
    strings : tuple of str
        Its tokens as a reader sees them.
    logprobs : float32 array, shape (n,)
        Natural log of each token's probability as it was written, steered.
    base_logprobs : float32 array, shape (n,)
        The same text under the unsteered model.
    watched : float32 array, shape (n, n_watch)
        Natural log of the watched answers' probabilities, before each token was written: row 0
        is what the prompt makes likely. NaN in later rows for answers of several tokens, which
        are measured right after the prompt.
    masks : bool array, shape (n_steers, n_prompt + n)
        Where each steer acted. The last token is never read, so never steered.
    sizes : dict of point -> float32 array, shape (2, n_prompt + n)
        |delta| and |h| at every token, at every steered point.
    ended : bool
        Whether the model ended the text itself.
    prompt : int
        Which of the run's prompts it goes on from.
    """

    kind: str
    number: int
    strength: float
    sample: int
    text: str
    ids: Annotated[np.ndarray, Axes("n", kind="i")] = field(repr=False)
    strings: Annotated[tuple[str, ...], Axes("n")] = field(repr=False)
    logprobs: Annotated[np.ndarray, Axes("n", kind="f")] = field(repr=False)
    base_logprobs: Annotated[np.ndarray, Axes("n", kind="f")] = field(repr=False)
    watched: Annotated[np.ndarray, Axes("n", "n_watch", kind="f")] = field(repr=False)
    masks: Annotated[np.ndarray, Axes("n_steers", "n_all", kind="b")] = field(repr=False)
    sizes: dict[str, Annotated[np.ndarray, Axes(2, "n_all", kind="f")]] = field(repr=False)
    ended: bool = False
    prompt: int = 0

    @property
    def perplexity(self) -> float:
        """Of the text under the unsteered model: soars when it collapses into noise."""
        return perplexity(self.base_logprobs)

    @property
    def repetition(self) -> float:
        """Share of token trigrams that occurred before: near 1 when it collapses into a loop."""
        return repetition(self.ids)

    @property
    def ratios(self) -> dict[str, np.ndarray]:
        """|delta| / |h| per point and token, shape (n_prompt + n,)."""
        return {point: size[0] / size[1] for point, size in self.sizes.items()}

    @property
    def ratio(self) -> float:
        """Median |delta| / |h| over the tokens that were touched, at the point it is largest."""
        touched = [r[np.nan_to_num(r) > 0] for r in self.ratios.values()]
        return max((float(np.median(r)) for r in touched if len(r)), default=0.0)

    @property
    def deltas(self) -> dict[str, float]:
        """Median |delta| over the tokens that were touched, per point; 0 where none was."""
        touched = {p: size[0][np.nan_to_num(size[0]) > 0] for p, size in self.sizes.items()}
        return {p: float(np.median(d)) if len(d) else 0.0 for p, d in touched.items()}

    @property
    def next(self) -> np.ndarray:
        """Probability of each watched answer right after the prompt, shape (n_watch,)."""
        return np.exp(self.watched[0]) if len(self.watched) else np.zeros(0, np.float32)
