"""The verbs `next_token`, `unembed` and `norm`."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import numpy as np

from volvelle.compute.points import Point
from volvelle.models import reading, trace
from volvelle.models.capture import find_outliers, left_padded, to_numpy
from volvelle.models.writing import sites

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pandas as pd
    import torch

    from volvelle.models.model import Model

# Rows of a product with the unembedding, so that it stays below 200 MB.
MOST_ROWS = 512
MOST_TOKENS = 4096


def next_token(
    model: Model,
    rows: Sequence[Sequence[int]],
    steers: Callable[[list[int]], Sequence[tuple[Point, dict[str, Any]]]] | None,
    wanted: Sequence[int] | None,
) -> np.ndarray:
    """Return natural-log probabilities (prompt, token). `Model.next_token` documents it."""
    import torch

    if any(not len(row) for row in rows):
        raise ValueError("a prompt has no tokens; give the model something to continue")
    tokens = None if wanted is None else torch.as_tensor(list(wanted), dtype=torch.long)
    found: dict[int, np.ndarray] = {}
    per = max(1, MOST_TOKENS // max((len(row) for row in rows), default=1))
    for start in range(0, len(rows), per):
        members = list(range(start, min(start + per, len(rows))))
        inputs = left_padded([rows[n] for n in members], model.pad_id)
        inputs |= {"use_cache": False}
        if model.last_logits_only:
            inputs["logits_to_keep"] = 1
        located = sites(model, steers(members) if steers is not None else ())
        logprobs = to_numpy(model.run(trace.predict, inputs, located, tokens))
        found |= dict(zip(members, logprobs, strict=True))
        model.report(None, members[-1] / len(rows))
    width = model.vocabulary if wanted is None else len(wanted)
    return np.stack(list(found.values())) if found else np.zeros((0, width), np.float32)


def neutral_text() -> str:
    """Return the shipped neutral text on which norms are measured."""
    return files("volvelle.assets").joinpath("neutral.txt").read_text("utf-8")


def measure_norms(model: Model, point: Point, norms: dict[Point, float]) -> None:
    """Measure median norms on the neutral text, of all layers of the point's kind at once."""
    if point in norms:
        return
    layers = range(model.n_layers) if point.kind != "embed" else (-1,)
    points = [Point(point.kind, layer) for layer in layers]
    tokens = model.tokens(neutral_text())
    tokens = tokens[: model.context]
    kept = reading.read_norms(model, tokens, points)
    mask = np.ones((1, len(tokens)), dtype=bool)
    for place, norm in kept.items():
        usable = mask & ~find_outliers(norm[None], mask)
        usable[:, :1] = False
        norms[place] = float(np.median(norm[usable[0]]))


@dataclass(frozen=True, eq=False)
class Unembedding:
    """Tokens that directions promote and suppress.

    Attributes
    ----------
    promoted, suppressed : tuple of tuple of str
        For each direction its k tokens, strongest first.
    promoted_ids, suppressed_ids : array, int64, shape (n, k)
    promoted_effects, suppressed_effects : array, float32, shape (n, k)
        Change of the logit per unit of the direction before the final norm divides, centred
        over the vocabulary.
    names : tuple of str
    """

    promoted: tuple[tuple[str, ...], ...]
    suppressed: tuple[tuple[str, ...], ...]
    promoted_ids: np.ndarray = field(repr=False)
    suppressed_ids: np.ndarray = field(repr=False)
    promoted_effects: np.ndarray = field(repr=False)
    suppressed_effects: np.ndarray = field(repr=False)
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.names)

    def to_pandas(self) -> pd.DataFrame:
        """Return one row per direction and token: direction, rank, token, id, effect."""
        import pandas as pd

        rows = []
        for n, name in enumerate(self.names):
            for strings, ids, effects in (
                (self.promoted[n], self.promoted_ids[n], self.promoted_effects[n]),
                (self.suppressed[n], self.suppressed_ids[n], self.suppressed_effects[n]),
            ):
                for rank, (string, token, effect) in enumerate(
                    zip(strings, ids, effects, strict=True)
                ):
                    rows.append((name, rank, string, int(token), float(effect)))
        return pd.DataFrame(rows, columns=["direction", "rank", "token", "id", "effect"])

    def __repr__(self) -> str:
        shown = " · ".join(self.promoted[0][:6]) if len(self) else ""
        return f"Unembedding({len(self)} directions; {self.names[0] if len(self) else ''}: {shown})"


