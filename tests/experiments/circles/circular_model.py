"""A model of a few lines that holds a circle, and what it is asked for."""

from __future__ import annotations

import re

import numpy as np
from experiments.fake_model import tokens_of

from volvelle.compute.directions.points import Point
from volvelle.experiments.circles.stimuli import russell, unseen_words
from volvelle.models.verbs.observe import observe

D_MODEL = 48


class Circular:
    """A model that holds words on a circle from block 2 on, and says those it is pushed to."""

    name, remote, n_layers, d_model = "circular", False, 4, D_MODEL
    context, pad_id = 64, 0

    def __init__(self, seed=0):
        rng = np.random.default_rng(seed)
        self.plane = np.linalg.qr(rng.standard_normal((D_MODEL, 2)))[0].T
        self.noise = rng.standard_normal((5000, D_MODEL))
        self.angles = {**russell(), **unseen_words()}
        self.captured = 0

    def call(self, work):
        return work()

    def report(self, progress, fraction, text=""):
        if progress is not None:
            progress(fraction, text)

    def norm(self, point):
        return 2.0

    def token_id(self, token):
        words = list(self.angles)
        if token.strip() not in words or token == " astonished":
            raise ValueError(f"{token!r} is not a token")
        return words.index(token.strip())

    def tokens(self, text):
        return tokens_of(text)

    def observe(self, texts, asked, *, progress=None):
        tokens = [tokens_of(text) for text in texts]
        found = observe(
            self,
            lambda texts, points, how, **_: self.capture(texts, points, how),
            tokens,
            {Point.parse(point): readouts for point, readouts in asked.items()},
            progress=progress,
        )
        return {point: found[Point.parse(point)] for point in asked}

    def capture(self, texts, points, positions="all"):
        texts = [getattr(text, "text", text) for text in texts]
        self.captured += len(texts)
        found = {}
        for point in points:
            layer = -1 if str(point) == "embed" else int(str(point).rpartition(".")[2])
            rows = []
            for text in texts:
                state = 0.3 * self.noise[sum(map(ord, text)) % 5000]
                for word in re.findall(r"[a-z]+", text) if layer >= 2 else ():
                    if word in self.angles:
                        turn = np.radians(self.angles[word])
                        state = state + 3 * np.array([np.cos(turn), np.sin(turn)]) @ self.plane
                rows.append(state)
            found[str(point)] = np.array(rows, dtype=np.float32)
        return Spelled(found)

    def next_token(self, prompts, steers=(), tokens=None, *, progress=None):
        turns = np.radians(list(self.angles.values()))
        said = np.stack([np.cos(turns), np.sin(turns)], 1)
        rows = []
        for row in steers:
            push = sum(
                (s.strength * self.norm(None) * s.direction.unit for s in row), np.zeros(D_MODEL)
            )
            rows.append(-5 + said @ (self.plane @ push))
        return np.array(rows, dtype=np.float32)[:, tokens]


class Spelled(dict):
    """A capture by the points' names, in which no norm is outlying."""

    def __init__(self, found):
        super().__init__(found)
        self.mask = np.ones((len(next(iter(found.values()))), 3), dtype=bool)
        self.outliers_at = {Point.parse(point): ~self.mask for point in found}

    def __getitem__(self, point):
        return super().__getitem__(str(point))
