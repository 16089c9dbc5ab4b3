"""The layout is umap-learn's, from a start of our own, and can be watched and stopped."""

import numpy as np
import pytest

from volvelle.compute.maps.epochs import CURVE, Epochs
from volvelle.compute.maps.neighbours import Neighbours, nearest, unit_rows
from volvelle.compute.maps.procrustes import procrustes
from volvelle.compute.maps.scores import faithfulness
from volvelle.compute.maps.umap import Frame, fuzzy_graph, principal_axes, umap_layout

pytestmark = pytest.mark.filterwarnings("ignore:Tensorflow not installed:ImportWarning")


def rings(n=400, d=24, seed=0):
    random = np.random.default_rng(seed)
    centres = 3 * random.standard_normal((8, d))
    return unit_rows(centres[random.integers(8, size=n)] + random.standard_normal((n, d)))


@pytest.fixture(scope="module")
def found():
    x = rings()
    return x, nearest(x, None, 14), principal_axes(x)


def test_principal_axes_are_those_of_the_full_decomposition():
    x = rings()
    centred = x - x.mean(0)
    u, s, _ = np.linalg.svd(centred, full_matrices=False)
    exact = (u * s)[:, :2]
    np.testing.assert_allclose(np.abs(principal_axes(x)), np.abs(exact), atol=1e-4)


def test_large_tables_take_the_path_without_covariance_to_the_same_axes(monkeypatch):
    x = rings()
    whole = principal_axes(x)
    monkeypatch.setattr("volvelle.compute.maps.umap.COVARIANCE_UP_TO", 0)
    np.testing.assert_allclose(principal_axes(x), whole, atol=1e-3)


@pytest.mark.parametrize("shape", [(40, 300), (3, 50), (60, 61)])
def test_fewer_rows_than_columns_take_the_path_of_the_rows_to_the_same_axes(shape):
    x = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    x[:, :2] *= [9, 5]
    u, s, _ = np.linalg.svd(x - x.mean(0), full_matrices=False)
    np.testing.assert_allclose(np.abs(principal_axes(x)), np.abs(u * s)[:, :2], atol=1e-4)


def test_the_sign_of_an_axis_is_fixed_by_its_largest_entry():
    x = rings()
    for axes in (principal_axes(x), principal_axes(-x)):
        assert (axes[np.abs(axes).argmax(0), [0, 1]] > 0).all()


@pytest.mark.parametrize("shape", [(0, 4), (1, 4), (2, 4), (3, 1), (15, 2)])
def test_few_rows_or_columns_give_axes_of_the_right_shape(shape):
    axes = principal_axes(np.random.default_rng(0).standard_normal(shape).astype(np.float32))
    assert axes.shape == (shape[0], 2)
    assert np.isfinite(axes).all()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.slow  # numba compiles
@pytest.mark.parametrize("copies", [1, 3])
def test_the_graph_is_that_of_umap_learn(copies):
    from umap.umap_ import fuzzy_simplicial_set

    x = np.repeat(rings(300), copies, axis=0)
    near = nearest(x, None, 14)
    indices = np.hstack([np.arange(len(x))[:, None], near.indices])
    distances = np.maximum(1 - near.cosines, 0)
    distances[distances < 1e-6] = 0
    distances = np.hstack([np.zeros((len(x), 1), np.float32), distances])
    theirs = fuzzy_simplicial_set(
        x, 15, np.random.RandomState(0), "cosine", knn_indices=indices, knn_dists=distances
    )[0]
    assert abs(fuzzy_graph(near).tocsr() - theirs).max() < 1e-4


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("n", "n_edges", "n_epochs"), [(30, 60, 3), (400, 4000, 2)])
def test_epochs_are_those_of_umap_learn_to_rounding(n, n_edges, n_epochs):
    from umap.layouts import optimize_layout_euclidean

    random = np.random.default_rng(0)
    head, tail = random.integers(n, size=(2, n_edges), dtype=np.int32)
    head, tail = head[head != tail], tail[head != tail]
    weights = random.random(len(head)) + 0.1
    state = np.array([-1_234_567, 89_101_112, 1_314_151_617])
    ours = 10 * random.random((n, 2), np.float32)
    theirs = ours.copy()
    epochs = Epochs(ours, head, tail, weights, n_epochs, state)
    for epoch in range(n_epochs):
        epochs.run(epoch)
    arguments = (n_epochs, n, weights.max() / weights, *CURVE, state)
    optimize_layout_euclidean(theirs, theirs, head, tail, *arguments, move_other=True)
    assert np.median(np.abs(ours - theirs)) < 1e-5
    np.testing.assert_allclose(ours, theirs, atol=0.05)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.slow  # numba compiles
