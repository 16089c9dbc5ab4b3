"""Encoding and decoding whole texts, sparse and in blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch

from volvelle.compute.dictionaries import sparse, topk
from volvelle.formulas import encoder

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import scipy.sparse as sp

# A block of pre-activations: at most this many bytes and tokens. From 512 tokens on the product
# runs at full speed (256: 3 % slower, 128: 10 %); memory that is used again is faster than new.
BLOCK_BYTES = 64 * 2**20
BLOCK_TOKENS = (128, 1024)

# A block of inputs for a few columns stays in the second-level cache.
INPUT_BYTES = 2**20


# What decides, beside the weights, what an encoder makes of a vector.
OPTIONS = ("architecture", "k", "normalize", "subtract_b_dec")


def options_of(sae: Encoder) -> dict[str, Any]:
    """Return the options of `formulas.encoder.encode` for a sparse autoencoder."""
    return {name: getattr(sae, name) for name in OPTIONS}


class Encoder(Protocol):
    """What encoding and decoding read of a sparse autoencoder."""

    @property
    def architecture(self) -> str: ...  # noqa: D102 - `SAE` documents them
    @property
    def k(self) -> int | None: ...  # noqa: D102
    @property
    def normalize(self) -> str: ...  # noqa: D102
    @property
    def subtract_b_dec(self) -> bool: ...  # noqa: D102
    @property
    def is_top_k(self) -> bool: ...  # noqa: D102
    @property
    def signed(self) -> bool: ...  # noqa: D102
    @property
    def d_model(self) -> int: ...  # noqa: D102
    @property
    def n_features(self) -> int: ...  # noqa: D102
    @property
    def W_dec(self) -> torch.Tensor: ...  # noqa: D102, N802
    @property
    def b_dec(self) -> torch.Tensor: ...  # noqa: D102

    def weights_on(self, device: torch.device) -> Mapping[str, torch.Tensor]:
        """Return the weights on a device."""
        ...


def encode_sparse(sae: Encoder, rows: torch.Tensor) -> tuple[sp.csr_array, np.ndarray | None]:
    """Return codes (csr) and cuts (None for kinds without k). See `SAE.encode_sparse`."""
    blocks: list[sparse.Block] = []
    cuts: list[np.ndarray] = [np.zeros(0, np.float32)]
    weights = sae.weights_on(rows.device)
    memory: torch.Tensor | None = None
    with torch.no_grad():
        for block in _blocks(rows, 4 * sae.n_features, BLOCK_BYTES):
            if memory is None:
                shape = (len(block), sae.n_features)
                memory = torch.empty(shape, device=rows.device)
            pre = _pre(sae, block, weights, memory[: len(block)])
            if sae.k is not None and sae.is_top_k:
                *found, cut = topk.largest(pre, sae.k, by_size=sae.signed)
                cuts.append(cut)
            elif sae.architecture == "gated":
                z = encoder.activate(pre, weights, sae.architecture)
                found = topk.above(z, 0.0)
            else:
                threshold = weights["threshold"].relu() if "threshold" in weights else 0.0
                found = topk.above(pre, threshold)
            values, columns, starts = found
            blocks.append((values, columns, starts))
    codes = sparse.stacked(blocks, sae.n_features)
    return codes, np.concatenate(cuts) if sae.is_top_k else None


def encode_selected(
    sae: Encoder, rows: torch.Tensor, columns: torch.Tensor, kth: np.ndarray | None
) -> np.ndarray:
    """Return the activations of some columns. See `SAE.encode_selected`."""
    if sae.is_top_k and kth is None:
        _, kth = encode_sparse(sae, rows)
    columns = columns.to(rows.device)
    weights = {
        name: tensor if name == "b_dec" else tensor.index_select(-1, columns)
        for name, tensor in sae.weights_on(rows.device).items()
        if name != "W_dec"
    }
    cuts = None if kth is None else torch.tensor(kth, device=rows.device)[:, None]
    out = np.empty((len(rows), len(columns)), dtype=np.float32)
    start = 0
    with torch.no_grad():
        for block in _blocks(rows, 4 * sae.d_model, INPUT_BYTES):
            stop = start + len(block)
            pre = _pre(sae, block, weights)
            cut = None if cuts is None else cuts[start:stop]
            out[start:stop] = encoder.activate(pre, weights, sae.architecture, cut).cpu().numpy()
            start = stop
    return out


def decode_sparse(
    sae: Encoder, codes: sp.csr_array, scale: torch.Tensor | None, shift: torch.Tensor | None
) -> np.ndarray:
    """Return vectors from csr codes: an embedding bag sums rows on all cores, scipy on one."""
    out = torch.nn.functional.embedding_bag(
        torch.as_tensor(codes.indices.astype(np.int64)),
        sae.W_dec,
        torch.as_tensor(codes.indptr.astype(np.int64)),
        per_sample_weights=torch.as_tensor(codes.data.astype(np.float32)),
        mode="sum",
        include_last_offset=True,
    )
    out += sae.b_dec
    out = out if scale is None else out * scale
    return (out if shift is None else out + shift).numpy()


def _pre(
    sae: Encoder,
    block: torch.Tensor,
    weights: Mapping[str, torch.Tensor],
    out: torch.Tensor | None = None,
) -> torch.Tensor:
    x = encoder.normalise(block.float(), sae.normalize)[0]
    return encoder.pre_activations(x, weights, subtract_b_dec=sae.subtract_b_dec, out=out)


def _blocks(rows: torch.Tensor, bytes_per_row: int, most: int) -> Iterator[torch.Tensor]:
    """Cut rows so that what is made of a block stays within `most` bytes."""
    low, high = BLOCK_TOKENS
    n = min(max(most // bytes_per_row, low), high)
    for start in range(0, len(rows), n):
        yield rows[start : start + n]
