"""Feature activations of texts: sparse, labelled, printable, savable."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, Self, TypeAlias

import numpy as np
import scipy.sparse as sp

from volvelle.archive.fields import IN_MEMORY, Axes
from volvelle.arguments import plain
from volvelle.arguments.call import checked_result
from volvelle.arguments.said import came, seen
from volvelle.experiments.result import Result
from volvelle.models.engine.tokens import Tokens
from volvelle.names import unknown

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pandas as pd

    from volvelle.compute.dictionaries.sae import SparseAutoencoder  # noqa: TC004 - in no file

RANKINGS = ("max", "mean", "density")

# Below these an SAE is told not to fit: other models and layers measure at or under zero, the
# demo dictionaries at 0.7 and more. A few tokens say nothing.
LOWEST_FVE = 0.3
LOWEST_SHARE_OF_K = 0.5
FEWEST_SCORED = 24


# one place in a text, or several
Places: TypeAlias = "int | Sequence[int] | None"


@checked_result
@dataclass(frozen=True, eq=False, repr=False)
class Activations(Result, kind="Activations", version=1):
    """What an SAE finds in texts: one row per token of all texts, one column per feature.

    Attributes
    ----------
    codes : scipy.sparse.csr_array, shape (n_tokens, n_features), float32
        Feature activations. Rows of tokens that are left out are empty.
    tokens : tuple of Tokens
        One per text; their rows follow each other.
    windows : tuple of array, int64
        Per text the token index at which each window of the model takes over; the first is 0.
        Right after a border a token saw only the overlap before it.
    left_out : array, bool, shape (n_tokens,)
        Position 0 of each text: its state is not like any other's, features say nothing there.
    outliers : array, bool, shape (n_tokens,)
        Tokens of extreme norm: encoded, but in no ranking and not in `fve`.
    kth : array, float32, shape (n_tokens,), or None
        For top-k SAEs what `SAE.encode_selected` needs for these tokens.
    fve : float
        Fraction of the states' variance that the SAE explains, over scored tokens; NaN where
        there are too few.
    model, sae_name, point : str
        Where the activations come from.
    labels : tuple of str or None
        Per feature.
    k : int or None
        Features per token the SAE was trained for.
    signed : bool
        Whether activations can be negative.
    sae : SAE or None
        None after `load`, unless handed over.
    """

    codes: Annotated[sp.csr_array, Axes("n_tokens", "n_features", kind="f")]
    tokens: Annotated[tuple[Tokens, ...], Axes("n_texts")]
    windows: Annotated[tuple[np.ndarray, ...], Axes("n_texts", None, kind="i")]
    left_out: Annotated[np.ndarray, Axes("n_tokens", kind="b")]
    outliers: Annotated[np.ndarray, Axes("n_tokens", kind="b")]
    kth: Annotated[np.ndarray | None, Axes("n_tokens", kind="f")] = None
    fve: float = float("nan")
    model: str = ""
    sae_name: str = ""
    point: str = ""
    labels: Annotated[tuple[str, ...] | None, Axes("n_features")] = None
    k: int | None = None
    signed: bool = False
    sae: SparseAutoencoder | None = field(default=None, compare=False, metadata=IN_MEMORY)

    def _check(self) -> None:
        """Raise ValueError where the texts of a file are not those of its rows."""
        n = sum(len(tokens) for tokens in self.tokens)
        if n != self.n_tokens:
            raise ValueError(f"codes have {self.n_tokens} rows, the texts {n} tokens")

    # -- what it is --------------------------------------------------------------------------

    @property
    def n_tokens(self) -> int:
        """Tokens of all texts."""
        return self.codes.shape[0]

    @property
    def n_features(self) -> int:
        """Features of the SAE."""
        return self.codes.shape[1]

    @cached_property
    def text_index(self) -> np.ndarray:
        """Text of each row, int64, shape (n_tokens,)."""
        return np.repeat(np.arange(len(self.tokens)), [len(t) for t in self.tokens])

    @cached_property
    def token_index(self) -> np.ndarray:
        """Place of each row within its text, int64, shape (n_tokens,)."""
        places = [np.arange(len(t)) for t in self.tokens]
        return np.concatenate(places) if places else np.zeros(0, np.int64)

    @cached_property
    def strings(self) -> tuple[str, ...]:
        """Each row's token as a reader sees it."""
        return tuple(string for tokens in self.tokens for string in tokens.strings)

    @property
    def scored(self) -> np.ndarray:
        """Rows that rankings, `l0` and `fve` are about, bool, shape (n_tokens,)."""
        return ~(self.left_out | self.outliers)

    @cached_property
    def l0(self) -> float:
        """Mean number of features alive at a scored token; NaN without tokens."""
        counts = np.diff(self.codes.indptr)[self.scored]
        return float(counts.mean()) if len(counts) else float("nan")

    @cached_property
    def note(self) -> str:
        """Why the SAE does not seem to belong to this model; empty where it does."""
        if int(self.scored.sum()) < FEWEST_SCORED:
            return ""
        named = f"{self.sae_name} does not seem to fit {self.point} of {self.model}"
        if self.fve < LOWEST_FVE:
            return f"{named}: it explains {self.fve:.2f} of the variance there (FVE)"
        if self.k is not None and self.l0 < LOWEST_SHARE_OF_K * self.k:
            return f"{named}: {self.l0:.1f} features are alive at a token, trained for {self.k}"
        return ""

    def row(self, token: int, text: int = 0) -> int:
        """Return the row of a token of a text; negative tokens count from the text's end."""
        n = len(self.tokens[self._text(text)])
        if not n:
            raise IndexError(f"token {token} is outside text {text}, which is empty")
        if not -n <= token < n:
            raise IndexError(f"token {token} is outside text {text}'s 0...{n - 1}")
        return sum(len(t) for t in self.tokens[:text]) + token % n

    def _text(self, text: int) -> int:
        if not 0 <= text < len(self.tokens):
            raise IndexError(f"text {text} is outside 0...{len(self.tokens) - 1}")
        return text

    def feature(self, index: int) -> np.ndarray:
        """Return one feature's activation at every token.

        Parameters
        ----------
        index : int
            0 ... n_features - 1.

        Returns
        -------
        ndarray, shape (n_tokens,), float32
        """
        if not 0 <= index < self.n_features:
            raise IndexError(
                f"feature {index} is outside {self.sae_name}'s 0...{self.n_features - 1}"
            )
        columns = self._by_feature
        span = slice(columns.indptr[index], columns.indptr[index + 1])
        values = np.zeros(self.n_tokens, dtype=np.float32)
        values[columns.indices[span]] = columns.data[span]
        return values

    @cached_property
    def _by_feature(self) -> Any:
        return sp.csc_array(self.codes)

    # -- tables ------------------------------------------------------------------------------

    def top_features(
        self,
        k: int = 10,
        by: str = "max",
        token: Places = None,
        text: int | None = None,
    ) -> pd.DataFrame:
        """Return the strongest features of everything, of one text, or of some tokens.

        Parameters
        ----------
        k : int
            At most this many rows, 0 or more; features that fire nowhere are never listed.
        by : str
            ``"max"``, ``"mean"`` (over all tokens asked for, zeros included) or ``"density"``
            (share of these tokens at which it fires). Signed activations rank by size.
        token : int or sequence of int, optional
            Only these tokens of the text, negative counted from its end.
        text : int, optional
            Only this text; with `token`, text 0 where nothing else is said.

        Returns
        -------
        pandas.DataFrame
            ``feature``, ``value`` (what `by` asks for, on which rows are ranked), ``label``,
            ``max``, ``mean``, ``density``, ``n_tokens`` (at which it fires). Ties go to the
            lower feature.

        Raises
        ------
        ValueError
            For an unknown `by`, or a negative `k`.
        TypeError
            For a token that is no index.
        IndexError
            For a token or text that is not there.
        """
        import pandas as pd

        if by not in RANKINGS:
            raise ValueError(unknown("ranking", by, RANKINGS))
        if k < 0:
            raise ValueError(f"k is {k}, expected 0 or more")
        codes = self.codes[self._rows(token, text)]
        n_features = self.n_features
        index, value = codes.indices, codes.data
        counts = np.bincount(index, minlength=n_features)
        # assigned in order of size, so that each feature's largest comes last and stays
        peak = np.zeros(n_features, dtype=np.float32)
        order = np.argsort(np.abs(value), kind="stable")
        peak[index[order]] = value[order]
        n = max(codes.shape[0], 1)
        mean = np.bincount(index, weights=value, minlength=n_features) / n
        density = counts / n
        rank = {"max": peak, "mean": mean, "density": density}[by]
        alive = np.flatnonzero(counts)
        best = alive[np.lexsort((alive, -np.abs(rank[alive])))][:k]
        return pd.DataFrame(
            {
                "feature": best,
                "value": rank[best],
                "label": self._labels_of(best),
                "max": peak[best],
                "mean": mean[best],
                "density": density[best],
                "n_tokens": counts[best],
            }
        )

    def _rows(self, token: Places, text: int | None) -> np.ndarray:
        """Return the rows asked for; only scored ones unless tokens are named."""
        if isinstance(token, str):
            raise TypeError(
                f"token is {seen(token)}, expected a token's index or several: "
                f"activations.strings.index({seen(token)}) finds the first"
            )
        if token is not None:
            chosen: list[Any] | None = [token] if plain.is_whole(token) else plain.listed(token)
            if chosen is None or not all(map(plain.is_whole, chosen)):
                raise TypeError(came("token", token, "a token's index, or a list of them"))
            return np.array([self.row(int(t), text or 0) for t in chosen], dtype=np.int64)
        if text is None:
            return np.flatnonzero(self.scored)
        return np.flatnonzero(self.scored & (self.text_index == self._text(text)))

    def _labels_of(self, features: np.ndarray) -> list[str]:
        return [self.labels[i] if self.labels else "" for i in features]

    def to_pandas(self) -> pd.DataFrame:
        """Return one row per activation that is not zero.

        Returns
        -------
        pandas.DataFrame
            ``text``, ``token`` (index in the text), ``string``, ``feature``, ``value``,
            ``label``; by text, token, then falling size.
        """
        import pandas as pd

        row = np.repeat(np.arange(self.n_tokens), np.diff(self.codes.indptr))
        order = np.lexsort((self.codes.indices, -np.abs(self.codes.data), row))
        row, feature = row[order], self.codes.indices[order]
        strings = np.array(self.strings, dtype=object)
        return pd.DataFrame(
            {
                "text": self.text_index[row],
                "token": self.token_index[row],
                "string": strings[row] if len(strings) else [],
                "feature": feature,
                "value": self.codes.data[order],
                "label": self._labels_of(feature),
            }
        )

    def to_neuronpedia(self) -> dict[str, Any]:
        """Return the texts as Neuronpedia's sparse JSON (the reply of ``/activation/source``).

        Returns
        -------
        dict
            ``results``: per text ``tokens`` and ``activeFeatures``, which maps a feature's
            index to its ``[token index, value]`` pairs.
        """
        from volvelle.formats.neuronpedia import active_features

        blocks = [self.codes[self.text_index == text] for text in range(len(self.tokens))]
        pairs = zip(self.tokens, blocks, strict=True)
        return {"results": [active_features(tokens.strings, block) for tokens, block in pairs]}

    # -- files -------------------------------------------------------------------------------

    @classmethod
    def load(cls, path: str | Path, sae: SparseAutoencoder | None = None) -> Self:
        """Read what `save` wrote; see `Result.load`.

        Parameters
        ----------
        path : str or pathlib.Path
        sae : SAE, optional
            The SAE the activations were made with, which the file only names.
        """
        found = super().load(path)
        return found if sae is None else replace(found, sae=sae)

    def summary(self) -> str:
        """Return what was read with what, how sparse and how true it is."""
        texts = "1 text" if len(self.tokens) == 1 else f"{len(self.tokens)} texts"
        doubt = ", does not fit" if self.note else ""
        if not self.scored.any():
            return (
                f"{texts}, {self.n_tokens} tokens, none of them encoded: the first of a text is "
                "left out, and so are outliers"
            )
        return (
            f"{texts}, {self.n_tokens} tokens, {self.point} of {self.model}, "
            f"{self.n_features} features of {self.sae_name}, L0 {self.l0:.1f}, "
            f"FVE {self.fve:.2f}{doubt}"
        )

    def _preview(self) -> pd.DataFrame:
        return self.top_features()

    def __repr__(self) -> str:
        return f"Activations({self.summary()})"
