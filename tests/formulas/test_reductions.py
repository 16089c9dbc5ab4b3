"""What is made of many states before they travel."""

import torch

from volvelle.formulas.reductions import without_components


def test_removing_neutral_components_leaves_nothing_along_them_and_all_else():
    draw = torch.Generator().manual_seed(0)
    axes = torch.linalg.qr(torch.randn(30, 30, generator=draw))[0].T
    nuisance, others = axes[:3], axes[3:]
    neutral = torch.randn(50, 3, generator=draw) * torch.tensor([30.0, 20.0, 10.0]) @ nuisance
    neutral += 0.01 * torch.randn(50, 30, generator=draw)
    rows = torch.randn(8, 30, generator=draw)
    cleaned = without_components(rows, neutral, share=0.99)
    assert (cleaned @ nuisance.T).abs().max() < 0.01
    assert (cleaned @ others.T - rows @ others.T).abs().max() < 0.01
    strongest = without_components(rows, neutral, share=0.1)
    assert torch.linalg.matrix_rank(rows - strongest, atol=1e-3) == 1
