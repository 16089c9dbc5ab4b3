"""Circles without a model: six names, an embedding and two layers."""

from __future__ import annotations

import numpy as np

from volvelle.compute.circles.layers import score_layers
from volvelle.experiments.circles.fit_circle import Settings, circle_at
from volvelle.experiments.circles.vectors import ClassVectors

NAMES = ("glad", "excited", "tense", "sad", "tired", "calm")
DEGREES = (350.0, 45.0, 95.0, 200.0, 265.0, 320.0)
N_TEXTS = 4
WIDTH = 12


def class_vectors(seed=0):
    draw = np.random.default_rng(seed)
    turn = np.radians(DEGREES)
    plane = np.linalg.qr(draw.standard_normal((WIDTH, 2)))[0].T
    ring = 10 * np.stack([np.cos(turn), np.sin(turn)], axis=1) @ plane
    owner = np.repeat(np.arange(len(NAMES)), N_TEXTS)
    means, grams = [], []
    for clean in (0.0, 0.3, 1.0):  # the embedding, layer 0, layer 1
        rows = clean * ring[owner] + 3 * draw.standard_normal((len(owner), WIDTH))
        means.append([rows[owner == c].mean(axis=0) for c in range(len(NAMES))])
        centred = rows - rows.mean(axis=0)
        grams.append(centred @ centred.T)
    points = ("embed", "resid_post.0", "resid_post.1")
    means, grams = np.array(means, np.float32), np.array(grams, np.float32)
    return ClassVectors(points, NAMES, means, grams, owner, False, "fake, sentences")


def circle(layer=1):
    """A circle that holds its layers."""
    vectors = class_vectors()
    angles = np.radians(DEGREES)
    layers = score_layers(vectors.points, vectors.means, angles, n_null=100)
    reference = dict(zip(NAMES, DEGREES, strict=True))
    settings = Settings(reference, "pca", layers, {"n_null": 100, "seed": 0})
    return circle_at(vectors, f"resid_post.{layer}", settings)
