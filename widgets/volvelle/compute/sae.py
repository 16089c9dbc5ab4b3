"""A sparse autoencoder: an encoder, and the dictionary of directions it writes in."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np
import torch

from volvelle.compute import sparse, topk, trace_math
from volvelle.compute.directions import Dictionary, Feature
from volvelle.compute.names import unknown
from volvelle.compute.points import Point

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import scipy.sparse as sp

    Array = np.ndarray | torch.Tensor

# architecture -> the tensors it is made of, beyond W_enc, W_dec and b_dec
ARCHITECTURES: dict[str, tuple[str, ...]] = {
    "standard": ("b_enc",),
    "topk": ("b_enc",),
    "abstopk": ("b_enc",),
    "jumprelu": ("b_enc", "threshold"),
    "gated": ("b_gate", "b_mag", "r_mag"),
}
TOP_K = ("topk", "abstopk")
NORMALIZATIONS = ("none", "layer_norm", "constant_norm_rescale")

# Pre-activations held at once: tokens per block are chosen for it. Fewer tokens make the product
# slower (the encoder is read once per block), more only take memory.
BLOCK_BYTES = 64 * 2**20

# Whitespace a label could not show.
_SHOWN = str.maketrans({"\n": "↵", "\t": "⇥", "\r": "␍"})


@dataclass(frozen=True, eq=False, repr=False)
class SAE:
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
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.architecture not in ARCHITECTURES:
            raise ValueError(unknown("architecture", self.architecture, ARCHITECTURES))
        if self.normalize not in NORMALIZATIONS:
            raise ValueError(unknown("normalize_activations", self.normalize, NORMALIZATIONS))
        wanted = ("W_enc", "W_dec", "b_dec", *ARCHITECTURES[self.architecture])
        weights = {name: _float32(self.weights[name]) for name in wanted}
        object.__setattr__(self, "weights", weights)
        object.__setattr__(self, "point", Point.parse(self.point))
        if self.label_tokens is not None:
            tokens = tuple(tuple(str(token) for token in row) for row in self.label_tokens)
            object.__setattr__(self, "label_tokens", tokens)

    # -- what it is --------------------------------------------------------------------------

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
        return [" · ".join(_readable(row)) for row in self.label_tokens]

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
        return f"{plain} {' · '.join(_readable(self.label_tokens[index])[:3])}"

    def feature(self, index: int) -> Feature:
        """Return one feature as a direction: its decoder row, not normalised.

        Parameters
        ----------
        index : int
            0 ... n_features - 1.

        Raises
        ------
        IndexError
            For an index outside.
        """
        if not 0 <= index < self.n_features:
            raise IndexError(f"feature {index} is outside {self.name}'s 0...{self.n_features - 1}")
        a_max = None if self.a_max is None else float(self.a_max[index])
        return Feature(
            self.W_dec[index], self.feature_name(index), self.point, a_max, sae=self, index=index
        )

    # -- encode ------------------------------------------------------------------------------

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
        z = trace_math.encode(
            rows,
            self._on(rows.device),
            architecture=self.architecture,
            k=self.k,
            normalize=self.normalize,
            subtract_b_dec=self.subtract_b_dec,
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
        rows = self._rows(x)
        blocks, cuts = [], []
        with torch.no_grad():
            weights = self._on(rows.device)
            for block in self._blocks(rows):
                pre = self._pre(block, weights)
                if self.k is not None and self.is_top_k:
                    values, index, cut = topk.largest(pre, self.k, by_size=self.signed)
                    values = values if self.signed else values.relu()
                    blocks.append(
                        sparse.rows_from_slots(_numpy(values), _numpy(index), self.n_features)
                    )
                    cuts.append(_numpy(cut))
                else:
                    z = trace_math.activate(pre, weights, self.architecture)
                    blocks.append(sparse.rows_from_dense(_numpy(z)))
        codes = sparse.stack(blocks, self.n_features)
        if not return_kth:
            return codes
        if not self.is_top_k:
            return codes, None
        return codes, np.concatenate(cuts) if cuts else np.zeros(0, np.float32)

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
        rows = self._rows(x)
        columns = self._columns(features)
        if self.is_top_k and kth is None:
            _, kth = self.encode_sparse(rows, return_kth=True)
        out = np.empty((len(rows), len(columns)), dtype=np.float32)
        with torch.no_grad():
            weights = {
                name: tensor[..., columns] if name not in ("W_dec", "b_dec") else tensor
                for name, tensor in self._on(rows.device).items()
                if name != "W_dec"
            }
            weights["W_enc"] = weights["W_enc"].contiguous()
            start = 0
            for block in self._blocks(rows, width=self.d_model):
                stop = start + len(block)
                cut = None if kth is None else torch.as_tensor(kth[start:stop])[:, None]
                cut = None if cut is None else cut.to(rows.device)
                pre = self._pre(block, weights)
                z = trace_math.activate(pre, weights, self.architecture, cut)
                out[start:stop] = _numpy(z)
                start = stop
        return out

    # -- decode ------------------------------------------------------------------------------

    @overload
    def decode(self, z: np.ndarray | sp.csr_array, x: Array | None = None) -> np.ndarray: ...
    @overload
    def decode(self, z: torch.Tensor, x: Array | None = None) -> torch.Tensor: ...
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
            _, scale, shift = trace_math.normalise(self._rows(x), self.normalize)
        if hasattr(z, "indptr"):
            return self._decode_sparse(z, scale, shift)  # type: ignore[arg-type]
        dense = torch.as_tensor(z, dtype=torch.float32)
        out = trace_math.decode(dense, self._on(dense.device), scale=scale, shift=shift)
        return out if isinstance(z, torch.Tensor) else out.numpy()

    def _decode_sparse(
        self, codes: sp.csr_array, scale: torch.Tensor | None, shift: torch.Tensor | None
    ) -> np.ndarray:
        """Sum the decoder rows that are alive; an embedding bag is that on all cores."""
        out = torch.nn.functional.embedding_bag(
            torch.as_tensor(codes.indices.astype(np.int64)),
            self.W_dec,
            torch.as_tensor(codes.indptr.astype(np.int64)),
            per_sample_weights=torch.as_tensor(np.ascontiguousarray(codes.data, np.float32)),
            mode="sum",
            include_last_offset=True,
        )
        out = out + self.b_dec
        out = out if scale is None else out * scale
        return (out if shift is None else out + shift).numpy()

    # -- inside ------------------------------------------------------------------------------

    def _pre(self, block: torch.Tensor, weights: Mapping[str, torch.Tensor]) -> torch.Tensor:
        block = trace_math.normalise(block, self.normalize)[0]
        return trace_math.pre_activations(block, weights, subtract_b_dec=self.subtract_b_dec)

    def _blocks(self, rows: torch.Tensor, width: int | None = None) -> Iterator[torch.Tensor]:
        """Cut rows so that a block of pre-activations (or of inputs) stays small."""
        if width is None:
            n = max(256, BLOCK_BYTES // (4 * self.n_features))
        else:
            n = max(64, 2**20 // (4 * width))  # the second-level cache
        for start in range(0, len(rows), n):
            yield rows[start : start + n]

    def _rows(self, x: Array) -> torch.Tensor:
        """Return x as float32, shape checked."""
        rows = x if isinstance(x, torch.Tensor) else torch.as_tensor(np.asarray(x))
        if rows.shape[-1] != self.d_model:
            raise ValueError(
                f"{self.name} reads {self.d_model}-dimensional vectors, x has "
                f"{rows.shape[-1]} in its last axis {tuple(rows.shape)}"
            )
        return rows.float()

    def _columns(self, features: Sequence[int] | np.ndarray) -> torch.Tensor:
        columns = np.asarray(features, dtype=np.int64).reshape(-1)
        outside = columns[(columns < 0) | (columns >= self.n_features)]
        if len(outside):
            raise IndexError(
                f"feature {outside[0]} is outside {self.name}'s 0...{self.n_features - 1}"
            )
        return torch.as_tensor(columns)

    def _on(self, device: torch.device) -> Mapping[str, torch.Tensor]:
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


def folded(
    weights: Mapping[str, torch.Tensor],
    *,
    by_decoder_norm: bool = False,
    input_scale: float | None = None,
) -> dict[str, torch.Tensor]:
    """Move scalings of input and activations into the weights.

    Parameters
    ----------
    weights : mapping of str to torch.Tensor
        Canonical orientation.
    by_decoder_norm : bool
        ``rescale_acts_by_decoder_norm``: activations are times, and decoding divides by, the
        length of a feature's decoder row. Folded, decoder rows have length one, so that
        activation times row is still what the feature writes.
    input_scale : float, optional
        ``norm_scaling_factor``: the SAE was trained on x times this.

    Returns
    -------
    dict of str to torch.Tensor

    Notes
    -----
    Source: sae-lens, ``fold_W_dec_norm`` and ``fold_activation_norm_scaling_factor``.
    """
    out = dict(weights)
    if by_decoder_norm:
        norm = out["W_dec"].norm(dim=1)
        norm = torch.where(norm == 0, 1.0, norm)
        out["W_enc"] = out["W_enc"] * norm
        out["W_dec"] = out["W_dec"] / norm[:, None]
        out["b_enc"] = out["b_enc"] * norm
    if input_scale is not None:
        out["W_enc"] = out["W_enc"] * input_scale
        out["W_dec"] = out["W_dec"] / input_scale
        out["b_dec"] = out["b_dec"] / input_scale
    return out


def _readable(tokens: Sequence[str]) -> list[str]:
    """Return tokens without the spaces around them, each once; spaces alone as ``␣``."""
    shown = (token.translate(_SHOWN).strip(" ") or "␣" * len(token) for token in tokens if token)
    return list(dict.fromkeys(shown))


def _float32(tensor: Array) -> torch.Tensor:
    out = tensor if isinstance(tensor, torch.Tensor) else torch.as_tensor(np.asarray(tensor))
    return out.detach().to("cpu", torch.float32).contiguous()


def _numpy(tensor: torch.Tensor) -> np.ndarray:
    return tensor.cpu().numpy()
