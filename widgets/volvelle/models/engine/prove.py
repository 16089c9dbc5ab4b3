"""Equations tried on the model at hand, in three passes over 56 tokens."""

from __future__ import annotations

import weakref
from collections import defaultdict
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from volvelle.models.engine.facts import takes
from volvelle.models.engine.measured import as_measured
from volvelle.models.engine.proofs import Proof, Proofs
from volvelle.models.traces.predict import predict as predict_body
from volvelle.models.traces.prove import rewritten
from volvelle.models.work.worker import Cancelled

if TYPE_CHECKING:
    from collections.abc import Iterator

    import torch

    from volvelle.models.engine.architecture import Layout

# Tokens of a row, and of the short one beside it.
LONG, SHORT = 8, 5

STREAM = "each block gives (rows, tokens, d_model), and the next is given what it gave"
WRITE = "states written back change nothing, with a vector added the next block's input by it"
MLP = "what is added to mlp_out_post is added to the stream"
MLP_OUT = "what the norm behind the mlp is given is what the mlp gives"
Z = "z through the output projection is what the attention gives"
HEAD = "final norm and unembedding of the last state are the logits"
RIGHT = "a row with padding behind it equals the row alone"
LEFT = "a row with padding before it equals the row alone"

# What was proven of a module tree; wrapping a model twice does not prove it twice.
_proven: weakref.WeakKeyDictionary[Any, dict[Layout, Proofs]] = weakref.WeakKeyDictionary()


def proofs_of(model: Any) -> Proofs:
    """Return what a model has proven, trying it on first use; on the model's worker."""
    if model.remote:
        return Proofs(model.name, (), remote=True)
    module = model.nnsight._module  # noqa: SLF001 - nnsight's name
    known = _proven.setdefault(module, {})
    if model.layout not in known:
        known[model.layout] = model.call(lambda: prove(model))
    return known[model.layout]


def prove(model: Any) -> Proofs:
    """Try every equation; the caller is on the model's worker."""
    import torch

    with torch.no_grad():
        try:
            seen = _Pass(model)
        except Cancelled:
            raise
        except Exception as error:  # noqa: BLE001 - whatever an architecture raises
            return Proofs(model.name, (Proof("stream", STREAM, float("nan"), 0.0, _said(error)),))
        found = [seen.stream(), *seen.mlps(), *seen.heads(), seen.head()]
        tried = [("write", WRITE), ("right padding", RIGHT)]
        found += _tried(lambda: _written(model, seen), tried)
        found += _tried(lambda: _left(model, seen), [("left padding", LEFT)])
    return Proofs(model.name, tuple(found))


def _said(error: Exception) -> str:
    return (
        f"{type(error).__name__}: {str(error).strip().splitlines()[0][:160] if str(error) else ''}"
    )


def _tried(work: Any, names: list[tuple[str, str]]) -> list[Proof]:
    try:
        return work()
    except Cancelled:
        raise
    except Exception as error:  # noqa: BLE001 - as above
        return [Proof(name, said, float("nan"), 0.0, _said(error)) for name, said in names]


def _first(value: Any) -> Any:
    return value[0] if isinstance(value, (tuple, list)) and value else value


def _off(found: torch.Tensor, wanted: torch.Tensor, size: torch.Tensor | None = None) -> float:
    """Return the largest difference of a token's states, as a share of the largest of them."""
    if found.shape != wanted.shape:
        return float("inf")
    found, wanted = found.float().cpu(), wanted.float().cpu()
    of = wanted if size is None else size.float().cpu()
    share = (found - wanted).abs().amax(-1) / of.abs().amax(-1).clamp(min=1e-12)
    return float(share.max().nan_to_num(float("inf"), float("inf")))


