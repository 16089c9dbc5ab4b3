"""Slips that people make with a notebook open, each answered by what was meant."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from arguments import made
from traitlets import TraitError

import volvelle as vv

FRAME = pd.DataFrame({"a": ["x"]})
WIDTH = made.direction().d_model
LOOP: list[object] = []
LOOP.append(LOOP)


def other_width():
    return vv.Direction(np.ones(WIDTH // 2), "o", made.POINT)


def misspelt():
    made.activations_view().selectd = [1]


REFUSED = {
    "a model's name for a model": (
        lambda: vv.encode("smollm2", "a", made.sae()),
        r"model='smollm2' must be a model; vv\.load",
    ),
    "no model": (
        lambda: vv.steer(None, "a", made.steer()),
        r"model=None must be a model; vv\.load",
    ),
    "a model's name for a view": (lambda: vv.EmotionCircle("smollm2"), "must be a model, a circle"),
    "vectors for a dictionary": (
        lambda: vv.fit_circle(np.eye(4)),
        r"dictionary=<ndarray of shape \(4, 4\)> .*vv\.Dictionary\(vectors, names, point\)",
    ),
    "codes of another width": (
        lambda: made.sae().decode(np.ones((2, 7))),
        r"reads 64-dimensional activations, z has shape \(2, 7\)",
    ),
    "a target of another width": (
        lambda: vv.Steer(made.direction(), method="swap", target=other_width()),
        "target 'o' is 16-dimensional, 'joy' has 32",
    ),
    "a seed below 0": (lambda: made.model().generate("he", seed=-1), "seed=-1 must be a whole"),
    "a word for a place": (lambda: vv.HeadScale(1, 1, where="x"), r"where='x' .*vv\.Where"),
    "another result": (lambda: vv.DoseResponse(made.steering_run()), r"result=.*vv\.dose"),
    "an SAE for a feature": (
        lambda: vv.steer(made.model(), "hello", made.sae()),
        r"steers: .*take sae\.feature\(i\)",
    ),
    "a misspelt trait": (misspelt, r"unknown trait 'selectd'; did you mean 'selected_"),
    "a list that holds itself": (lambda: vv.fit_circle(made.dictionary(), seed=LOOP), "seed="),
    "a frame to encode": (
        lambda: vv.encode(made.model(), FRAME, made.sae()),
        r"text=<DataFrame .*frame\['name'\]",
    ),
    "a frame to capture": (
        lambda: made.model().capture(FRAME, made.POINT),
        r"texts=<DataFrame .*frame\['name'\]",
    ),
    "a frame of pairs": (
        lambda: vv.Dictionary.from_pairs(made.model(), FRAME, ["b"]),
        r"positive=<DataFrame",
    ),
    "a frame for a view": (
        lambda: vv.FeatureActivations(made.model(), made.sae(), FRAME),
        r"text=<DataFrame .*frame\['name'\]",
    ),
    "bytes": (lambda: made.model().tokens(b"ab"), r"text=b'ab' .*\.decode\(\)"),
    "ids with a fraction": (lambda: made.model().tokens([1.9, 2.9]), r"text\[0\]=1\.9 must be"),
    "letters for names": (
        lambda: vv.Dictionary(np.eye(WIDTH)[:2], "ab", made.POINT),
        r"names='ab' must be a list of texts; write \['ab'\]",
    ),
    "imaginary parts": (
        lambda: vv.Direction(np.ones(WIDTH) * 1j, "d", made.POINT),
        "vector of 'd' .* complex128",
    ),
    "masked values": (
        lambda: vv.Direction(np.ma.masked_less(np.arange(WIDTH), 1), "d", made.POINT),
        "vector of 'd' has masked values",
    ),
    "settings of a finished map": (
        lambda: vv.DualUMAP(made.layout(), match="decoder", seed=3),
        "a is a finished layout, which has its own match and seed",
    ),
    "a prompt of one token": (
        lambda: vv.dose(made.model(), "a", made.steer(), answers=("y", "n"), placebo=1),
        "prompt has one token, which is position 0",
    ),
}


@pytest.mark.parametrize("slip", REFUSED)
def test_a_slip_is_named_with_the_way_out(slip):
    call, said = REFUSED[slip]
    with pytest.raises((TypeError, ValueError, AttributeError, TraitError), match=said):
        call()


@pytest.mark.parametrize("kind", [pd.Series, pd.Index, pl.Series, np.array, tuple, list])
def test_a_column_of_texts_is_texts(kind):
    texts = ["hello", "you there"]
    found = vv.encode(made.model(), kind(texts), made.sae())
    assert [tokens.text for tokens in found.tokens] == texts


def test_a_text_without_a_token_to_encode_says_so():
    assert "none of them encoded" in vv.encode(made.model(), "", made.sae()).summary()
