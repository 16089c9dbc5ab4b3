"""A sparse autoencoder: an encoder, and the dictionary of directions it writes in."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np
import scipy.sparse as sp
import torch

from volvelle.arguments import plain
from volvelle.arguments.arrays import array, tensor_of
from volvelle.arguments.call import checked_in
from volvelle.arguments.said import came, seen
from volvelle.arguments.texts import clean, cleaned
from volvelle.compute.dictionaries import encode as whole_texts
from volvelle.compute.dictionaries.parts import (
    ARCHITECTURES,
    LARGEST,
    NORMALIZATIONS,
    TOP_K,
    check_finite,
    float32,
    not_read,
    readable,
)
from volvelle.compute.directions.directions import Dictionary, Feature
from volvelle.compute.directions.points import Point
from volvelle.compute.tensors import tensor
from volvelle.formulas import encoder
from volvelle.names import unknown

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Array = np.ndarray | torch.Tensor


@checked_in
@dataclass(frozen=True, eq=False, repr=False)
class SparseAutoencoder:
    """A sparse autoencoder in one canonical form, whatever file it came from.

    Parameters
    ----------
    weights : mapping of str to array or tensor
        ``W_enc`` (d_model, n_features), ``W_dec`` (n_features, d_model), ``b_dec`` (d_model,)
        and what the architecture adds (`ARCHITECTURES`). Kept as float32 tensors. Scalings by
        decoder norm or by the input's expected norm are already folded in (`folded`).
    architecture : str
        ``standard``, ``topk``, ``abstopk``, ``jumprelu`` or ``gated``.
    point : str or Point
        The place in the model it reads, and writes to.
    name : str
        What a reader calls it; features are named ``name/123``.
    k : int, for topk and abstopk
        Features alive at a token.
    normalize : str
        ``none``, ``layer_norm`` or ``constant_norm_rescale``, at every encode.
    subtract_b_dec : bool
        Whether ``b_dec`` is taken off the input (``apply_b_dec_to_input``).
    label_tokens : sequence of sequences of str, optional
        Per feature the tokens it fires on most.
    densities, a_max : array, shape (n_features,), optional
        Share of tokens a feature fires on; the largest activation seen.
    metadata : mapping
        What the file said beyond this, such as ``model_name``.
    """

    weights: Mapping[str, torch.Tensor]
    architecture: str
    point: Point
    name: str = "sae"
    k: int | None = None
    normalize: str = "none"
    subtract_b_dec: bool = True
    label_tokens: tuple[tuple[str, ...], ...] | None = None
    densities: np.ndarray | None = None
    a_max: np.ndarray | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def __post_init__(self) -> None:
        if self.architecture not in ARCHITECTURES:
            raise ValueError(not_read(self.architecture))
        if self.normalize not in NORMALIZATIONS:
            raise ValueError(unknown("normalize_activations", self.normalize, NORMALIZATIONS))
        wanted = ("W_enc", "W_dec", "b_dec", *ARCHITECTURES[self.architecture])
        if missing := [name for name in wanted if name not in self.weights]:
            lacks = ", ".join(missing)
            raise ValueError(f"weights lacks {lacks}, which a {self.architecture} SAE has")
        weights = {name: float32(self.weights[name]) for name in wanted}
        for name, weight in weights.items():
            check_finite(weight, f"{self.name}: {name}")
        object.__setattr__(self, "weights", weights)
        object.__setattr__(self, "point", Point.parse(self.point))
        object.__setattr__(self, "name", clean(str(self.name)))
        object.__setattr__(self, "metadata", cleaned(dict(self.metadata)))
        if self.label_tokens is not None:
            tokens = tuple(tuple(clean(str(t)) for t in row) for row in self.label_tokens)
            object.__setattr__(self, "label_tokens", tokens)

    @property
    def W_enc(self) -> torch.Tensor:  # noqa: N802
        """Encoder, shape (d_model, n_features)."""
        return self.weights["W_enc"]

    @property
    def W_dec(self) -> torch.Tensor:  # noqa: N802
        """Decoder, shape (n_features, d_model)."""
        return self.weights["W_dec"]

    @property
    def b_enc(self) -> torch.Tensor | None:
        """Encoder bias, shape (n_features,); None for gated."""
        return self.weights.get("b_enc")

    @property
    def b_dec(self) -> torch.Tensor:
        """Decoder bias, shape (d_model,)."""
        return self.weights["b_dec"]

    @property
    def d_model(self) -> int:
        """Width of the vectors it reads."""
        return self.W_enc.shape[0]

    @property
    def n_features(self) -> int:
        """Size of the dictionary."""
        return self.W_enc.shape[1]

    @property
    def is_top_k(self) -> bool:
        """Whether a feature's activation depends on all others at its token."""
        return self.architecture in TOP_K

    @property
    def signed(self) -> bool:
        """Whether activations can be negative."""
        return self.architecture == "abstopk"

    @cached_property
    def labels(self) -> list[str] | None:
        """Per feature the tokens it fires on most, joined by `` · ``; None without tokens."""
        if self.label_tokens is None:
            return None
        return [" · ".join(readable(row)) for row in self.label_tokens]

    @cached_property
    def decoder(self) -> Dictionary:
        """The decoder's rows as a dictionary, not normalised, in the order of the features."""
        names = [self.feature_name(i) for i in range(self.n_features)]
        return Dictionary(self.W_dec, names, self.point, self.name)

    def feature_name(self, index: int) -> str:
        """Return ``name/123``, with the first three tokens of its label where it has one."""
        plain = f"{self.name}/{index}"
        if not self.label_tokens or not self.label_tokens[index]:
            return plain
        return f"{plain} {' · '.join(readable(self.label_tokens[index])[:3])}"

    def feature(self, index: int) -> Feature:
        """Return one feature as a direction: its decoder row, not normalised.

        Raises
        ------
        IndexError
            For an index outside 0 ... n_features - 1.
        """
        if not 0 <= index < self.n_features:
            raise IndexError(
                f"feature {seen(index)} is outside {self.name}'s 0...{self.n_features - 1}"
            )
        largest = np.nan if self.a_max is None else float(self.a_max[index])
        a_max = largest if 0 <= largest < np.inf else None  # a file may not know it
        return Feature(
            self.W_dec[index], self.feature_name(index), self.point, a_max, sae=self, index=index
        )

    @overload
    def encode(self, x: np.ndarray) -> np.ndarray: ...
    @overload
    def encode(self, x: torch.Tensor) -> torch.Tensor: ...
    def encode(self, x: Array) -> Array:
        """Return dense feature activations; for whole texts take `encode_sparse`.

        Parameters
        ----------
        x : array or tensor, shape (..., d_model)
            Vectors at `point`. Gradients flow through a tensor.

        Returns
        -------
        array or tensor, shape (..., n_features), float32
            Numpy for numpy, a tensor on the same device for a tensor.
        """
        rows = self._rows(x)
        z = encoder.encode(
            rows,
            self.weights_on(rows.device),
            **whole_texts.options_of(self),
        )
        return z if isinstance(x, torch.Tensor) else z.numpy()

    @overload
    def encode_sparse(self, x: Array, *, return_kth: Literal[False] = False) -> sp.csr_array: ...
    @overload
    def encode_sparse(
        self, x: Array, *, return_kth: Literal[True]
    ) -> tuple[sp.csr_array, np.ndarray | None]: ...
    def encode_sparse(
        self, x: Array, *, return_kth: bool = False
    ) -> sp.csr_array | tuple[sp.csr_array, np.ndarray | None]:
        """Return sparse feature activations, never holding all tokens by all features.

        Parameters
        ----------
        x : array or tensor, shape (n_tokens, d_model)
        return_kth : bool
            Also return what `encode_selected` needs of a top-k SAE.

        Returns
        -------
        codes : scipy.sparse.csr_array, shape (n_tokens, n_features), float32
        kth : ndarray, shape (n_tokens,), float32, or None for other kinds
            The cut between the k largest pre-activations and the rest (see `topk.largest`).
        """
        codes, kth = whole_texts.encode_sparse(self, self._tokens(x))
        return (codes, kth) if return_kth else codes

    def encode_selected(
        self, x: Array, features: Sequence[int] | np.ndarray, kth: np.ndarray | None = None
    ) -> np.ndarray:
        """Return the activations of some features, equal to those of the full encode.

        Parameters
        ----------
        x : array or tensor, shape (n_tokens, d_model)
        features : sequence of int
            0 ... n_features - 1, in any order.
        kth : array, shape (n_tokens,)
            For top-k kinds what `encode_sparse` returned for the same tokens; without it all
            features are encoded, which takes about a hundred times as long.

        Returns
        -------
        ndarray, shape (n_tokens, len(features)), float32
        """
        rows = self._tokens(x)
        cuts = None if kth is None else array(kth, "kth", (len(rows),), finite=False)
        return whole_texts.encode_selected(self, rows, self._columns(features), cuts)

    @overload
    def decode(self, z: torch.Tensor, x: Array | None = None) -> torch.Tensor: ...
    @overload
    def decode(self, z: np.ndarray | sp.csr_array, x: Array | None = None) -> np.ndarray: ...
    def decode(self, z: Array | sp.csr_array, x: Array | None = None) -> Array:
        """Return the vectors that feature activations stand for.

        Parameters
        ----------
        z : array, tensor or csr, shape (..., n_features)
        x : array or tensor, shape (..., d_model)
            What was encoded. Needed where the SAE scales each input by itself
            (``layer_norm``, ``constant_norm_rescale``): the scale is not in `z`.

        Returns
        -------
        array or tensor, shape (..., d_model), float32

        Raises
        ------
        ValueError
            Without `x` where it is needed.
        """
        if self.normalize != "none" and x is None:
            raise ValueError(
                f"{self.name} was trained on {self.normalize} inputs, and z does not hold their "
                "scale; write decode(z, x) with the x that was encoded"
            )
        scale = shift = None
        if x is not None:
            _, scale, shift = encoder.normalise(self._rows(x), self.normalize)
        if hasattr(z, "tocsr"):  # any of scipy's sparse matrices
            codes = sp.csr_array(z)
            self._hold_width(codes.shape, self.n_features, "z", "activations")
            check_finite(torch.as_tensor(codes.data), "z")
            return whole_texts.decode_sparse(self, codes, scale, shift)
        dense = _tensor(z, "z").float()
        self._hold_width(dense.shape, self.n_features, "z", "activations")
        check_finite(dense, "z")
        out = encoder.decode(dense, self.weights_on(dense.device), scale=scale, shift=shift)
        return out if isinstance(z, torch.Tensor) else out.numpy()

    def _rows(self, x: Array) -> torch.Tensor:
        """Return x as a float32 tensor, its width and its numbers checked."""
        rows = _tensor(x, "x")
        self._hold_width(rows.shape, self.d_model, "x", "vectors")
        rows = rows.float()
        check_finite(rows, "x", LARGEST)
        return rows

    def _tokens(self, x: Array) -> torch.Tensor:
        """Return x as rows, one per token."""
        rows = self._rows(x)
        if rows.dim() != 2:
            raise ValueError(f"x has shape {tuple(rows.shape)}, expected (n_tokens, d_model)")
        return rows

    def _hold_width(self, shape: Sequence[int], width: int, name: str, what: str) -> None:
        if tuple(shape[-1:]) != (width,):
            raise ValueError(
                f"{self.name} reads {width}-dimensional {what}, {name} has shape {tuple(shape)}"
            )

    def _columns(self, features: Sequence[int] | np.ndarray) -> torch.Tensor:
        listed = plain.listed(features)
        if listed is None or not all(map(plain.is_whole, listed)):
            raise TypeError(came("features", features, "a list of whole numbers"))
        if outside := [index for index in listed if not 0 <= index < self.n_features]:
            raise IndexError(
                f"feature {seen(outside[0])} is outside {self.name}'s 0...{self.n_features - 1}"
            )
        return torch.tensor([int(index) for index in listed], dtype=torch.int64)

    def weights_on(self, device: torch.device) -> Mapping[str, torch.Tensor]:
        """Return the weights on a device, moved there once."""
        if device.type == "cpu":
            return self.weights
        if device not in self._moved:
            self._moved[device] = {n: t.to(device) for n, t in self.weights.items()}
        return self._moved[device]

    @cached_property
    def _moved(self) -> dict[torch.device, Mapping[str, torch.Tensor]]:
        return {}

    def __repr__(self) -> str:
        kind = f"{self.architecture}, k={self.k}" if self.is_top_k else self.architecture
        return (
            f"SAE({self.name!r}, {self.n_features} features, {kind}, {self.point}, "
            f"d_model={self.d_model})"
        )


def _tensor(given: object, name: str) -> torch.Tensor:
    """Return numbers as a tensor, one that came as it is."""
    if isinstance(given, torch.Tensor):
        return tensor_of(given, name)
    return tensor(array(given, name, finite=False))
