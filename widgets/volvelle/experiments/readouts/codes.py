"""Encoding on a server: the dictionary is sent, or the states are brought back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import scipy.sparse as sp
import torch

from volvelle.models.remote.backend import MOST_SENT
from volvelle.models.remote.request import Request
from volvelle.models.traces.codes import encode as encode_body
from volvelle.models.verbs.capture import find_outliers, right_padded

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from volvelle.compute.dictionaries.sae import SparseAutoencoder
    from volvelle.models.engine.tokens import Tokens
    from volvelle.models.model import Model

# Features alive at a token, where the kind of SAE does not fix their number.
ALIVE = 64
# Bytes of a feature's value and number; of a token's norm, and of how many it has.
CODE, TOKEN = 8, 8
FLOAT = 4


class Cut(NamedTuple):
    """A stretch of a text that runs by itself.

    Attributes
    ----------
    tokens : Tokens
    skip : int
        Tokens at its beginning that are context only.
    """

    tokens: Tokens
    skip: int


class Encoded(NamedTuple):
    """What came back of one stretch, without its first tokens.

    Attributes
    ----------
    codes : scipy.sparse.csr_array, shape (n_tokens, n_features)
    cut : array, shape (n_tokens,), or None for kinds without k
    outliers : array, bool, shape (n_tokens,)
    """

    codes: sp.csr_array
    cut: np.ndarray | None
    outliers: np.ndarray


class Sums(NamedTuple):
    """What the fraction of variance explained is made of, over all stretches of a batch."""

    n: int
    total: np.ndarray
    squares: float
    errors: float


def bytes_of_both(sae: SparseAutoencoder, batches: Sequence[Sequence[Cut]]) -> tuple[int, int]:
    """Return the bytes of bringing states back, and of encoding there.

    Both without compression, which does little to either.
    """
    tokens = sum(len(batch) * max(len(cut.tokens) for cut in batch) for batch in batches)
    weights = sum(tensor.numel() * FLOAT for tensor in sae.weights.values())
    there = weights + tokens * (alive_at_a_token(sae) * CODE + TOKEN)
    return tokens * sae.d_model * FLOAT, there


def alive_at_a_token(sae: SparseAutoencoder) -> int:
    """Return how many features are on at a token, about."""
    return sae.k if sae.is_top_k and sae.k is not None else min(ALIVE, sae.n_features)


def encoding(sae: SparseAutoencoder, weights: Mapping[str, torch.Tensor]) -> dict[str, Any]:
    """Return what a trace needs to encode: weights, and options of `formulas.encoder.encode`."""
    return {
        "weights": dict(weights),
        "options": {
            "architecture": sae.architecture,
            "k": sae.k,
            "normalize": sae.normalize,
            "subtract_b_dec": sae.subtract_b_dec,
        },
    }


def encode_there(
    model: Model, sae: SparseAutoencoder, batches: Sequence[Sequence[Cut]]
) -> list[tuple[list[Encoded], Sums]] | None:
    """Encode on the model's server where that moves fewer bytes, and say so in the job.

    Parameters
    ----------
    model : Model
        On a server; the caller is on its worker.
    sae : SAE
    batches : sequence of sequence of Cut

    Returns
    -------
    list over batches of (list of Encoded, Sums), or None
        None where the states are to be brought back.
    """
    batches = [[cut for cut in batch if len(cut.tokens)] for batch in batches]
    if not any(batches):
        return None
    back, there = bytes_of_both(sae, [batch for batch in batches if batch])
    fits = there < MOST_SENT
    _say(model, back, there, fits=fits)
    if back <= there or not fits:
        return None
    site = model.site(sae.point)
    sent = encoding(sae, sae.weights)
    full = [batch for batch in batches if batch]
    inputs = [
        (
            right_padded([cut.tokens.ids for cut in batch], model.pad_id)["input_ids"],
            torch.tensor([len(cut.tokens) for cut in batch]),
            torch.tensor([cut.skip for cut in batch]),
        )
        for batch in full
    ]
    args = (inputs, (site.path, site.io), sent)
    answers = iter(model.run(Request(encode_body, args, sum(ids.numel() for ids, *_ in inputs))))
    return [_read(sae, batch, next(answers) if batch else None) for batch in batches]


def _say(model: Model, back: int, there: int, *, fits: bool) -> None:
    job = model.worker.job
    if job is None:
        return
    if not fits:
        job.note(f"the dictionary is too large to send: {_mb(back)} of states are brought back")
    elif back <= there:
        job.note(
            f"{_mb(back)} of states are brought back and encoded here: to send the dictionary and "
            f"encode there would move {_mb(there)}"
        )
    else:
        job.note(
            f"the dictionary is sent once and the texts are encoded there, {_mb(there)} in all: "
            f"the states would be {_mb(back)}"
        )


def _mb(size: int) -> str:
    return f"{size / 1e6:.1f} MB"


def _read(sae: SparseAutoencoder, batch: list[Cut], answer: Any) -> tuple[list[Encoded], Sums]:
    if answer is None:
        return [], Sums(0, np.zeros(sae.d_model), 0.0, 0.0)
    values, columns, counts, cuts, norms, sums = (part.numpy() for part in answer)
    starts = np.concatenate([[0], np.cumsum(counts)])
    found, row, n = [], 0, 0
    for cut, norm in zip(batch, norms, strict=True):
        length = len(cut.tokens)
        far = find_outliers(norm[None, :length], np.ones((1, length), bool))[0][cut.skip :]
        stop = row + length - cut.skip
        edge = slice(starts[row], starts[stop])
        shape = (length - cut.skip, sae.n_features)
        codes = sp.csr_array(
            (values[edge], columns[edge], starts[row : stop + 1] - starts[row]), shape=shape
        )
        found.append(Encoded(codes, cuts[row:stop] if sae.is_top_k else None, far))
        row, n = stop, n + int((~far).sum())
    return found, Sums(n, sums[2:], float(sums[0]), float(sums[1]))
