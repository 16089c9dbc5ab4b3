"""Encode against the bare matrix product that it cannot do without."""

from __future__ import annotations

from typing import Any

import torch
from harness import REPETITIONS, Table, side_by_side, two_threads

import volvelle as vv

N_TOKENS, D_MODEL, K = 4096, 576, 32
SIZES = (4608, 24_576)  # features
SELECTED = 8
FULL, SELECTED_MS = 1.25, 5


def random_sae(n_features: int) -> Any:
    """Return a TopK dictionary of unit decoder rows, tied, as training starts from."""
    generator = torch.Generator().manual_seed(0)
    decoder = torch.nn.functional.normalize(
        torch.randn(n_features, D_MODEL, generator=generator), dim=1
    )
    tensors = {
        "W_enc": decoder.T.contiguous(),
        "W_dec": decoder,
        "b_enc": torch.zeros(n_features),
        "b_dec": torch.zeros(D_MODEL),
    }
    return vv.SAE.load(tensors, architecture="topk", k=K, point="resid_post.14")


def main() -> None:
    two_threads()
    x = torch.randn(N_TOKENS, D_MODEL, generator=torch.Generator().manual_seed(1)).numpy()
    for n_features in SIZES:
        sae = random_sae(n_features)
        weights, rows = torch.as_tensor(sae.W_enc), torch.from_numpy(x)
        chosen = list(range(0, n_features, n_features // SELECTED))[:SELECTED]
        _, kth = sae.encode_sparse(x, return_kth=True)
        table = Table(
            f"encode {N_TOKENS} x {D_MODEL}, {n_features} features, top {K}, wall ms, "
            f"medians of {REPETITIONS}",
            ("", "ms", "ratio", "target"),
        )
        timings = side_by_side(
            {
                "bare matmul": lambda rows=rows, weights=weights: rows @ weights,
                "encode, sparse": lambda sae=sae: sae.encode_sparse(x),
                f"encode {SELECTED} selected features": lambda sae=sae, chosen=chosen, kth=kth: (
                    sae.encode_selected(x, chosen, kth=kth)
                ),
            }
        )
        table.compare(timings, {"encode, sparse": FULL})
        selected = timings[f"encode {SELECTED} selected features"]
        table.row("  selected, against its target", selected.ms, "", f"<= {SELECTED_MS} ms")


if __name__ == "__main__":
    main()
