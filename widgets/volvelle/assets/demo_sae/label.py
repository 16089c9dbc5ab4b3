"""Labels made of tokens: what each feature fires on, never a sentence that nobody measured."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from scipy import sparse

from volvelle.assets.demo_sae.measure import chunks, encode

if TYPE_CHECKING:
    from volvelle.assets.demo_sae.harvest import Harvest

N_TOKENS = 5
# A token seen fewer times than this under a feature may be one accident of context.
SEEN_AT_LEAST = 2


@torch.no_grad()
def label(
    sae: dict[str, torch.Tensor], k: int, data: Harvest, tokenizer: Any
) -> list[dict[str, Any]]:
    """Name every feature by the tokens that carry its activation.

    Parameters
    ----------
    sae : dict of str to torch.Tensor
    k : int
    data : Harvest
        Tokens to count on.
    tokenizer : transformers.PreTrainedTokenizerBase

    Returns
    -------
    list of dict
        Per feature: ``tokens``, up to `N_TOKENS` as a reader sees them, by the sum of squared
        activation (so that one strong use outweighs many faint ones), spellings that differ
        by case or a leading space given once; ``share``, the part of that sum which the shown
        tokens carry with all their spellings: near 1 a feature of these words, near 0 one of
        contexts, which the tokens name badly; ``density``, share of tokens on which it fires;
        ``max``, its largest activation. A feature that never fired has no tokens.
    """
    n_features, n_vocabulary = sae["W_enc"].shape[1], len(tokenizer)
    mass = sparse.csr_matrix((n_features, n_vocabulary), dtype=np.float32)
    seen = sparse.csr_matrix((n_features, n_vocabulary), dtype=np.float32)
    largest = np.zeros(n_features, np.float32)
    for rows, x in chunks(data.x, data.content, 16_384):
        value, index = (t.numpy().ravel() for t in encode(sae, x, k))
        on = value > 0
        token = np.repeat(data.tokens[rows], k)[on]
        value, index = value[on], index[on]
        shape = (n_features, n_vocabulary)
        mass += sparse.csr_matrix((value**2, (index, token)), shape)
        seen += sparse.csr_matrix((np.ones_like(value), (index, token)), shape)
        np.maximum.at(largest, index, value)
    fired = np.asarray(seen.sum(1)).ravel()
    spelled = {}
    features = []
    for i in range(n_features):
        # mass and seen have the same pattern, both sorted by construction of the sums
        row, count = mass.getrow(i), seen.getrow(i)
        often = dict(zip(count.indices, count.data, strict=True))
        words: dict[str, list[Any]] = {}
        for at in np.argsort(-row.data):
            token = int(row.indices[at])
            if token not in spelled:
                spelled[token] = read_token(tokenizer, token)
            word = words.setdefault(spelled[token].strip().lower() or spelled[token], [0.0, 0, ""])
            word[2] = word[2] or spelled[token]
            word[0] += float(row.data[at])
            word[1] += often[token]
        ranked = sorted(words.values(), key=lambda w: -w[0])
        shown = [w for w in ranked if w[1] >= SEEN_AT_LEAST][:N_TOKENS] or ranked[:N_TOKENS]
        total = sum(w[0] for w in ranked)
        features.append(
            {
                "tokens": [w[2] for w in shown],
                "share": round(sum(w[0] for w in shown) / total, 2) if total else 0.0,
                "density": float(f"{fired[i] / len(data.content):.3g}"),
                "max": float(f"{largest[i]:.4g}"),
            }
        )
    return features


def read_token(tokenizer: Any, token: int) -> str:
    """Return a token as a reader sees it; a piece of a character as its bytes, ``<E2 80>``."""
    text = tokenizer.decode([token])
    if "\ufffd" not in text:
        return text
    from transformers.convert_slow_tokenizer import bytes_to_unicode

    byte = {char: number for number, char in bytes_to_unicode().items()}
    piece = tokenizer.convert_ids_to_tokens(token)
    return "<" + " ".join(f"{byte[c]:02X}" for c in piece) + ">"
