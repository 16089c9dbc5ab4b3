"""Names in order along shapes that close and shapes that do not, with noise."""

import numpy as np

from volvelle.compute.directions.directions import Dictionary

WIDTH = 64
SIGNAL = 2.0  # length of a name's place over the length of its noise


def arc(n, degrees):
    turn = np.radians(np.linspace(0, degrees, n))
    return np.stack([np.cos(turn), np.sin(turn)], axis=1)


def plain(shape, n):
    """Places of n names without noise."""
    i, t = np.arange(n), np.linspace(-1, 1, n)
    return {
        "circle": lambda: arc(n + 1, 360)[:-1],
        "arch": lambda: np.stack([t, t**2], axis=1),
        "horseshoe": lambda: arc(n, 200),
        "270-degree arc": lambda: arc(n, 270),
        "four blobs": lambda: np.eye(4)[i * 4 // n],
        "four blobs in a plane": lambda: arc(5, 360)[i * 4 // n],
        "noise": lambda: np.zeros((n, 1)),
    }[shape]()


def rows_of(shape, n, seed, signal=SIGNAL):
    """Vectors (n, 64) of a shape in a random subspace, noise of 1 / signal of its size added."""
    rng = np.random.default_rng([seed, n])
    if shape == "random walk":
        return rng.standard_normal((n, WIDTH)).cumsum(axis=0)
    places = plain(shape, n)
    places = places - places.mean(axis=0)
    size = np.sqrt((places**2).sum(axis=1).mean()) or 1.0
    axes = np.linalg.qr(rng.standard_normal((WIDTH, places.shape[1])))[0].T
    noise = rng.standard_normal((n, WIDTH)) / (signal * np.sqrt(WIDTH))
    return places / size @ axes + noise


def named(rows, point="resid_post.3"):
    """Return a dictionary of rows and the even reference of its names, degrees."""
    names = [f"name {i}" for i in range(len(rows))]
    reference = {name: 360 * i / len(names) for i, name in enumerate(names)}
    return Dictionary(rows, names, point, "made up"), reference
