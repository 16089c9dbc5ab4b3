"""Every causal architecture, tried: what is offered on it is right, or it is refused."""

from __future__ import annotations

import logging
import signal
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from models import every, tiny

import volvelle as vv
from volvelle.compute.directions.points import Point

TEXTS = ["hello there", "a longer text"]
TABLE = Path(__file__).parents[2] / "docs/architectures.md"
SECONDS = 120
# Their hidden_states begin after block 0.
LATER = ("mamba", "mamba2", "falcon_mamba", "rwkv")


@dataclass(frozen=True)
class Tried:
    """One architecture.

    ``outcome`` is "right", "partly" (right, some points or batches refused), "refused" (no state
    is offered), "wrong" or "not built".
    """

    kind: str
    outcome: str
    refused: tuple[str, ...] = ()
    why: str = ""


def tried(kind: str) -> Tried:
    """Build an architecture and hold what is offered on it against transformers."""
    import torch

    try:
        module = every.hf(kind)
        with torch.no_grad():
            module(input_ids=torch.arange(3, 11)[None], use_cache=False)
    except Exception as error:  # noqa: BLE001 - whatever a config raises
        return Tried(kind, "not built", why=_said(error))
    try:
        model = vv.wrap(module, tiny.tokenizer(), name=kind)
    except (TypeError, ValueError) as error:
        return Tried(kind, "refused", why=str(error))
    proofs = model.check()
    why = "; ".join(dict.fromkeys(str(proofs[name]) for name in proofs.refused))
    if {"stream", "write"} & set(proofs.refused):
        return Tried(kind, "refused", proofs.refused, why)
    wrong = _wrong(model, module, proofs.refused)
    if wrong:
        return Tried(kind, "wrong", proofs.refused, wrong)
    return Tried(kind, "partly" if proofs.refused else "right", proofs.refused, why)


def _wrong(model, module, refused) -> str:
    """Say which value that is offered is not that of transformers; "" where all are."""
    import torch

    points = [f"resid_pre.{n}" for n in range(model.n_layers)]
    texts = TEXTS[:1] if "right padding" in refused else TEXTS
    captured = model.capture(texts, points)
    expected = model.next_token(TEXTS[:1] if "left padding" in refused else TEXTS)
    for row, text in enumerate(texts):
        ids = torch.tensor([tiny.tokenizer()(text)["input_ids"]])
        with torch.no_grad():
            out = module(input_ids=ids, output_hidden_states=True, use_cache=False)
        wanted = out.logits[0, -1].float().log_softmax(-1).numpy()
        if row < len(expected) and np.abs(expected[row] - wanted).max() > 1e-2:
            return f"next_token off by {np.abs(expected[row] - wanted).max():.2g}"
        states = out.hidden_states or ()
        if len(states) != model.n_layers + 1:
            continue
        later = int(module.config.model_type in LATER)
        for n, point in enumerate(points[later:]):
            state = states[n][0].numpy()
            off = np.abs(captured[point][row, : len(state)] - state).max() / np.abs(state).max()
            if off > 1e-3:
                return f"{point} is not hidden_states[{n}]: off by {off:.2g}"
    wrong = _sums_wrong(model) or _steered_wrong(model, module)
    return wrong or (_unembedded_wrong(model, module) if "unembed" not in refused else "")


def _offered(model, point) -> bool:
    try:
        model.site(Point.parse(point))
    except ValueError:
        return False
    return True


