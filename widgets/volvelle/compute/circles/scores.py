"""How well a circle holds outside of what it was fitted to: classes and samples left out.

Everything here starts from Gram matrices of the vectors. Leave-one-class-out predictions of the
supervised fit are linear in the reference, so that one pass over the classes serves every
shuffle of the labels.
"""

from __future__ import annotations

import numpy as np

from volvelle.compute.circles.angles import circular_correlation
from volvelle.compute.circles.planes import (
    N_COMPONENTS,
    RIDGE,
    principal_components,
    rotation_to,
    unit_circle,
)
from volvelle.progress import looking

# Cells of the Gram matrices that are refitted between two looks at Stop.
CELLS = 2**19


def gram(vectors: np.ndarray) -> np.ndarray:
    """Return the centred Gram matrix (..., n, n) of rows (..., n, d_model), float64."""
    x = np.asarray(vectors, dtype=np.float64)
    x = x - x.mean(axis=-2, keepdims=True)
    return x @ np.swapaxes(x, -1, -2)


def unpacked_gram(packed: np.ndarray, n: int, n_classes: int, *, paired: bool) -> np.ndarray:
    """Return the Gram matrix (n, n) that `formulas.reductions.packed_gram` packed.

    Of paired rows the two products that only count together are both their mean:
    `split_half` and `bootstrap_angles` find the same in it as in the matrix that was packed.
    """
    inner = np.empty((n, n), packed.dtype)
    if not paired:
        first, second = np.triu_indices(n)
        inner[first, second] = inner[second, first] = packed
        return inner
    m = n // n_classes
    blocks = inner.reshape(n_classes, m, n_classes, m)
    c, e = (part[:, None] for part in np.triu_indices(n_classes))
    j, k = np.triu_indices(m)
    values = packed.reshape(len(c), len(j))
    for one, other in ((j, k), (k, j)):
        blocks[c, one, e, other] = blocks[e, other, c, one] = values
    return inner


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
    step = max(1, CELLS // max(grams.size, 1))
    parts = [
        _folds_of(grams, others, np.arange(start, min(start + step, n)), k)
        for start in looking(range(0, n, step), 1)
    ]
    scores, left = zip(*parts, strict=True)
    return np.concatenate(scores, axis=-3), np.concatenate(left, axis=-2), others


def _folds_of(
    grams: np.ndarray, others: np.ndarray, left_out: np.ndarray, k: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return scores and left of `_folds` for some of the rows left out."""
    others = others[left_out]
    kept = grams[..., others[:, :, None], others[:, None, :]]
    cross = grams[..., left_out[:, None], others]
    rows = kept.mean(axis=-1)
    overall = rows.mean(axis=-1)[..., None]
    kept = kept - rows[..., None, :] - rows[..., :, None] + overall[..., None]
    cross = cross - rows - cross.mean(axis=-1, keepdims=True) + overall
    values, vectors = np.linalg.eigh(kept)
    s = np.sqrt(np.clip(values[..., ::-1][..., :k], 0, None))
    u = vectors[..., ::-1][..., :k]
    left = np.einsum("...j,...jk->...k", cross, u) / np.where(s > 0, s, np.inf)
    return u * s[..., None, :], left


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


def predict_others(
    vectors: np.ndarray, reference: np.ndarray, kept: np.ndarray, method: str = "pca"
) -> np.ndarray:
    """Place the other classes by a plane fitted, and turned, on some of them.

    Parameters
    ----------
    vectors : array, shape (n, d_model)
    reference : array, shape (..., n)
        Radians; leading axes are shuffles, which cost next to nothing.
    kept : int array
        The rows fitted; all others are placed, in their order.
    method : str
        ``"pca"`` or ``"ridge"``.

    Returns
    -------
    array, shape (..., n - n_kept, 2)
    """
    parts = principal_components(vectors[kept])
    k = 2 if method == "pca" else min(N_COMPONENTS, len(kept) - 2)
    held = np.setdiff1d(np.arange(len(vectors)), kept)
    scores, left = parts.scores[:, :k], (vectors[held] - parts.mean) @ parts.rows[:k].T
    targets = unit_circle(reference)[..., kept, :]
    if method == "pca":
        return left @ rotation_to(np.broadcast_to(scores, (*targets.shape[:-1], 2)), targets)
    scale = parts.scores[:, 0].std()
    z: np.ndarray = scores / scale
    solve = np.linalg.solve(z.T @ z + RIDGE * np.eye(k), z.T)
    return left / scale @ solve @ (targets - targets.mean(axis=-2, keepdims=True))


def left_out_correlation(predicted: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Score predictions (..., n, 2) against reference (..., n): signed, blind to rotation."""
    angles = np.arctan2(predicted[..., 1], predicted[..., 0])
    return circular_correlation(angles, reference)


def left_out_cosine(predicted: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Score predictions (..., n, 2) against reference (..., n): 1 in place, -1 opposite.

    The mean cosine of predicted angle minus reference. A correlation of angles is blind to a
    rotation of all predictions: a plane that is 180 degrees off everywhere had 1 by it.
    """
    angles = np.arctan2(predicted[..., 1], predicted[..., 0])
    return np.cos(angles - reference).mean(axis=-1)


def _class_weights(owner: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return (..., n_classes, N): how much each sample counts in its class, rows summing to 1."""
    n = int(owner.max()) + 1
    weights = (owner == np.arange(n)[:, None]) * counts[..., None, :]
    return weights / weights.sum(axis=-1, keepdims=True)


def _means_gram(inner: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the centred Gram (..., n, n) of class means under weights a and b (..., n, N)."""
    g = (a.reshape(-1, len(inner)) @ inner).reshape(a.shape) @ np.swapaxes(b, -1, -2)
    g = g - g.mean(-2, keepdims=True)
    return g - g.mean(-1, keepdims=True)


def split_half(
    inner: np.ndarray, owner: np.ndarray, n_splits: int = 100, seed: int = 0, *, paired: bool = True
) -> float:
    """Return how alike class vectors from one half of the samples are to those of the other.

    Parameters
    ----------
    inner : array, shape (N, N)
        From `gram` of the samples.
    owner : int array, shape (N,)
        Class of each sample, from 0; at least two samples per class.
    n_splits : int
        Random halves, averaged.
    paired : bool
        Whether sample j of every class is the same sentence (templates): halves are then
        halves of the sentences.

    Returns
    -------
    float
        Mean cosine of the class vectors (grand mean out) of both halves, in [-1, 1].
    """
    rng = np.random.default_rng(seed)
    place = _place_in_class(owner)
    sizes = np.bincount(owner)
    cosines: list[float] = []
    for _ in looking(range(n_splits), 1):
        orders = [rng.permutation(size) for size in sizes]
        if paired:
            orders = [orders[0]] * len(sizes)
        first = np.array(
            [orders[c][j] < sizes[c] // 2 for c, j in zip(owner, place, strict=True)], dtype=float
        )
        one, other = _class_weights(owner, first), _class_weights(owner, 1 - first)
        across = np.diag(_means_gram(inner, one, other))
        own = np.diag(_means_gram(inner, one, one)) * np.diag(_means_gram(inner, other, other))
        cosines.append((across / np.sqrt(np.clip(own, 1e-300, None))).mean())
    return float(np.mean(cosines))


def _place_in_class(owner: np.ndarray) -> np.ndarray:
    """Return which sample of its class each sample is, from 0."""
    place = np.zeros(len(owner), dtype=int)
    for c in np.unique(owner):
        place[owner == c] = np.arange((owner == c).sum())
    return place


def bootstrap_angles(
    inner: np.ndarray,
    owner: np.ndarray,
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
    inner : array, shape (N, N)
        From `gram` of the samples.
    owner : int array, shape (N,)
        Class of each sample, from 0.
    coordinates : array, shape (n_classes, 2)
        Of the classes in the fitted plane.
    n_boot : int
        Draws.
    seed : int
        Of the draws.
    paired : bool
        Whether sample j of every class is the same sentence; sentences are then drawn, not
        samples, since what they share cancels.

    Returns
    -------
    array, shape (n_boot, n_classes)
        Radians.
    """
    rng = np.random.default_rng(seed)
    place = _place_in_class(owner)
    sizes = np.bincount(owner)
    counts = np.zeros((n_boot, len(owner)))
    if paired:
        m = int(sizes[0])
        counts = rng.multinomial(m, np.full(m, 1 / m), size=n_boot)[:, place].astype(float)
    else:
        for c, m in enumerate(sizes):
            counts[:, owner == c] = rng.multinomial(m, np.full(m, 1 / m), size=n_boot)
    weights = _class_weights(owner, counts)
    scores = gram_scores(_means_gram(inner, weights, weights))
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
