"""A model without weights, and activations without a model."""

from __future__ import annotations

import threading
import zlib
from types import SimpleNamespace

import numpy as np
import scipy.sparse as sp

from volvelle.experiments.activations.activations import Activations
from volvelle.models.engine.tokens import Tokens
from volvelle.models.work.worker import Worker

N_FEATURES = 64


class FakeModel:
    """Has a worker, as every model has, and a gate that holds its work."""

    name, remote = "fake", False

    def __init__(self):
        self.norms = {}
        self.worker = Worker("fake")
        self.submit = self.worker.submit
        self.gate = threading.Event()
        self.gate.set()


def fake_sae(n_features=N_FEATURES):
    return SimpleNamespace(
        name="toy", point="resid_post.1", n_features=n_features, encode_sparse=None
    )


def tokens_of(text):
    """One token per word, its space before it."""
    strings, start = [], 0
    for i, letter in enumerate(text + " "):
        if letter == " " and i > start:
            strings.append(text[start:i])
            start = i
    stops = np.cumsum([len(s) for s in strings], dtype=np.int64)
    offsets = np.stack([stops - [len(s) for s in strings], stops], axis=1) if strings else stops
    n = len(strings)
    return Tokens(
        np.array([zlib.crc32(string.encode()) % 49_152 for string in strings], dtype=np.int64),
        tuple(strings),
        offsets.reshape(-1, 2).astype(np.int64),
        np.zeros(n, dtype=bool),
        np.arange(n),
        text,
    )


def random_codes(n_tokens, n_features=N_FEATURES, k=8, seed=0):
    """Exactly `k` positive values per token."""
    draw = np.random.default_rng(seed)
    columns = np.argsort(draw.random((n_tokens, n_features)), axis=1)[:, :k]
    rows = np.repeat(np.arange(n_tokens), k)
    values = draw.gamma(2.0, 2.0, n_tokens * k).astype(np.float32) + 0.1
    return sp.csr_array((values, (rows, columns.ravel())), shape=(n_tokens, n_features))


def activations(texts, codes=None, **changes):
    """Activations of texts; random ones, or the given."""
    tokens = tuple(tokens_of(text) for text in texts)
    n = sum(map(len, tokens))
    left_out = np.zeros(n, dtype=bool)
    starts = np.cumsum([0, *map(len, tokens)])[:-1]
    left_out[[s for s, t in zip(starts, tokens, strict=True) if len(t)]] = True
    facts = {
        "codes": random_codes(n) if codes is None else codes,
        "tokens": tokens,
        "windows": tuple(np.array([0], dtype=np.int64) for _ in tokens),
        "left_out": left_out,
        "outliers": np.zeros(n, dtype=bool),
        "fve": 0.8,
        "model": "fake",
        "sae_name": "toy",
        "point": "resid_post.1",
        "labels": tuple(f" tok{i} · lab" for i in range(N_FEATURES)),
    }
    return Activations(**(facts | changes))