def _sums_wrong(model) -> str:
    """Say which states that are offered do not add up; "" where all do."""
    parts = ("resid_pre", "resid_mid", "resid_post", "attn_out_post", "mlp_out_post")
    for n in range(model.n_layers):
        points = {kind: f"{kind}.{n}" for kind in parts if _offered(model, f"{kind}.{n}")}
        read = model.capture(TEXTS[0], list(points.values()))
        state = {kind: read[point][0] for kind, point in points.items()}
        sums = [("resid_pre", ("attn_out_post",), "resid_mid")]
        sums += [("resid_mid", ("mlp_out_post",), "resid_post")]
        if "resid_mid" not in state:
            sums = [("resid_pre", ("attn_out_post", "mlp_out_post"), "resid_post")]
        for start, added, end in sums:
            if {start, *added, end} <= set(state):
                found = state[start] + sum(state[kind] for kind in added)
                off = np.abs(found - state[end]).max() / np.abs(state[end]).max()
                if off > 1e-4:
                    return f"{start} and {' and '.join(added)} are not {end} at {n}: off {off:.2g}"
    return ""


def _writes(module) -> bool:
    import torch

    try:
        module.generate(torch.tensor([[5, 6, 7, 8]]), max_new_tokens=3, do_sample=False)
    except ValueError:
        return False
    return True


def _steered_wrong(model, module) -> str:
    """Hold what a steered model writes against a plain loop in which a hook pushes; "" where equal.

    What is refused in a sentence is not wrong, nor what transformers itself cannot write.
    """
    import torch

    push = torch.randn(model.d_model, generator=torch.Generator().manual_seed(1))
    direction = vv.Direction(push.numpy(), "push", "resid_post.1")
    steer = vv.Steer(direction, 1.0, unit="raw", where=vv.Where(special=True))
    try:
        found = model.generate(TEXTS[0], steer, max_new_tokens=3)
    except ValueError as error:
        refused = "cannot be steered" in str(error) or not _writes(module)
        return "" if refused else f"steered writing: {error}"

    def hook(_, __, output):
        states = output[0] if isinstance(output, (tuple, list)) else output
        states[:, 1:] += push.to(states.dtype)

    handle = module.get_submodule(model.layout.blocks)[1].register_forward_hook(hook)
    ids = list(tiny.tokenizer()(TEXTS[0])["input_ids"])
    try:
        for step, chosen in enumerate(found.ids.tolist()):
            with torch.no_grad():
                out = module(input_ids=torch.tensor([ids]), use_cache=False)
            wanted = float(out.logits[0, -1].float().log_softmax(-1)[chosen])
            if abs(found.logprobs[step] - wanted) > 1e-2:
                off = abs(found.logprobs[step] - wanted)
                return f"steered writing: token {step} off by {off:.2g} nat"
            ids.append(chosen)
            if chosen == model.first_position - 1:
                break  # Roberta and its kin count padding that they wrote themselves as none
    finally:
        handle.remove()
    return ""


def _unembedded_wrong(model, module) -> str:
    """Hold `unembed` against the change of the logits that a small push makes."""
    import torch

    last = module.get_submodule(model.layout.blocks)[-1]
    norm = module.get_submodule(model.layout.norm) if model.layout.norm else None
    generator = torch.Generator().manual_seed(0)
    along = torch.randn(model.d_model, generator=generator)
    kept = {}

    def pushed(by):
        def hook(_, __, output):
            whole = output[0] if isinstance(output, (tuple, list)) else output
            kept["state"] = whole[0, -1].clone()
            if by is not None:
                whole[0, -1] += by

        handle = last.register_forward_hook(hook)
        try:
            with torch.no_grad():
                ids = torch.tensor([tiny.tokenizer()("hello there")["input_ids"]])
                return module(input_ids=ids, use_cache=False).logits[0, -1].double()
        finally:
            handle.remove()

    plain = pushed(None)
    state = kept["state"]
    # a direction that leaves the norm's divisor alone, so that only the gain is left
    flat = state - state.mean()
    for base in (torch.ones_like(state), flat):
        along -= (along @ base) / (base @ base) * base
    step = 1e-2 * state.norm() / along.norm()
    change = ((pushed(step * along) - pushed(-step * along)) / (2 * step)).numpy()
    cap = model.layout.soft_cap
    if cap:
        change = change / (1 - (plain.numpy() / cap) ** 2)
    change -= change.mean()
    found = model.unembed(along.numpy(), k=model.vocabulary)
    effects = np.empty(model.vocabulary)
    effects[found.promoted_ids[0]] = found.promoted_effects[0]
    if norm is not None:
        # effects are before the norm divides
        divisor = float(flat.square().mean().sqrt()), float(state.square().mean().sqrt())
        shares = [np.linalg.norm(change * d) / np.linalg.norm(effects) for d in divisor]
        share = min(shares, key=lambda s: abs(np.log(s)))
    else:
        share = np.linalg.norm(change) / np.linalg.norm(effects)
    alike = np.corrcoef(change, effects)[0, 1]
    if alike < 0.99 or not 0.95 < share < 1.05:
        return f"unembed: correlation {alike:.3f}, size {share:.3g} of the logits' change"
    return ""


