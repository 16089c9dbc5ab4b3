"""How well a circle holds outside of what it was fitted to: classes and samples left out.

Everything here starts from Gram matrices of the vectors. Leave-one-class-out predictions of the
supervised fit are linear in the reference, so that one pass over the classes serves every
shuffle of the labels.
"""

from __future__ import annotations

import numpy as np

from volvelle.compute.circular import circular_correlation
from volvelle.compute.planes import N_COMPONENTS, RIDGE, rotation_to, unit_circle


def gram(vectors: np.ndarray) -> np.ndarray:
    """Return the centred Gram matrix (..., n, n) of rows (..., n, d_model), float64."""
    x = np.asarray(vectors, dtype=np.float64)
    x = x - x.mean(axis=-2, keepdims=True)
    return x @ np.swapaxes(x, -1, -2)


def gram_scores(grams: np.ndarray, k: int = 2) -> np.ndarray:
    """Return the first k principal component scores (..., n, k) of a centred Gram matrix."""
    values, vectors = np.linalg.eigh(grams)
    top = np.sqrt(np.clip(values[..., ::-1][..., :k], 0, None))
    return vectors[..., ::-1][..., :k] * top[..., None, :]


def _folds(grams: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Refit mean and components without each row in turn.

    Returns
    -------
    scores : array, shape (..., n, n - 1, k)
        Of the rows kept, per row left out.
    left : array, shape (..., n, k)
        Of the row left out, in the components of the others.
    others : array, shape (n, n - 1)
        Which rows were kept.
    """
    n = grams.shape[-1]
    others = np.array([[j for j in range(n) if j != i] for i in range(n)])
    kept = grams[..., others[:, :, None], others[:, None, :]]
    cross = grams[..., np.arange(n)[:, None], others]
    rows = kept.mean(axis=-1)
    overall = rows.mean(axis=-1)[..., None]
    kept = kept - rows[..., None, :] - rows[..., :, None] + overall[..., None]
    cross = cross - rows - cross.mean(axis=-1, keepdims=True) + overall
    values, vectors = np.linalg.eigh(kept)
    s = np.sqrt(np.clip(values[..., ::-1][..., :k], 0, None))
    u = vectors[..., ::-1][..., :k]
    left = np.einsum("...j,...jk->...k", cross, u) / np.where(s > 0, s, np.inf)
    return u * s[..., None, :], left, others


def ridge_weights(
    grams: np.ndarray, n_components: int = N_COMPONENTS, ridge: float = RIDGE
) -> np.ndarray:
    """Return the weights W (..., n, n) with ``W @ targets`` the leave-one-out predictions.

    Row i refits mean, components and ridge without row i (its diagonal is zero). The mean of
    the targets is not added back: it would be the mean of the others, which knows the answer.
    """
    n = grams.shape[-1]
    k = min(n_components, n - 3)
    scores, left, others = _folds(grams, k)
    scale = scores[..., 0].std(axis=-1)[..., None]
    scale = np.where(scale > 0, scale, 1.0)
    lengths = (scores**2).sum(axis=-2) / scale**2
    weights = np.einsum(
        "...ik,...ijk->...ij", left / scale / (lengths + ridge), scores / scale[..., None]
    )
    weights = weights - weights.mean(axis=-1, keepdims=True)
    full = np.zeros(grams.shape)
    full[..., np.arange(n)[:, None], others] = weights
    return full


def leave_one_out(
    vectors: np.ndarray,
    reference: np.ndarray,
    method: str = "pca",
    n_components: int = N_COMPONENTS,
    ridge: float = RIDGE,
) -> np.ndarray:
    """Place every class in a plane fitted, and turned, without it.

    Parameters
    ----------
    vectors : array, shape (n, d_model)
    reference : array, shape (n,)
        Radians, no NaN.
    method : str
        ``"pca"`` refits the plane of components and its orientation, ``"ridge"`` predicts
        cos and sin.

    Returns
    -------
    array, shape (n, 2)
        Coordinates towards 0 and 90 degrees.
    """
    targets = unit_circle(reference)
    if method == "ridge":
        return ridge_weights(gram(vectors), n_components, ridge) @ targets
    scores, left, others = _folds(gram(vectors), 2)
    turned = rotation_to(scores, targets[others])
    return np.einsum("ik,ikl->il", left, turned)


def left_out_correlation(predicted: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Score predictions (..., n, 2) against reference (..., n): signed, no free reflection."""
    angles = np.arctan2(predicted[..., 1], predicted[..., 0])
    return circular_correlation(angles, reference)


def split_half(
    samples: np.ndarray, n_splits: int = 100, seed: int = 0, *, paired: bool = True
) -> float:
    """Return how alike class vectors from one half of the samples are to those of the other.

    Parameters
    ----------
    samples : array, shape (n_classes, n_samples, d_model) or Gram, see `sample_gram`
        At least two samples per class.
    n_splits : int
        Random halves, averaged.
    paired : bool
        Whether sample j is the same sentence for every class (templates): halves are then
        halves of the sentences.

    Returns
    -------
    float
        Mean cosine of the class vectors (grand mean out) of both halves, in [-1, 1].
    """
    inner = samples if samples.ndim == 4 else sample_gram(samples)
    n, m = inner.shape[:2]
    rng = np.random.default_rng(seed)
    cosines = []
    for _ in range(n_splits):
        chosen = np.zeros((n, m))
        order = rng.permuted(np.tile(np.arange(m), (n, 1)), axis=1)
        order = np.tile(order[:1], (n, 1)) if paired else order
        np.put_along_axis(chosen, order[:, : m // 2], 1.0, axis=1)
        first, second = chosen / chosen.sum(1, keepdims=True), 1 - chosen
        second /= second.sum(1, keepdims=True)
        across = _means_gram(inner, first, second)
        own = np.diag(_means_gram(inner, first, first)) * np.diag(
            _means_gram(inner, second, second)
        )
        cosines.append((np.diag(across) / np.sqrt(np.clip(own, 1e-300, None))).mean())
    return float(np.mean(cosines))


def sample_gram(samples: np.ndarray) -> np.ndarray:
    """Return inner products (n, m, n, m) of samples (n, m, d_model), their mean removed."""
    x = np.asarray(samples, dtype=np.float64)
    x = (x - x.mean(axis=(0, 1))).reshape(-1, x.shape[-1])
    n, m = samples.shape[:2]
    return (x @ x.T).reshape(n, m, n, m)


def _means_gram(inner: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the centred Gram (n, n) of class means under sample weights a and b (n, m)."""
    g = np.einsum("im,imjk,jk->ij", a, inner, b, optimize=True)
    return g - g.mean(0, keepdims=True) - g.mean(1, keepdims=True) + g.mean()


def bootstrap_angles(
    inner: np.ndarray,
    coordinates: np.ndarray,
    n_boot: int = 200,
    seed: int = 0,
    *,
    paired: bool = True,
) -> np.ndarray:
    """Draw the angle of every class again, from samples drawn with replacement.

    Each draw refits the plane of components and turns it onto the plane that was fitted.

    Parameters
    ----------
    inner : array, shape (n, m, n, m)
        From `sample_gram`.
    coordinates : array, shape (n, 2)
        Of the classes in the fitted plane.
    paired : bool
        Whether sample j is the same sentence for every class; sentences are then drawn, not
        samples, since what they share cancels.

    Returns
    -------
    array, shape (n_boot, n)
        Radians.
    """
    n, m = inner.shape[:2]
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(m, np.full(m, 1 / m), size=(n_boot, 1 if paired else n)) / m
    drawn = np.broadcast_to(drawn, (n_boot, n, m))
    grams = np.stack([_means_gram(inner, w, w) for w in drawn])
    scores = gram_scores(grams)
    turned = scores @ rotation_to(scores, np.broadcast_to(coordinates, scores.shape))
    return np.arctan2(turned[..., 1], turned[..., 0])


def spread_of(angles: np.ndarray, draws: np.ndarray) -> np.ndarray:
    """Return degrees below and above each angle that hold 95 % of the draws.

    Parameters
    ----------
    angles : array, shape (n,)
        Degrees.
    draws : array, shape (n_boot, n)
        Radians.

    Returns
    -------
    array, shape (n, 2)
        Non-negative for an angle inside its interval.
    """
    off = (np.degrees(draws) - angles + 180) % 360 - 180
    low, high = np.quantile(off, [0.025, 0.975], axis=0)
    return np.stack([-low, high], axis=1)
