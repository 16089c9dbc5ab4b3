"""A model of a few lines, for what experiments do around one."""

import numpy as np

from volvelle.compute.directions.points import Point
from volvelle.models.engine.tokens import Tokens
from volvelle.models.verbs.capture import Capture, find_outliers
from volvelle.models.verbs.observe import observe
from volvelle.models.work.worker import Worker


def tokens_of(text):
    """One token per word, its space before it."""
    words = text.split(" ") if text else []
    strings = tuple(word if i == 0 else f" {word}" for i, word in enumerate(words))
    stops = np.cumsum([len(s) for s in strings], dtype=np.int64)
    starts = stops - np.array([len(s) for s in strings], dtype=np.int64)
    ids = np.array([sum(map(ord, word)) % 1009 for word in words], dtype=np.int64)
    return Tokens(
        ids=ids,
        strings=strings,
        offsets=np.stack([starts, stops], axis=1) if words else np.zeros((0, 2), np.int64),
        special=np.zeros(len(words), bool),
        glyph=np.arange(len(words)),
        text=text,
    )


class FakeModel:
    """States are a fixed random vector per word, plus what the word before adds.

    Position 0 of whatever it is given is enormous, as in real models.
    """

    name, remote, pad_id = "fake", False, 0

    def __init__(self, d_model=24, context=16, seed=0):
        self.d_model, self.context = d_model, context
        self._words = np.random.default_rng(seed).normal(size=(1009, d_model)).astype(np.float32)
        self._worker = Worker("fake")
        self.seen = []

    @property
    def job(self):
        return self._worker.job

    def call(self, work):
        return self._worker.call(work)

    def report(self, progress, fraction, text=""):
        if self.job is not None:
            self.job.check()
        if progress is not None:
            progress(fraction, text)

    def tokens(self, text):
        return tokens_of(text)

    def observe(self, texts, asked, **how):
        tokens = [self.tokens(t) if isinstance(t, str) else t for t in texts]
        places = {Point.parse(point): readouts for point, readouts in asked.items()}
        found = self.call(lambda: observe(self, self.capture, tokens, places, **how))
        return {point: found[Point.parse(point)] for point in asked}

    def capture(self, texts, points, positions="all", *, reuse=False, progress=None):
        pieces = [self.tokens(t) if isinstance(t, str) else t for t in texts]
        self.seen.append([len(p) for p in pieces])
        assert max(map(len, pieces)) <= self.context
        width = max(map(len, pieces))
        states = np.zeros((len(pieces), width, self.d_model), np.float32)
        mask = np.zeros((len(pieces), width), bool)
        for row, piece in enumerate(pieces):
            x = self._words[piece.ids]
            x = x + 0.1 * np.concatenate([x[:1] * 0, x[:-1]])
            x[:1] *= 200
            states[row, : len(x)] = x
            mask[row, : len(x)] = True
            self.report(progress, (row + 1) / len(pieces))
        found = find_outliers(np.linalg.norm(states, axis=2), mask)
        point = Point.parse(points[0])
        return Capture({point: states}, mask, found, tuple(pieces), positions, {point: found})
