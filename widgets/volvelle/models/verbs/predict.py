"""The verbs `next_token`, `unembed` and `norm`."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import numpy as np

from volvelle.arguments.arrays import array
from volvelle.compute.directions.points import Point
from volvelle.compute.tensors import tensor
from volvelle.models.engine.facts import takes, together
from volvelle.models.engine.finite import NotFinite, cause_of
from volvelle.models.engine.sizes import check_context
from volvelle.models.engine.tokens import string_of
from volvelle.models.remote.request import Request
from volvelle.models.traces.predict import predict as predict_body
from volvelle.models.traces.unembed import effects_of, gain_of
from volvelle.models.traces.unembed import unembed as unembed_body
from volvelle.models.verbs import read as reading
from volvelle.models.verbs.capture import left_padded, positions, to_numpy
from volvelle.models.verbs.known import resumed_from
from volvelle.models.verbs.unsound import not_finite, refuse_unsound
from volvelle.models.verbs.write import sites
from volvelle.progress import looking

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pandas as pd
    import torch

    from volvelle.models.engine.engine import Engine
    from volvelle.models.verbs.known import Known
    from volvelle.models.verbs.unsound import Turned

# Rows of a product with the unembedding: 50 MB, and a tenth of a second between looks at Stop.
MOST_ROWS = 128
# Directions of one request: 32 MB at width 1,024; the server splits them by itself.
MOST_ROWS_SENT = 8192
MOST_TOKENS = 4096


def next_token(
    model: Engine,
    rows: Sequence[Sequence[int]],
    steers: Turned | None,
    wanted: Sequence[int] | None,
    progress: Callable[[float, str], None] | None = None,
) -> np.ndarray:
    """Return natural-log probabilities (prompt, token). `Model.next_token` documents it."""
    return next_token_and_entropy(model, rows, steers, wanted, progress)[0]


def next_token_and_entropy(
    model: Engine,
    rows: Sequence[Sequence[int]],
    steers: Turned | None,
    wanted: Sequence[int] | None,
    progress: Callable[[float, str], None] | None = None,
    *,
    known: Sequence[Known | None] = (),
) -> tuple[np.ndarray, np.ndarray]:
    """Return what the model expects next, and how undecided it is.

    Parameters
    ----------
    model : Engine
    rows : sequence of sequence of int
    steers : Steered, optional
    wanted : sequence of int, optional
        Token ids; the whole vocabulary without.
    progress : callable(fraction, text), optional
    known : sequence of Known or None, optional
        One per row, of models that run here: unsteered states, below all steers of all rows. The
        blocks they have passed do not run again, where all rows of a batch have them.

    Returns
    -------
    logprobs : array, float32, shape (prompt, token)
    entropy : array, float32, shape (prompt,)
        Over the whole vocabulary, nats; empty without `wanted`.
    """
    import torch

    if any(not len(row) for row in rows):
        raise ValueError("a prompt has no tokens; give the model something to continue")
    check_context(model, map(len, rows), "prompts")
    tokens = None if wanted is None else torch.as_tensor(list(wanted), dtype=torch.long)
    found: dict[int, np.ndarray] = {}
    # over all tokens, so that it tells of any whether it is finite
    entropies: dict[int, np.ndarray] = {}
    per = max(1, MOST_TOKENS // max((len(row) for row in rows), default=1))
    for members in together(model, [len(row) for row in rows], per):
        inputs = one_pass(model, [rows[n] for n in members], 1)
        located = sites(model, steers(members) if steers is not None else ())
        here = [known[n] for n in members] if known else []
        width = inputs["input_ids"].shape[1]
        resumed = resumed_from(model, here, [len(rows[n]) for n in members], width)
        logprobs, entropy = model.run(
            Request(
                predict_body,
                (inputs, located, tokens, *([resumed] if resumed[0] else [])),
                reads=inputs["input_ids"].numel(),
            ),
            only={*resumed[0], *(path for path, *_ in located)},
        )
        found |= dict(zip(members, to_numpy(logprobs), strict=True))
        if wanted is not None:
            entropies |= dict(zip(members, to_numpy(entropy), strict=True))
        model.report(progress, len(found) / len(rows), f"{len(found)} prompts")
    width = model.vocabulary if wanted is None else len(wanted)
    if not found:
        return np.zeros((0, width), np.float32), np.zeros(0, np.float32)
    order = range(len(rows))
    bad = [n for n in order if np.isnan(entropies[n] if n in entropies else found[n].sum())]
    refuse_unsound(model, {n: (rows[n], ()) for n in bad}, steers)
    entropy = np.array([entropies[n] for n in order if n in entropies], dtype=np.float32)
    return np.stack([found[n] for n in order]), entropy


def one_pass(model: Engine, rows: Sequence[Sequence[int]], kept: int) -> dict[str, Any]:
    """Return the inputs of a single forward pass that needs the logits of the last tokens."""
    lengths = [len(row) for row in rows]
    model.hold_padding(lengths, "left")
    inputs: dict[str, Any] = left_padded(rows, model.pad_id) | {"use_cache": False}
    if takes(model, "position_ids") and len(set(lengths)) > 1:
        # a plain forward pass counts padding too, which learned positions do not forgive
        inputs["position_ids"] = positions(model, inputs["attention_mask"])
    if takes(model, "logits_to_keep"):
        inputs["logits_to_keep"] = kept
    return inputs


def neutral_text() -> str:
    """Return the shipped neutral text on which norms are measured."""
    return files("volvelle.assets").joinpath("neutral.txt").read_text("utf-8")


def norm(model: Engine, point: Point) -> float:
    """Return the median norm at a point, measured once. `Model.norm` documents it."""
    model.site(point)  # which sees whether the model is still the one that was measured
    if point not in model.norms:
        if model.run.weighing:  # a request of its own, which is not what is asked about
            return 1.0
        model.call(lambda: _measure_norms(model, point))
    return model.norms[point]


def _measure_norms(model: Engine, point: Point) -> None:
    """Measure on the neutral text, at all layers of the point's kind at once."""
    with model.run.alone():  # two jobs that need it wait for one request
        if point in model.norms:
            return
        layers = range(model.n_layers) if point.kind != "embed" else (-1,)
        points = [Point(point.kind, layer) for layer in layers]
        points = [one for one in points if model.layout.has(one)]  # hybrids have z in some blocks
        tokens = model.tokens(neutral_text())[: model.context]
        measured = reading.read_norms(model, tokens, points)
        model.norms |= {one: size for one, size in measured.items() if np.isfinite(size)}
        if point not in model.norms:
            raise not_finite(model, tokens.ids, f"the norm of the states at {point}")


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


