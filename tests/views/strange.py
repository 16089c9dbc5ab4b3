"""Texts of strangers, and every view full of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from views.fakes import FakeModel
from views.steering.test_dose_response import card, dose

import volvelle as vv
from volvelle.arguments.texts import clean
from volvelle.experiments.steering.prompts import PromptCard
from volvelle.experiments.steering.rows import Key
from volvelle.experiments.steering.rows import card as card_of
from volvelle.experiments.steering.steered_row import SteeredRow
from volvelle.experiments.steering.steering_run import SteeringRun
from volvelle.views.kit.arrays import pack
from volvelle.views.steering.controls import CONTROLS

# What would leave its place in a page, a script, a style, an attribute or JSON, if it could; each
# would raise an alarm of its own, and all are texts.
INJECTIONS = (
    "</script><img src=x onerror=alert(1)>",
    "<script>alert(2)</script>",
    "<!-- <script>",
    "]]><svg onload=alert(3)>",
    "a\u2028alert(4)\u2029b",
    "$base64",
    "__proto__",
    "constructor",
    "'\"><b onmouseover=alert(5)>",
    "\\u003cimg src=x onerror=alert(6)\\u003e",
    "</style><style>*{display:none}",
    "{title}{0}%s${alert(7)}`",
    "javascript:alert(8)",
    "</title><script>alert(9)</script>",
    '"},"state":{"_live":true,"x":"',
    "&lt;img src=x onerror=alert(10)&gt;&#0;",
    "=cmd|' /C calc'!A0",
)
# What no file, page or tokenizer takes as it is, and what is seldom seen.
ODD = (
    "half \ud800 of one",
    "\udc00\ud83d",
    "\ud83d\ude00 in halves",
    "nul \0 inside",
    "\u202etpircs\u202c",
    "\N{ARABIC LETTER ALEF}\u200f \u2066x\u2069",
    "\U0001f468\u200d\U0001f469\u200d\U0001f467 \N{GREEK SMALL LETTER ALPHA}\u0301",
    "\ufffe\uffff\ufeff",
    " ",
    "line\nend\r\n\ttab",
    "1e999",
    "NaN",
)


def told(texts):
    """The texts as a page has them, each once."""
    return list(dict.fromkeys(map(clean, texts)))


def directions(texts, width=8):
    draw = np.random.default_rng(0)
    rows = draw.normal(size=(len(texts), width))
    return {
        name: vv.Direction(row, name, "resid_post.1") for name, row in zip(texts, rows, strict=True)
    }


def steering(texts):
    """A view of a finished run, without a model."""
    mine = directions(told(texts))
    first = texts[0]
    view = vv.Steering(None, mine, first, watch=[first], query=first)
    view.strengths = dict.fromkeys(mine, 0.2)
    view.units = dict.fromkeys(mine, "raw")
    view.where = {"prompt": "all", "when": texts[-1]}
    n = len(texts)
    keys = [Key("steered", -1, s, 0) for s in (0.0, 1.0)]
    run = SteeringRun(
        model=first,
        prompts=(PromptCard(first, np.arange(n), tuple(texts), ()),),
        steers=tuple(card_of(one, NORMED) for one in view.steers()),
        strengths=(0.0, 1.0),
        watch=(first,),
        rows=tuple(row(key, texts) for key in keys),
        norms={"resid_post.1": 10.0},
        settings={"placebo": 0, "seed": 0, "temperature": 0.0},
    )
    view._keep(run, {name: getattr(view, name) for name in CONTROLS})
    return view


class Normed:
    """As much of a model as a card asks."""

    name = "toy"

    def norm(self, point):
        return 10.0


NORMED = Normed()


def row(key, texts):
    n = len(texts)
    return SteeredRow(
        kind=key.kind,
        number=key.number,
        strength=key.strength,
        sample=0,
        text="".join(texts),
        ids=np.arange(n),
        strings=tuple(texts),
        logprobs=np.full(n, -0.5, np.float32),
        base_logprobs=np.full(n, -1.5, np.float32),
        watched=np.full((n, 1), -2.0, np.float32),
        masks=np.full((1, 2 * n), key.strength != 0),
        sizes={"resid_post.1": np.ones((2, 2 * n), np.float32)},
    )


def dose_response(texts):
    found = dose()
    first, second = told([*texts, "calm"])[:2]
    name = {"joy": first, "calm": second, "": ""}
    return vv.DoseResponse(
        replace(
            found,
            model=texts[0],
            questions={"asked": (texts[0],), "control": (texts[-1],)},
            answers=(first, second),
            spellings=((texts[0],), (texts[-1],)),
            concepts=(first, second),
            steers={first: (card(texts[0]),), second: (card(texts[-1]),)},
            concept=np.array([name[one] for one in found.concept.tolist()]),
            texts=tuple(texts[i % len(texts)] for i in range(len(found.texts))),
            placebo_of={first: first, second: first},
        )
    )


def circle(texts):
    names = told([*texts, "north", "east", "south", "west"])
    turn = np.linspace(0, 2 * np.pi, len(names), endpoint=False)
    plane = np.linalg.qr(np.random.default_rng(0).normal(size=(12, 2)))[0].T
    vectors = 10 * np.stack([np.cos(turn), np.sin(turn)], axis=1) @ plane
    dictionary = vv.Dictionary(vectors, names, "resid_post.1", texts[0])
    reference = dict(zip(names, np.degrees(turn).tolist(), strict=True))
    return vv.fit_circle(dictionary, reference, n_null=20)


def emotion_circle(texts):
    view = vv.EmotionCircle(circle(texts), prompt=texts[0], texts=list(texts))
    n = len(texts)
    at = {"angle": 0.0, "strength": 0.1, "plane": "circle", "prompt": texts[0]}
    view._written = {"base": list(texts), "steered": list(texts), "at": at, "done": True}
    view._trail = {
        "strings": list(texts),
        "xy": pack(np.ones((n, 2), np.float32)),
        "starts": pack(np.zeros(1, np.uint32)),
        "means": pack(np.ones((1, 2), np.float32)),
    }
    return view


def dual_umap(texts):
    names = told([*texts, *(f"{i} · common" for i in range(40))])
    a, b = np.random.default_rng(0).normal(size=(2, len(names), 16)).astype(np.float32)
    b[: len(texts)] = a[: len(texts)]
    sides = [vv.Dictionary(rows, names, "resid_post.1", texts[i]) for i, rows in ((0, a), (-1, b))]
    pair = vv.dual_layout(*sides, cache=False, n_epochs=2)
    return vv.DualUMAP(pair, query=texts[0], values_name=texts[-1])


def feature_activations(texts):
    n = len(texts)
    values = np.eye(n)
    view = vv.FeatureActivations.from_values([list(texts)], values, list(texts))
    view.query = texts[0]
    return view


def jobs(texts):
    model = FakeModel()
    model.name = texts[0]
    for name in texts:
        model.submit(lambda: None, name=name)
    model.submit(lambda: None, name="last").result(10)
    view = vv.Jobs(model)
    model.worker.stop()
    return view


MAKERS = {
    "FeatureActivations": feature_activations,
    "Steering": steering,
    "DoseResponse": dose_response,
    "CircularManifold": lambda texts: vv.CircularManifold(circle(texts)),
    "EmotionCircle": emotion_circle,
    "DualUMAP": dual_umap,
    "Jobs": jobs,
}