def test_a_layout_is_as_good_as_umap_learns(found):
    import umap

    x, near, start = found
    theirs = umap.UMAP(metric="cosine", random_state=0, n_jobs=1).fit_transform(x)
    ours = faithfulness(x, umap_layout(near, start, n_epochs=500))
    other = faithfulness(x, theirs)
    assert ours.trustworthiness > other.trustworthiness - 0.005
    assert ours.recall > other.recall - 0.02


def test_other_threads_go_on_during_an_epoch(found):
    import threading

    # edges enough for one epoch to take a while; the interpreter's lock must be free in it
    random = np.random.default_rng(0)
    n, edges = 20_000, 2_000_000
    head, tail = random.integers(n, size=(2, edges), dtype=np.int32)
    epochs = Epochs(random.random((n, 2), np.float32), head, tail, np.ones(edges), 5, np.arange(3))
    epochs.run(0)
    ticks = []
    over = threading.Event()
    runner = threading.Thread(target=lambda: (epochs.run(1), over.set()))
    runner.start()
    while not over.wait(0.002):
        ticks.append(1)
    assert len(ticks) > 5


def test_frames_come_as_the_layout_goes_and_the_last_is_the_result(found):
    _, near, start = found
    frames: list[Frame] = []
    xy = umap_layout(near, start, n_epochs=20, every=5, on_frame=frames.append)
    assert [f.epoch for f in frames] == [5, 10, 15, 20]
    assert (frames[-1].xy == xy).all()
    assert not (frames[0].xy == frames[1].xy).all()


def test_stop_keeps_what_is_there(found):
    _, near, start = found
    frames = []

    def until_ten(frame):
        frames.append(frame)
        return frame.epoch == 10

    xy = umap_layout(near, start, n_epochs=100, every=5, on_frame=until_ten)
    assert frames[-1].epoch == 10
    assert (xy == frames[-1].xy).all()


def test_an_error_in_a_frame_comes_through(found):
    def broken(_):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        umap_layout(found[1], found[2], on_frame=broken)


def test_one_seed_gives_one_picture_and_another_seed_another(found):
    _, near, start = found
    first, again, other = (umap_layout(near, start, n_epochs=30, seed=s) for s in (0, 0, 1))
    assert (first == again).all()
    assert not (first == other).all()


def test_the_layout_keeps_neighbourhoods_that_principal_axes_lose(found):
    x, near, start = found
    xy = umap_layout(near, start)
    assert faithfulness(x, xy).trustworthiness > faithfulness(x, start).trustworthiness
    assert faithfulness(x, xy).recall > 0.3


@pytest.mark.parametrize("n", [1, 2, 3, 15])
def test_few_points_are_laid_out(n):
    x = rings(n, 6)
    xy = umap_layout(nearest(x, None, 14), principal_axes(x))
    assert xy.shape == (n, 2)
    assert np.isfinite(xy).all()


def test_all_copies_of_one_point_are_laid_out():
    x = np.repeat(rings(1, 6), 40, axis=0)
    assert np.isfinite(umap_layout(nearest(x, None, 14), principal_axes(x))).all()


def test_a_graph_without_edges_keeps_its_start():
    none = Neighbours(np.zeros((1, 0), np.int32), np.zeros((1, 0), np.float32), "exact")
    assert umap_layout(none, np.zeros((1, 2), np.float32)).shape == (1, 2)


def test_procrustes_undoes_a_turn_a_mirror_a_scale_and_a_shift():
    random = np.random.default_rng(0)
    target = random.standard_normal((30, 2))
    turn = np.array([[0.6, 0.8], [0.8, -0.6]])
    source = 3 * target @ turn + [4, -2]
    move = procrustes(source, target)
    np.testing.assert_allclose(move(source), target, atol=1e-5)
    assert move.disparity < 1e-9


def test_procrustes_of_one_anchor_or_equal_anchors_only_shifts():
    move = procrustes(np.zeros((3, 2)), np.ones((3, 2)))
    np.testing.assert_allclose(move(np.zeros((3, 2))), 1)