def unembed(model: Engine, vectors: Any, k: int) -> Unembedding:
    """Return promoted and suppressed tokens. `Model.unembed` documents it."""
    import torch

    names = getattr(vectors, "names", None)
    if hasattr(vectors, "vectors"):
        vectors = vectors.vectors
    elif hasattr(vectors, "vector"):
        names, vectors = (vectors.name,), vectors.vector
    rows = torch.atleast_2d(tensor(array(vectors, "vectors")))
    if len(rows) and not bool(rows.any()):
        raise ValueError("vectors are all zero: they promote nothing")
    if rows.dim() != 2 or rows.shape[1] != model.d_model:
        raise ValueError(
            f"vectors have shape {tuple(rows.shape)}, {model.name} is {model.d_model} wide"
        )
    if not 1 <= k <= model.vocabulary:
        raise ValueError(f"k={k} must be in 1...{model.vocabulary}")
    joined = _unembedded(model, rows, k)
    if not np.isfinite(joined[1]).all():
        raise NotFinite(
            f"{model.name}: what directions promote is not finite; "
            f"{cause_of(model, remote=bool(model.remote))}"
        )
    return Unembedding(
        promoted=_strings(model, joined[0]),
        suppressed=_strings(model, joined[2]),
        promoted_ids=joined[0],
        suppressed_ids=joined[2],
        promoted_effects=joined[1],
        suppressed_effects=joined[3],
        names=tuple(names) if names is not None else tuple(str(n) for n in range(len(rows))),
    )


def promoted(model: Engine, vectors: np.ndarray, k: int) -> tuple[tuple[str, ...], ...]:
    """Return the tokens each of some directions (n, d_model) promotes most, and nothing else.

    Of a model on a server a sixth of what `unembed` brings back.
    """
    import torch

    rows = torch.from_numpy(np.ascontiguousarray(vectors, dtype=np.float32))
    return _strings(model, model.call(lambda: _unembedded(model, rows, k, ids_only=True))[0])


def _unembedded(
    model: Engine, rows: torch.Tensor, k: int, *, ids_only: bool = False
) -> list[np.ndarray]:
    """Return what `effects_of` gives, over as many passes or requests as it takes."""
    import torch

    top: list[Sequence[torch.Tensor]] = []
    size = MOST_ROWS_SENT if model.remote else MOST_ROWS
    for start in range(0, len(rows), size):
        top.append(_effects(model, rows[start : start + size], k, ids_only=ids_only))
        model.report(None, start / len(rows))
    return [torch.cat(parts).cpu().numpy() for parts in zip(*top, strict=True)]


def _effects(
    model: Engine, rows: torch.Tensor, k: int, *, ids_only: bool
) -> Sequence[torch.Tensor]:
    import torch

    model.hold("unembed", "what directions promote")
    layout = model.layout
    if model.remote:
        inputs = {"input_ids": torch.tensor([[model.pad_id]]), "use_cache": False}
        paths = (layout.embed, layout.norm, layout.head, layout.project)
        what = "promoted" if ids_only else "both"
        args = (inputs, paths, rows, k, what, layout.logit_scale)
        return model.run(Request(unembed_body, args, reads=1))
    module = model.nnsight._module  # noqa: SLF001 - nnsight's name
    weight = module.get_output_embeddings().weight
    with torch.no_grad():
        gain, centred = final_gain(model)
        gain = gain * layout.logit_scale
        narrow = module.get_submodule(layout.project).weight if layout.project else None
        here = rows.to(weight.device)
        return effects_of(here, weight, gain, k, centred=centred, narrow=narrow)


def final_gain(model: Engine) -> tuple[Any, bool]:
    """Return the final norm's gain (d_model,) and whether it subtracts the mean."""
    import torch

    module = model.nnsight._module  # noqa: SLF001 - nnsight's name
    norm = module.get_submodule(model.layout.norm) if model.layout.norm else None
    with torch.no_grad():
        weight = module.get_output_embeddings().weight
        return gain_of(norm, weight.new_ones(1, model.d_model))


def _strings(model: Engine, table: np.ndarray) -> tuple[tuple[str, ...], ...]:
    known = {int(i): string_of(model.tokenizer, int(i)) for i in looking(np.unique(table))}
    return tuple(tuple(known[int(i)] for i in row) for row in table)