def _said(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {lines[-1].strip()[:140]}"


def _late(*_):
    raise TimeoutError(f"took more than {SECONDS} s")


def all_tried(kinds, told=lambda tried: None) -> list[Tried]:
    """Try several architectures; one that hangs is not built."""
    logging.disable(logging.WARNING)
    found = []
    signal.signal(signal.SIGALRM, _late)
    try:
        for kind in kinds:
            signal.alarm(SECONDS)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                try:
                    one = tried(kind)
                except TimeoutError as error:
                    one = Tried(kind, "not built", why=_said(error))
                except Exception as error:  # noqa: BLE001 - that is what is looked for
                    one = Tried(kind, "wrong", why=_said(error))
            signal.alarm(0)
            told(one)
            found.append(one)
    finally:
        signal.alarm(0)
        logging.disable(logging.NOTSET)
    return found


def table(found: list[Tried]) -> str:
    """Return the page of the documentation."""
    import transformers

    def count(*outcomes):
        return sum(one.outcome in outcomes for one in found)

    rows = "\n".join(
        f"| `{one.kind}` | {one.outcome} | {', '.join(one.refused)} | {_cell(one.why)} |"
        for one in found
    )
    right, whole = count("right", "partly"), count("right")
    return f"""# Architectures

A model proves its points before they are offered: `model.check()` shows what holds on the model at
hand.

```python
import volvelle as vv

model = vv.load("smollm2")
proofs = model.check()
proofs.refused  # () where every equation holds
```

This table is what it says of every causal architecture of transformers
{transformers.__version__}, built tiny with random weights (`tests/models/sweep.py` writes it).

Of {len(found)} architectures {right} are right: states at the residual stream are those of
transformers, what a steered model writes is what a plain loop with a hook gives, and what does not
hold is refused; on {whole} of them every equation holds.
{count("refused")} are refused, {count("not built")} could not be built tiny here, and
{count("wrong")} give a value that transformers does not.

*right*: every equation holds. *partly*: the stream is right, and what is named under *refused*
is refused in the sentence beside it. *refused*: no state is offered.

| architecture | outcome | refused | why |
|---|---|---|---|
{rows}
"""


def known() -> dict[str, Tried]:
    """Return what the page says now."""
    found = {}
    for line in TABLE.read_text(encoding="utf-8").splitlines() if TABLE.exists() else ():
        if line.startswith("| `"):
            kind, outcome, refused, why = (cell.strip() for cell in line.strip("|").split("|"))
            names = tuple(name for name in refused.split(", ") if name)
            found[kind.strip("`")] = Tried(kind.strip("`"), outcome, names, why)
    return found


def _cell(text: str) -> str:
    return text.replace("|", "/").replace("\n", " ").replace("<", "(").replace(">", ")")


if __name__ == "__main__":
    result = all_tried(
        sys.argv[1:] or every.kinds(),
        lambda one: print(f"{one.outcome:9} {one.kind:24} {one.why[:260]}", flush=True),
    )
    # of some architectures only their rows are written again
    page = (known() if sys.argv[1:] else {}) | {one.kind: one for one in result}
    TABLE.write_text(table([page[kind] for kind in sorted(page)]), encoding="utf-8")