class _Pass:
    """One pass over the same row twice, the second of them changed within each block.

    What enters a block is the same for both rows; to what its mlp adds a known vector is added
    in the second. So what the block makes of that vector is seen for each block by itself.
    """

    def __init__(self, model: Any) -> None:
        import torch

        self.model, self.layout = model, model.layout
        self.module = model.nnsight._module  # noqa: SLF001 - nnsight's name
        self.ids = _ids(model)
        self.seen: dict[tuple[str, str], list[torch.Tensor]] = defaultdict(list)
        generator = torch.Generator().manual_seed(0)
        self.by = torch.randn(self.layout.d_model, generator=generator)
        layers = range(self.layout.n_layers)
        self.blocks = [f"{self.layout.blocks}.{n}" for n in layers]
        below = [self.layout.z, self.layout.mlp, self.layout.mlp_post]
        self.z, self.mlp, self.post = (
            [f"{self.blocks[n]}.{paths[n]}" if paths[n] else "" for n in layers] for paths in below
        )
        self.added: dict[str, torch.Tensor] = {}
        pair = torch.tensor([self.ids, self.ids], device=model.nnsight.device)
        with as_measured(self.module), self._hooked():
            given = self.module(input_ids=pair, use_cache=False)
        self.logits = given.logits.float().cpu()
        first = self.one(self.blocks[0], "output")
        dtype = torch.float32 if first is None else first.dtype
        precise = dtype in (torch.float32, torch.float64)
        eps = float(torch.finfo(dtype).eps)
        self.rounding = 500 * eps if precise else 6 * eps
        self.deep = 2e-3 if precise else 0.2

    @contextmanager
    def _hooked(self) -> Iterator[None]:
        paths = {path for path in (*self.blocks, *self.z, *self.mlp, *self.post) if path}
        paths |= {path.rpartition(".")[0] for path in self.z if path}
        hooks = []
        for path in paths:
            child = self.module.get_submodule(path)
            before = self._before(path, same=path in self.blocks)
            hooks.append(child.register_forward_pre_hook(before, with_kwargs=True))
            hooks.append(child.register_forward_hook(self._after(path)))
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()

    def _before(self, path: str, *, same: bool) -> Any:
        def hook(_: Any, args: Any, kwargs: Any) -> None:
            state = _first(args[0] if args else next(iter(kwargs.values()), None))
            if not hasattr(state, "dim"):
                return
            if same and state.dim() == 3 and len(state) == 2:
                state[1] = state[0]
            self.seen[path, "input"].append(state.clone())

        return hook

    def _after(self, path: str) -> Any:
        import torch

        adds = path in [post or mlp for post, mlp in zip(self.post, self.mlp, strict=True)]

        def hook(_: Any, __: Any, output: Any) -> None:
            state = _first(output)
            if not isinstance(state, torch.Tensor):
                return
            self.seen[path, "output"].append(state.clone())
            if adds and state.shape[-1] == len(self.by) and state.dim() in (2, 3):
                size = state.float().square().mean().sqrt()
                added = (self.by.to(state.device) * size).to(state.dtype)
                self.added[path] = added.float().cpu()
                if state.dim() == 3:
                    state[1] += added
                else:
                    state[len(state) // 2 :] += added

        return hook

    def one(self, path: str, io: str) -> torch.Tensor | None:
        """Return what passed a place, None where nothing did or several things did."""
        seen = self.seen.get((path, io), [])
        return seen[0] if len(seen) == 1 else None

    def stream(self) -> Proof:
        """Try that blocks hand on what they give."""
        worst, where = 0.0, ""
        shape = (2, len(self.ids), self.layout.d_model)
        for n, path in enumerate(self.blocks):
            times = len(self.seen.get((path, "output"), []))
            state, after = self.one(path, "output"), None
            if state is None or tuple(state.shape) != shape:
                came = f"runs {times} times" if state is None else f"gives {tuple(state.shape)}"
                where = f"at block {n}, which {came} for (rows, tokens, d_model) = {shape}"
                return Proof("stream", STREAM, float("inf"), self.rounding, where)
            if n + 1 < len(self.blocks):
                after = self.one(self.blocks[n + 1], "input")
                off = float("inf") if after is None else _off(after[0], state[0])
                if off > worst:
                    worst, where = off, f"at block {n + 1}"
        return Proof("stream", STREAM, worst, self.rounding, where)

    def mlps(self) -> list[Proof]:
        """Try that what is written where the mlp is added is added to the stream."""
        worst = dict.fromkeys(("mlp_out_post", "mlp_out"), 0.0)
        where = dict.fromkeys(worst, "")
        if not any(self.mlp):
            return []
        for n, (path, mlp, post) in enumerate(zip(self.blocks, self.mlp, self.post, strict=True)):
            if not mlp:
                continue
            found = {}
            found["mlp_out_post"], said = self._added(path, post or mlp)
            found["mlp_out"] = 0.0
            if post:
                given, made = self.one(post, "input"), self.one(mlp, "output")
                both = given is not None and made is not None
                found["mlp_out"] = _off(given, made) if both else float("inf")  # type: ignore[arg-type]
            elif said.startswith("scaled"):
                found["mlp_out"] = 0.0
            else:
                found["mlp_out"] = found["mlp_out_post"]
            for name, off in found.items():
                if off > worst[name]:
                    worst[name], where[name] = off, f"at block {n}{said and f', {said}'}"
        allowed = 4 * self.rounding
        said = MLP_OUT if any(self.post) else MLP
        return [
            Proof("mlp_out_post", MLP, worst["mlp_out_post"], allowed, where["mlp_out_post"]),
            Proof(
                "mlp_out",
                MLP_OUT if any(self.post) else MLP,
                worst["mlp_out"],
                allowed,
                where["mlp_out"],
            ),
        ]

    def _added(self, block: str, path: str) -> tuple[float, str]:
        """Return by how much a block's answer to a vector added differs from that vector."""
        state, added = self.one(block, "output"), self.added.get(path)
        if state is None or added is None or len(self.seen[path, "output"]) != 1:
            return float("inf"), f"where {path.removeprefix(block + '.')} does not run once"
        if state.dim() != 3:
            return float("inf"), ""
        change = (state[1] - state[0]).float().cpu()
        wanted = added.expand_as(change)
        # rounding is that of the stream, which is larger than what is added to it
        size = _largest(state[0].float().cpu(), wanted)
        off = float(((change - wanted).abs().amax(-1) / size).max())
        scale = float((change @ added).mean() / (added @ added))
        if off > 4 * self.rounding and (change - scale * wanted).abs().amax(-1).max() < (
            4 * self.rounding * float(size.max())
        ):
            return off, f"scaled: {scale:.3g} of it is" if abs(scale) > 1e-3 else "none of it is"
        return off, ""

    def heads(self) -> list[Proof]:
        """Try that z through its projection is what the attention gives."""
        if not any(self.z):
            return []
        worst, where = 0.0, ""
        for n, path in enumerate(self.z):
            if not path:
                continue
            off = self._projected(n, path)
            if off > worst:
                worst, where = off, f"at block {n}"
        return [Proof("z", Z, worst, self.rounding, where)]

    def _projected(self, n: int, path: str) -> float:
        state = self.one(path, "output")
        given = self.one(path.rpartition(".")[0], "output")
        stream = self.one(self.blocks[n], "input")
        if state is None or given is None or state.numel() != given.numel():
            return float("inf")
        state = state.reshape(given.shape)
        off = _off(state, given)
        if stream is None or stream.shape != given.shape:
            return off
        # Bloom's attention adds the stream to what it gives
        return min(off, _off(state + stream, given))

    def head(self) -> Proof:
        """Try that the last state, normed, projected, unembedded and scaled, is the logits."""
        state = self.one(self.blocks[-1], "output")
        if state is None or state.dim() != 3:
            return Proof(
                "unembed", HEAD, float("inf"), self.deep, "where the last block gives none"
            )
        try:
            logits = self._unembedded(state[:1])
        except Exception as error:  # noqa: BLE001 - as above
            return Proof("unembed", HEAD, float("nan"), self.deep, _said(error))
        wanted = self.logits[:1]
        off = _off(logits, wanted)
        where = ""
        if off > self.deep and logits.shape == wanted.shape:
            times = float((logits * wanted).sum() / (logits * logits).sum())
            if _off(times * logits, wanted) < self.deep:
                where = f"because the logits are {times:.4g} times that"
        return Proof("unembed", HEAD, off, self.deep, where)

    def _unembedded(self, state: torch.Tensor) -> torch.Tensor:
        layout = self.layout
        for path in (layout.norm, layout.project, layout.head):
            if path:
                child = self.module.get_submodule(path)
                weight = next(iter(child.parameters()), state)
                state = child(state.to(weight.device))
        logits = state.float().cpu() * layout.logit_scale
        if layout.soft_cap:
            logits = layout.soft_cap * (logits / layout.soft_cap).tanh()
        return logits


def _largest(states: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """Return the larger of the largest entries of two states, token by token."""
    import torch

    return torch.maximum(states.abs().amax(-1), wanted.abs().amax(-1))


def _ids(model: Any) -> list[int]:
    """Return a few different tokens; random models and real ones take any."""
    n = model.vocabulary
    step = max(1, n // 23)
    special = set(model.special_ids) | {model.pad_id}
    chosen = [i % n for i in range(step, 40 * step + 1, step) if i % n not in special]
    return (chosen + [n // 2] * LONG)[:LONG]


def _written(model: Any, seen: _Pass) -> list[Proof]:
    """Try what writing states does, and that padding behind a row changes nothing."""
    import torch

    short = seen.ids[:SHORT] + [model.pad_id] * (LONG - SHORT)
    ids = torch.tensor([seen.ids, short, seen.ids[::-1]])
    inputs = {"input_ids": ids, "use_cache": False}
    wanted, given, logits = model.run(rewritten, inputs, seen.blocks, seen.by, 2)
    same = _off(logits[0], seen.logits[0, -1])
    worst, where = (same, "at the logits") if same > seen.deep else (0.0, "")
    padded, there = 0.0, ""
    for n, (want, got) in enumerate(zip(wanted, given, strict=True)):
        off = _off(got, want)
        if off > max(worst, seen.rounding):
            worst, where = off, f"at block {n + 1}"
        alone = seen.one(seen.blocks[n], "output")
        off = float("inf") if alone is None else _off(want[1, :SHORT], alone[0, :SHORT])
        if off > padded:
            padded, there = off, f"at block {n}"
    return [
        Proof("write", WRITE, worst, seen.deep, where),
        Proof("right padding", RIGHT, padded, seen.deep, there),
    ]


def _left(model: Any, seen: _Pass) -> list[Proof]:
    """Try that padding before a row, as prompts are padded, changes nothing."""
    import torch

    empty = [model.pad_id] * (LONG - SHORT)
    ids = torch.tensor([seen.ids[::-1], empty + seen.ids[:SHORT]])
    mask = torch.ones_like(ids)
    mask[1, : len(empty)] = 0
    inputs: dict[str, Any] = {"input_ids": ids, "attention_mask": mask, "use_cache": False}
    if takes(model, "position_ids"):
        inputs["position_ids"] = (mask.cumsum(-1) - 1).clamp(min=0) + model.first_position
    logprobs, _ = model.run(predict_body, inputs, [], None)
    off = _off(logprobs[1], seen.logits[0, SHORT - 1].log_softmax(-1))
    return [
        Proof("left padding", LEFT, off, seen.deep, "at the next token" if off > seen.deep else "")
    ]
