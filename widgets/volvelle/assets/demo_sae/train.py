"""Train TopK dictionaries side by side on the same batches.

The step is written out by hand: of 4 096 pre-activations 32 survive, so that decode and all
gradients are sparse products, and only two dense ones (in bf16) remain. Autograd over the same
formula took ten times as long on two CPU cores.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn import functional

if TYPE_CHECKING:
    from collections.abc import Callable

    from volvelle.assets.demo_sae.harvest import Harvest


@dataclass(frozen=True)
class Recipe:
    """What a run is made of.

    Parameters
    ----------
    n_features, k : int
        Size of the dictionary; features alive at a token.
    visits : int
        Token visits in all; the data is passed through as often as that takes.
    batch : int
        Tokens per step.
    lr : float
        Adam's peak rate: `warmup` steps up, level, then linearly to zero over the last `decay`.
        After 400 k visits 1e-3, 2e-3 and 4e-3 explained .662, .716 and .753 of held-out variance.
    revive_after : int
        A feature silent for this many tokens is pointed at what is worst reconstructed.
    settle : float
        For the last share of the steps none is: stopped at half of the run, as the rate begins
        to fall, 4 % stayed silent.
    """

    n_features: int = 4096
    k: int = 32
    visits: int = 5_000_000
    batch: int = 2048
    lr: float = 4e-3
    warmup: int = 100
    decay: float = 0.5
    revive_after: int = 100_000
    settle: float = 0.12


class Trainee:
    """A dictionary in training, in units of the centred data at mean norm sqrt(d).

    Parameters
    ----------
    d_model : int
    recipe : Recipe
    seed : int
        Fixes the first directions; the order of the data is not the seed's.
    """

    def __init__(self, d_model: int, recipe: Recipe, seed: int) -> None:
        rng = torch.Generator().manual_seed(seed)
        rows = torch.randn(recipe.n_features, d_model, generator=rng)
        self.decoder = functional.normalize(rows, dim=1)  # (feature, d)
        self.encoder = self.decoder.clone()  # (feature, d)
        self.bias = torch.zeros(recipe.n_features)
        self.origin = torch.zeros(d_model)
        self.silent = torch.zeros(recipe.n_features, dtype=torch.int64)
        self.revived = 0
        self._recipe = recipe
        self._adam = torch.optim.Adam(
            [self.encoder, self.decoder, self.bias, self.origin], lr=recipe.lr, fused=True
        )

    def step(self, x: torch.Tensor, lr: float, *, revive: bool) -> float:
        """Take one gradient step on the mean squared error.

        Parameters
        ----------
        x : torch.Tensor, shape (batch, d_model)
        lr : float
        revive : bool
            Whether silent features may be pointed elsewhere.

        Returns
        -------
        float
            Unexplained share of the batch's squared length.
        """
        n, k, n_features = len(x), self._recipe.k, self._recipe.n_features
        centred = x - self.origin
        pre = (centred.bfloat16() @ self.encoder.bfloat16().t()).float() + self.bias
        value, index = pre.topk(k, dim=1, sorted=False)
        value.relu_()
        error = functional.embedding_bag(index, self.decoder, per_sample_weights=value, mode="sum")
        error += self.origin
        error -= x
        grad = error * (2.0 / n)
        d_value = (grad.bfloat16() @ self.decoder.bfloat16().t()).gather(1, index).float()
        d_value *= value > 0

        # (feature, batch) in compressed rows: one structure for both products
        flat = index.flatten()
        order = torch.argsort(flat, stable=True)
        counts = torch.bincount(flat, minlength=n_features)
        starts = torch.zeros(n_features + 1, dtype=torch.int64)
        starts[1:] = counts.cumsum(0)
        owner = order // k

        def rows(values: torch.Tensor) -> torch.Tensor:
            return torch.sparse_csr_tensor(
                starts, owner, values.flatten()[order], (n_features, n), check_invariants=False
            )

        d_bias = torch.zeros(n_features).index_add_(0, flat, d_value.flatten())
        d_decoder = rows(value) @ grad
        d_decoder -= (d_decoder * self.decoder).sum(1, keepdim=True) * self.decoder
        self.decoder.grad = d_decoder
        self.encoder.grad = rows(d_value) @ centred
        self.bias.grad = d_bias
        self.origin.grad = grad.sum(0) - d_bias @ self.encoder
        for group in self._adam.param_groups:
            group["lr"] = lr
        self._adam.step()
        self.decoder /= self.decoder.norm(dim=1, keepdim=True)

        fired = torch.bincount(flat[value.flatten() > 0], minlength=n_features) > 0
        self.silent = torch.where(fired, 0, self.silent + n)
        if revive:
            self._revive(error)
        return float(error.square().sum() / x.square().sum())

    def _revive(self, error: torch.Tensor) -> None:
        """Point silent features at the residual errors of the worst tokens of the batch."""
        dead = (self.silent > self._recipe.revive_after).nonzero().flatten()[: len(error) // 8]
        if not len(dead):
            return
        worst = error.square().sum(1).topk(len(dead)).indices
        rows = functional.normalize(-error[worst], dim=1)
        self.decoder[dead] = rows
        self.encoder[dead] = rows * float(self.encoder.norm(dim=1).median())
        self.bias[dead] = 0.0
        for param in (self.encoder, self.decoder, self.bias):
            state = self._adam.state[param]
            state["exp_avg"][dead] = 0.0
            state["exp_avg_sq"][dead] = state["exp_avg_sq"].mean()
        self.silent[dead] = 0
        self.revived += len(dead)


def train(
    data: Harvest, seeds: tuple[int, ...], recipe: Recipe, log: Callable[[str], None] = print
) -> list[dict[str, torch.Tensor]]:
    """Train one dictionary per seed on the same batches in the same order.

    Parameters
    ----------
    data : Harvest
        Residuals of the training windows.
    seeds : tuple of int
        One dictionary each.
    recipe : Recipe
    log : callable
        Told the progress.

    Returns
    -------
    list of dict of str to torch.Tensor
        ``W_enc`` (d, feature), ``W_dec`` (feature, d; rows unit length), ``b_enc``, ``b_dec``,
        float32. Centre and scale are folded in: they read raw residuals.
    """
    kept = data.content
    some = kept[np.linspace(0, len(kept) - 1, min(len(kept), 200_000)).astype(np.int64)]
    x = torch.from_numpy(data.x[some].astype(np.float32))
    centre = x.mean(0)
    scale = float((x - centre).norm(dim=1).mean()) / x.shape[1] ** 0.5
    del x
    trainees = [Trainee(data.x.shape[1], recipe, seed) for seed in seeds]
    n_steps = recipe.visits // recipe.batch
    rng = np.random.default_rng(0)
    order = rng.permutation(kept)
    at, started, cpu = 0, time.time(), time.process_time()
    with torch.no_grad():
        for step in range(n_steps):
            if at + recipe.batch > len(order):
                order, at = rng.permutation(kept), 0
            # sorted reads of the file; order inside a batch does not matter
            rows = np.sort(order[at : at + recipe.batch])
            at += recipe.batch
            x = (torch.from_numpy(data.x[rows].astype(np.float32)) - centre) / scale
            left = (n_steps - step) / (recipe.decay * n_steps)
            lr = recipe.lr * min(1.0, (step + 1) / recipe.warmup, left)
            revive = step % 25 == 0 and step < (1 - recipe.settle) * n_steps
            loss = [t.step(x, lr, revive=revive) for t in trainees]
            if step % 100 == 0 or step == n_steps - 1:
                log(
                    f"train step {step}/{n_steps} lr {lr:.1e} "
                    f"unexplained {' '.join(f'{v:.4f}' for v in loss)} "
                    f"silent {[int((t.silent > 50_000).sum()) for t in trainees]} "
                    f"revived {[t.revived for t in trainees]} "
                    f"{time.time() - started:.0f} s, {time.process_time() - cpu:.0f} CPU-s"
                )
    return [
        {
            "W_enc": t.encoder.t().contiguous(),
            "W_dec": t.decoder.contiguous(),
            "b_enc": t.bias * scale,
            "b_dec": t.origin * scale + centre,
        }
        for t in trainees
    ]
