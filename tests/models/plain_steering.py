"""Steering once more, with nothing of volvelle: forward hooks, no cache, one row, token by token.

The formulas are written as a reader of the papers would, one state at a time.
"""

from __future__ import annotations

from contextlib import contextmanager


def block(hf, layer):
    for path in ("model.layers", "transformer.h", "gpt_neox.layers", "model.decoder.layers"):
        try:
            return hf.get_submodule(path)[layer]
        except AttributeError:
            continue
    raise AssertionError(type(hf))


@contextmanager
def hooked(hf, edits):
    """Edit block outputs: ``edits`` holds (layer, edit), edit(position, state) -> state."""
    handles = []

    def on_output(edit):
        def hook(_module, _inputs, output):
            states = output[0] if isinstance(output, tuple) else output
            states = states.clone()
            for position in range(states.shape[1]):
                states[0, position] = edit(position, states[0, position])
            return (states, *output[1:]) if isinstance(output, tuple) else states

        return hook

    try:
        handles += [block(hf, layer).register_forward_hook(on_output(e)) for layer, e in edits]
        yield
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def hooked_input(module, edit):
    """Edit what a module is given: edit(position, state) -> state."""

    def hook(_module, inputs):
        states = inputs[0].clone()
        for position in range(states.shape[1]):
            states[0, position] = edit(position, states[0, position])
        return (states, *inputs[1:])

    handle = module.register_forward_pre_hook(hook)
    try:
        yield
    finally:
        handle.remove()


def greedy(hf, ids, n, edits=(), end=()):
    """Continue one prompt; returns the new ids and the log-probabilities of every step."""
    import torch

    ids, steps = list(ids), []
    start = len(ids)
    with torch.no_grad(), hooked(hf, edits):
        for _ in range(n):
            logits = hf(input_ids=torch.tensor([ids]), use_cache=False).logits[0, -1].float()
            steps.append(logits.log_softmax(-1))
            ids.append(int(logits.argmax()))
            if ids[-1] in end:
                break
    return ids[start:], torch.stack(steps).numpy()


def later_than_first(change):
    """Edit every position but the first."""
    return lambda position, h: h if position == 0 else change(h)


def added(vector):
    return lambda h: h + vector


def without(unit):
    return lambda h: h - (h @ unit) * unit


def component_times(unit, factor):
    return lambda h: h + (factor - 1) * (h @ unit) * unit


def capped(unit, low, high):
    return lambda h: h + (float((h @ unit).clamp(low, high)) - h @ unit) * unit


def swapped(unit, target):
    return lambda h: h + (h @ unit) * (target - unit)


def clamped(sae, feature, level):
    """Delta form: what the SAE misses stays."""

    def change(h):
        z = sae.encode(h[None])
        wanted = z.clone()
        wanted[0, feature] = level
        return h + (sae.decode(wanted, h[None]) - sae.decode(z, h[None]))[0]

    return change
