"""DualUMAP in Python: what it sends, what can be set, what it refuses."""

import threading
import time

import numpy as np
import pytest
from traitlets import TraitError

from volvelle.experiments.maps.dual_layout import dual_layout
from volvelle.models.work.worker import Worker
from volvelle.views.kit.arrays import pack
from volvelle.views.kit.selections import pack_selection, unpack_selection
from volvelle.views.maps import dual_umap
from volvelle.views.maps import wire as map_wire
from volvelle.views.maps.dual_umap import DualUMAP

N = 80


def planted(seed=0, n=N, d=24, n_shared=40):
    random = np.random.default_rng(seed)
    a, b = random.standard_normal((2, n, d)).astype(np.float32)
    b[:n_shared] = a[:n_shared]
    return a, b


@pytest.fixture(scope="module")
def pair():
    return dual_layout(*planted(), cache=False, n_epochs=20)


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("VOLVELLE_CACHE", str(tmp_path))


@pytest.fixture
def view(pair):
    made = DualUMAP(pair)
    yield made
    made.close()


def test_a_finished_layout_is_shown_at_once(view, pair):
    assert view.status == "idle"
    assert view.pair is pair
    assert view._xy_a.shape == (N, 2)
    assert view._facts["n_matched"] == pair.n_matched
    assert view._facts["n_expected"] == pair.n_expected
    assert view._facts["twins"] == pair.mixing.twins
    assert view._facts["n_of_one_family"] == pair.n_of_one_family
    assert len(view._pairs) == pair.n_matched
    assert view.matches.equals(pair.matches)
    assert "DualUMAP: a and b" in repr(view)