def unembed(model: Model, vectors: Any, k: int) -> Unembedding:
    """Return promoted and suppressed tokens. `Model.unembed` documents it."""
    import torch

    names = getattr(vectors, "names", None)
    if hasattr(vectors, "vectors"):
        vectors = vectors.vectors
    elif hasattr(vectors, "vector"):
        names, vectors = (vectors.name,), vectors.vector
    rows = torch.atleast_2d(torch.as_tensor(np.asarray(vectors, dtype=np.float32)))
    if rows.dim() != 2 or rows.shape[1] != model.d_model:
        raise ValueError(
            f"vectors have shape {tuple(rows.shape)}, {model.name} is {model.d_model} wide"
        )
    if model.remote:
        raise NotImplementedError(f"{model.name} is on a server; its weights are not here")
    if not 1 <= k <= model.vocabulary:
        raise ValueError(f"k={k} must be in 1...{model.vocabulary}")
    top: list[tuple[torch.Tensor, ...]] = []
    weight = model.nnsight._module.get_output_embeddings().weight  # noqa: SLF001 - nnsight's name
    with torch.no_grad():
        gain, centred = final_gain(model)
        for start in range(0, len(rows), MOST_ROWS):
            chunk = rows[start : start + MOST_ROWS].to(weight.device)
            if centred:
                chunk = chunk - chunk.mean(-1, keepdim=True)
            effects = ((chunk * gain).to(weight.dtype) @ weight.T).float()
            effects = effects - effects.mean(-1, keepdim=True)
            high, low = effects.topk(k), effects.topk(k, largest=False)
            top.append((high.indices, high.values, low.indices, low.values))
            model.report(None, start / len(rows))
    joined = [torch.cat(parts).cpu().numpy() for parts in zip(*top, strict=True)]
    return Unembedding(
        promoted=_strings(model, joined[0]),
        suppressed=_strings(model, joined[2]),
        promoted_ids=joined[0],
        suppressed_ids=joined[2],
        promoted_effects=joined[1],
        suppressed_effects=joined[3],
        names=tuple(names) if names is not None else tuple(str(n) for n in range(len(rows))),
    )


def final_gain(model: Model) -> tuple[Any, bool]:
    """Return the final norm's gain (d_model,) and whether it subtracts the mean.

    Measured on the module: architectures disagree whether a stored 0 means a gain of 0 or 1.
    """
    import torch

    module = model.nnsight._module  # noqa: SLF001 - nnsight's name
    weight = module.get_output_embeddings().weight
    if not model.layout.norm:
        return torch.ones(model.d_model, device=weight.device), False
    norm = module.get_submodule(model.layout.norm)
    # root mean square 1 and, but for an odd width, mean 0: both kinds of norm leave it alone
    probe = torch.ones(model.d_model, device=weight.device, dtype=weight.dtype)
    probe[1::2] = -1
    gain = ((norm(probe[None]) - norm(-probe[None])) / (2 * probe)).float()[0]
    shifted = norm(torch.ones_like(probe)[None]) - norm(torch.zeros_like(probe)[None])
    return gain, bool(shifted.abs().max() < 0.5 * gain.abs().max())


def _strings(model: Model, table: np.ndarray) -> tuple[tuple[str, ...], ...]:
    known = {int(i): model.tokenizer.decode([int(i)]) for i in np.unique(table)}
    return tuple(tuple(known[int(i)] for i in row) for row in table)
