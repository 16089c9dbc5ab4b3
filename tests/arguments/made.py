"""What odd arguments are given to: small things of every public kind, each made on first use."""

from __future__ import annotations

import copy
import functools
import tempfile
from pathlib import Path

import numpy as np
import torch
from models import tiny

import volvelle as vv

WIDTH = tiny.WIDTH
N_FEATURES = 64
POINT = "resid_post.1"
DEGREES = {f"n{i}": 45.0 * i for i in range(8)}
HELLO = "hello there"
ANGLES = (0, 90, 180, 270)
WORDS = {"a": 0.0, "b": 90.0, "c": 180.0, "d": 270.0}


@functools.cache
def folder() -> Path:
    return Path(tempfile.mkdtemp(prefix="made-"))


@functools.cache
def tokenizer():
    """One token per byte, and one per word of `WORDS` behind a space."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    known = tiny.tokenizer().get_vocab() | {f"Ġ{word}": 258 + n for n, word in enumerate(WORDS)}
    inner = Tokenizer(models.BPE(vocab=known, merges=[("Ġ", word) for word in WORDS]))
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=inner, pad_token="<pad>", eos_token="<end>")


@functools.cache
def hf():
    return copy.deepcopy(tiny.hf("llama", vocab_size=258 + len(WORDS)))


@functools.cache
def model() -> vv.Model:
    return vv.wrap(hf(), tokenizer(), name="llama")


def new_model() -> None:
    """Let go of a model whose worker hangs, and of its weights, whose worker it is."""
    hf.cache_clear()
    model.cache_clear()
    for made in (steering, activations_view, circle_view, jobs):
        made.cache_clear()


@functools.cache
def checkpoint() -> Path:
    """The tiny model as a folder that `vv.load` reads."""
    hf().save_pretrained(folder() / "checkpoint")
    tokenizer().save_pretrained(folder() / "checkpoint")
    return folder() / "checkpoint"


def weights(n: int = N_FEATURES, seed: int = 0) -> dict[str, torch.Tensor]:
    rows = torch.randn(n, WIDTH, generator=torch.Generator().manual_seed(seed))
    rows /= rows.norm(dim=1, keepdim=True)
    return {"W_enc": rows.T.clone(), "W_dec": rows, "b_enc": torch.zeros(n), "b_dec": zeros()}


def zeros() -> torch.Tensor:
    return torch.zeros(WIDTH)


@functools.cache
def sae(seed: int = 0) -> vv.SAE:
    return vv.SAE.load(weights(seed=seed), point=POINT, k=8, name="toy")


def direction(name: str = "joy", layer: int = 1) -> vv.Direction:
    vector = np.random.default_rng(1).standard_normal(WIDTH)
    return vv.Direction(vector, name, f"resid_post.{layer}")


@functools.cache
def dictionary() -> vv.Dictionary:
    vectors = np.random.default_rng(2).standard_normal((8, WIDTH))
    return vv.Dictionary(vectors, list(DEGREES), POINT, "toy")


@functools.cache
def steer() -> vv.Steer:
    return vv.Steer(direction(), 0.2)


@functools.cache
def control_vector() -> vv.ControlVector:
    return vv.ControlVector([direction(layer=1), direction(layer=2)])


@functools.cache
def circle() -> vv.Circle:
    return vv.fit_circle(dictionary(), DEGREES, n_null=20)


@functools.cache
def found_circle() -> vv.Circle:
    """A circle of the tiny model itself, which knows its other layers."""
    words, texts = ["happy", "sad", "tense", "calm"], ["I {w}.", "So {w}!"]
    return vv.emotion_circle(model(), words=words, stimuli=texts, n_null=10, cache=False)


@functools.cache
def activations() -> vv.Activations:
    return vv.encode(model(), HELLO, sae())


@functools.cache
def steering_run() -> vv.SteeringRun:
    return vv.steer(model(), "hello", steer(), (1,), 1, max_new_tokens=2, watch=["a"])


@functools.cache
def dose() -> vv.Dose:
    asked = {"answers": ("y", "n"), "placebo": 2}
    return vv.dose(model(), "is it? ", steer(), (0, 1), **asked)


@functools.cache
def layout() -> vv.DualLayout:
    return vv.dual_layout(sae(), sae(seed=5), n_epochs=5, cache=False)


@functools.cache
def wheel() -> vv.Wheel:
    return vv.steer_around(model(), circle(), ["hi"], ANGLES, words=WORDS, placebo=1)


@functools.cache
def wheel_of_texts() -> vv.Wheel:
    """A wheel with texts to score."""
    asked = {"words": WORDS, "placebo": 1, "samples": 1, "max_new_tokens": 2, "text_placebo": 2}
    return vv.steer_around(model(), circle(), ["hi"], ANGLES, **asked)


def kept(result: vv.Dose) -> Path:
    """Return the file of a result."""
    path = folder() / f"{type(result).__name__}.safetensors"
    return path if path.exists() else result.save(path)


@functools.cache
def gguf() -> Path:
    return control_vector().save(folder() / "joy.gguf")


# -- views ------------------------------------------------------------------------------------


@functools.cache
def manifold() -> vv.CircularManifold:
    return vv.CircularManifold(circle())


@functools.cache
def activations_view() -> vv.FeatureActivations:
    return vv.FeatureActivations(model(), sae(), HELLO).wait(60)


@functools.cache
def steering() -> vv.Steering:
    return vv.Steering(model(), {"joy": direction()}, "hello", sae=sae(), max_new_tokens=2).wait(60)


@functools.cache
def steering_with_history() -> vv.Steering:
    view = steering()
    return view if view.history else view.run().wait(60)


@functools.cache
def circle_view() -> vv.EmotionCircle:
    return vv.EmotionCircle(model(), circle()).wait(60)


@functools.cache
def jobs() -> vv.Jobs:
    return vv.Jobs(model())


@functools.cache
def map_view() -> vv.DualUMAP:
    return vv.DualUMAP(layout())