def test_of_a_very_large_map_some_points_come_first_and_all_soon_after(pair, monkeypatch):
    monkeypatch.setattr(map_wire, "MOST_AT_ONCE", N)
    monkeypatch.setattr(map_wire, "FIRST_POINTS", N // 2)
    monkeypatch.setattr(map_wire, "REST_S", 0.5)
    made = DualUMAP(pair)
    every = 2 * pair.a.n // (N // 2)
    some = made._some_a.copy()
    assert (len(some), len(made._xy_a)) == (-(-N // every), 0)
    assert made._facts["n_matched"] == pair.n_matched
    until(lambda: made._rest is None)
    with made._lock:
        np.testing.assert_array_equal(made._xy_a[::every], some)
        assert (len(made._some_a), len(made._xy_a), len(made._pairs)) == (0, N, pair.n_matched)
    made.close()


def test_an_export_waits_for_no_timer(pair, monkeypatch):
    monkeypatch.setattr(map_wire, "MOST_AT_ONCE", N)
    monkeypatch.setattr(map_wire, "REST_S", 60.0)
    made = DualUMAP(pair)
    state = made.export_state()
    assert state["_xy_a"]["shape"] == [N, 2]
    assert state["_some_a"]["shape"] == [0, 2]
    made.close()


def test_places_take_four_bytes_a_point_and_keep_their_order(view, pair):
    assert view._xy_a.dtype == np.uint16
    both = np.vstack([pair.xy_a, pair.xy_b])
    sent = np.vstack([view._xy_a, view._xy_b]).astype(float)
    assert sent.max() <= map_wire.FULL
    span = (both.max(0) - both.min(0)).max()
    np.testing.assert_allclose(
        np.diff(sent[:, 0]) / map_wire.FULL, np.diff(both[:, 0]) / span, atol=1e-4
    )


def test_points_left_out_are_absent():
    xy = np.array([[0, 0], [np.nan, np.nan], [1, 2]], np.float32)
    a, b = map_wire.quantised(xy, np.zeros((0, 2), np.float32))
    assert (a[1] == map_wire.ABSENT).all()
    assert a[0].tolist() == [16384, 0] or a[0].tolist() == [16383, 0]
    assert a[2, 1] == map_wire.FULL
    assert len(b) == 0


def test_a_layout_runs_off_the_notebooks_thread_and_the_axes_come_first():
    names = []

    class Watched(DualUMAP):
        def _paint(self, picture):
            names.append((threading.current_thread().name, picture.epoch))
            return super()._paint(picture)

    view = Watched(*planted())
    view.wait(120)
    assert view.error == ""
    assert names[0][1] == 0
    assert all(name != threading.main_thread().name for name, _ in names)
    assert view.pair.n_epochs == 100
    assert view._drawn == ""


def test_the_first_picture_of_a_map_waits_for_no_other_map():
    with dual_umap._layout_turn:  # as while another is laid out
        view = DualUMAP(*planted())
        until(lambda: view._stage == "waiting for another map")
        assert (view.status, view._drawn, len(view._xy_a)) == ("running", "principal axes", N)
        gone = DualUMAP(*planted(seed=1))
        until(lambda: gone._stage == "waiting for another map")
        gone.stop()
        assert gone.wait(5).status == "idle"
        assert len(gone._xy_a) == N
    assert view.wait(120).error == ""
    assert view.pair.n_epochs == 100


def until(true, seconds=60):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_frames_wait_for_the_browser_and_the_newest_wins(monkeypatch):
    sent = []
    view = DualUMAP()
    monkeypatch.setattr(view, "send", lambda content, buffers: sent.append((content, buffers)))
    a, b = planted()

    def paint(picture):
        return view._paint(picture)

    dual_layout(a, b, cache=False, on_picture=paint)
    assert [content["label"] for content, _ in sent] == ["epoch 5 of 100"]
    assert sent[0][0]["kind"] == "frame"
    assert [len(buffer) for buffer in sent[0][1]] == [4 * N, 4 * N]
    view._seen = sent[0][0]["serial"]
    assert [content["label"] for content, _ in sent] == ["epoch 5 of 100", "epoch 100 of 100"]
    view._seen = sent[1][0]["serial"]
    assert len(sent) == 2


def test_stop_keeps_the_layout_that_is_there_and_finishes_its_numbers():
    class Impatient(DualUMAP):
        def _paint(self, picture):
            if picture.epoch == 15:
                self._drawn = picture.label
                self.stop()
            return super()._paint(picture)

    view = Impatient(*planted())
    view.wait(120)
    assert view.pair.n_epochs == 15
    assert view.status == "idle"
    assert view._facts["n_epochs"] == 15


def test_a_second_stop_drops_the_work_and_keeps_the_picture():
    class Impatient(DualUMAP):
        def _paint(self, picture):
            out = super()._paint(picture)
            if picture.epoch == 15:
                self._drawn = picture.label
                self.stop()
                self.stop()
            return out

    view = Impatient(*planted())
    view.wait(120)
    assert view.status == "idle"
    assert len(view._xy_a) == N
    with pytest.raises(ValueError, match="there is no layout"):
        _ = view.pair


def test_a_failure_is_shown_and_logged():
    view = DualUMAP(planted()[0], planted(d=16)[1])
    view.wait(60)
    assert view.status == "failed"
    assert "model and texts missing" in view.error


def test_an_unknown_argument_names_the_closest():
    with pytest.raises(TypeError, match="did you mean 'color_by'"):
        DualUMAP(colour_by="match")


def test_selections_are_sorted_and_each_once(view):
    view.selected_a = [5, 3, 3, 60]
    assert view.selected_a.tolist() == [3, 5, 60]
    view.selected_a = np.arange(N) % 2 == 0
    assert len(view.selected_a) == N // 2


@pytest.mark.parametrize("wrong", [[N], [-1], [0.5], ["x"]])
def test_what_is_no_feature_cannot_be_selected(view, wrong):
    with pytest.raises(TraitError, match="selected_a"):
        view.selected_a = wrong
    assert len(view.selected_a) == 0


def test_features_picked_are_those_of_feature_activations(view):
    import ipywidgets

    from volvelle.views.activations.feature_activations import FeatureActivations

    other = FeatureActivations()
    ipywidgets.link((view, "selected_features"), (other, "selected_features"))
    view.selected_features = [7]
    assert other.selected_features == [7]
    other.selected_features = [3, 9]
    assert view.selected_features == [3, 9]
    assert type(view.traits()["selected_features"]) is type(other.traits()["selected_features"])
    with pytest.raises(TraitError, match=r"outside 0\.\.\.79"):
        view.selected_features = [80]
    with pytest.raises(TraitError, match="at most 8"):
        view.selected_features = list(range(9))


def test_values_from_python_colour_the_map(view):
    view.values_a = np.linspace(-1, 1, N)
    assert view.color_by == "values"
    with pytest.raises(TraitError, match="values_b has 3 entries, b has 80 features"):
        view.values_b = [1, 2, 3]
    with pytest.raises(TraitError):
        view.color_by = "colour"


def test_the_frame_says_what_is_selected(view):
    view.selected_b = [2]
    table = view.to_pandas()
    assert table.selected.sum() == 1
    assert table[table.selected].dictionary.tolist() == ["b"]


@pytest.mark.parametrize("chosen", [[], [0], [3, 900], range(0, 1000, 2), range(1000)])
def test_a_selection_comes_back_as_it_went(chosen):
    indices = np.array(list(chosen), np.uint32)
    wire = pack_selection(indices)
    assert unpack_selection(wire).tolist() == indices.tolist()
    assert len(wire["data"]) <= max(4 * len(indices), 0)


def test_650k_of_a_million_selected_points_are_125_kilobytes():
    random = np.random.default_rng(0)
    chosen = np.sort(random.choice(1_000_000, 650_000, replace=False)).astype(np.uint32)
    assert len(pack_selection(chosen)["data"]) <= 125_000


def test_the_browser_can_send_either_form(view):
    for wire in (pack(np.array([1, 2], np.uint32)), pack_selection(np.arange(40, dtype=np.uint32))):
        view.set_state({"selected_a": wire})
        assert view.selected_a.tolist() == unpack_selection(wire).tolist()


def test_neighbours_of_a_large_map_are_asked_for_one_by_one(pair, monkeypatch):
    monkeypatch.setattr(map_wire, "MOST_AHEAD", 10)
    view = DualUMAP(pair)
    assert len(view._near_a) == 0
    view.set_state({"_request": {"serial": 1, "kind": "look", "which": "a", "index": 3}})
    looked = view._looked
    assert (looked["which"], looked["index"]) == ("a", 3)
    assert looked["own"] == pair.a.own[3].tolist()
    assert looked["labels"]["other"][0] == pair.b.labels[pair.a.other[3, 0]]
    assert len(view.export_state()["_near_a"]["data"]) > 0


class Promoter:
    """Stands where a model would: says which row it was asked about."""

    name, d_model, remote = "tiny", 24, False

    def __init__(self, worker):
        self.submit = worker.submit

    def promoted(self, vectors, k):
        largest = int(np.abs(vectors[0]).argmax())
        return [[f" axis{largest}"] * k]


def test_what_a_feature_promotes_is_asked_for_where_it_is_not_known(monkeypatch):
    worker = Worker("promoter")
    monkeypatch.setattr("volvelle.models.verbs.predict.promoted", Promoter.promoted)
    monkeypatch.setattr("volvelle.experiments.maps.parts.MOST_PROMOTED", 10)
    monkeypatch.setattr(
        "volvelle.experiments.maps.dual_layout.fingerprint", lambda model: model.name
    )
    a, b = planted()
    view = DualUMAP(a, b, Promoter(worker), match="decoder").wait(60)
    assert view.error == ""
    assert view._facts["asks"] == "ab"
    view.set_state({"_request": {"serial": 1, "kind": "look", "which": "b", "index": 7}})
    worker.submit(lambda: None).result(20)
    assert view._looked["promoted"] == f"axis{np.abs(b[7]).argmax()}"
    worker.stop()


def test_how_far_the_seed_moves_the_picture_is_shown_on_request(pair):
    view = DualUMAP(pair)
    assert "stability" not in view._facts
    moved = view.stability(2)
    assert moved.shape == (2, 1)
    assert view._facts["stability"] == pytest.approx(moved.mean())
    assert 0 < view._facts["stability"] < 1


def test_one_dictionary_alone_is_shown():
    alone = dual_layout(planted()[0], cache=False, n_epochs=5)
    view = DualUMAP(alone)
    assert len(view._xy_b) == 0
    assert view._facts["mode"] == "alone"
    assert "twins" not in view._facts


def test_what_is_sent_is_within_twice_its_information(view):
    # a place 4 B; neighbours 6 x (2 + 2) B; cluster 1 B; a pair 2 x 2 + 2 B
    information = 2 * N * (4 + 24 + 1) + 6 * len(view._pairs)
    state = view.get_state()
    arrays = [v for v in state.values() if isinstance(v, dict) and "dtype" in v]
    assert sum(len(v["data"]) for v in arrays) <= 2 * information


def test_a_view_of_a_finished_layout_cannot_run_again(view):
    with pytest.raises(ValueError, match="finished layout"):
        view.run()


def test_an_exported_file_holds_the_map(view, tmp_path):
    path = view.to_html(tmp_path / "map.html")
    text = path.read_text()
    assert "_xy_a" in text
    assert len(text) < 600_000
