"""FeatureActivations: traits in, traits out, without a browser."""

import dataclasses
import threading

import numpy as np
import pytest
from traitlets import TraitError
from views.fakes import FakeModel, activations, fake_sae, random_codes

import volvelle as vv
from volvelle.views.activations import traits as module
from volvelle.views.activations.feature_activations import FeatureActivations
from volvelle.views.activations.shown import MAX_TOKENS, from_activations
from volvelle.views.activations.wire import LEFT_OUT, PIECE, WINDOW


@pytest.fixture
def model():
    model = FakeModel()
    yield model
    model.gate.set()
    model.worker.stop()


@pytest.fixture
def encoded(monkeypatch, model):
    """Stand in for the model; the texts it was given."""
    texts = []

    def encode(_model, given, _sae, *, reuse, progress):
        assert reuse
        texts.append(list(given))
        progress(0.5, "half")
        model.gate.wait(5)
        progress(0.9, "nearly")
        if "boom" in given:
            raise ValueError("the model refused")
        return activations(given)

    monkeypatch.setattr("volvelle.experiments.activations.encode.encode", encode)
    return texts


@pytest.fixture
def view(model, encoded):
    return FeatureActivations(model, fake_sae(), "one two three four five").wait(5)


def spoken(view):
    """The strings the browser gets, token by token."""
    lengths, blob = view._token_lengths, view._token_blob.tobytes()
    ends = np.cumsum(lengths, dtype=int)
    strings = [blob[e - n : e].decode() for e, n in zip(ends, lengths, strict=True)]
    return [strings[i] for i in view._token_index]


def test_it_is_a_public_name():
    assert vv.FeatureActivations is FeatureActivations


def test_a_text_becomes_tokens_and_a_list(view):
    assert spoken(view) == ["one", " two", " three", " four", " five"]
    assert len(view._list_features) > 5
    assert view._facts["model"] == "fake"
    assert view.status == "idle"


def test_the_strongest_feature_is_chosen_for_a_first_look(view):
    assert view.selected_features == [int(view._list_features[0])]
    assert view._columns.tolist() == view.selected_features


def test_what_is_no_model_or_no_sae_is_refused_with_the_way_out(model):
    with pytest.raises(TypeError, match=r"sae=None must be an SAE, such as vv\.demo_sae"):
        FeatureActivations(model)
    with pytest.raises(TypeError, match=r"model='smollm2' must be a model or None; vv\.load"):
        FeatureActivations("smollm2", fake_sae(), "text")
    with pytest.raises(TypeError, match="text=3 must be a text or a list of texts"):
        FeatureActivations(model, fake_sae(), 3)


def test_a_first_look_passes_over_what_fires_everywhere():
    shown = from_activations(activations(["one two three four five"]))
    first, second = shown.text_stats.ranked("max")[:2].tolist()
    assert shown.first_look() == [first]
    usual = np.full(shown.n_features, 0.001)
    assert dataclasses.replace(shown, usual=usual).first_look() == [first]
    usual[first] = 0.9
    assert dataclasses.replace(shown, usual=usual).first_look() == [second]
    usual[3] = np.nan
    assert dataclasses.replace(shown, usual=usual).first_look() == [first]
    assert from_activations(activations([""])).first_look() == []


def test_features_the_user_gave_are_kept(model, encoded):
    view = FeatureActivations(model, fake_sae(), "a b", selected_features=[3, 9]).wait(5)
    assert view.selected_features == [3, 9]
    none = FeatureActivations(model, fake_sae(), "a b", selected_features=[]).wait(5)
    assert none.selected_features == []


def test_making_a_view_does_not_wait_for_the_model(model, encoded):
    model.gate.clear()
    view = FeatureActivations(model, fake_sae(), "a b c")
    assert view.status in ("queued", "running")
    model.gate.set()
    assert view.wait(5).status == "idle"


def test_setting_the_text_encodes_it_and_forgets_selected_tokens(view, encoded):
    view.selected_tokens = [1, 2]
    view.text = "uno dos"
    assert view.selected_tokens == []
    view.wait(5)
    assert encoded == [["one two three four five"], ["uno dos"]]
    assert spoken(view) == ["uno", " dos"]


def test_tokens_selected_while_a_text_is_encoded_are_kept_where_they_exist(view, model):
    model.gate.clear()
    view.text = "uno dos"
    view.selected_tokens = [1, 7]
    model.gate.set()
    assert view.wait(5).selected_tokens == [1]


def test_typing_encodes_only_what_was_typed_last(view, model, encoded):
    model.gate.clear()
    for text in ("u", "un", "uno"):
        view.text = text
    model.gate.set()
    view.wait(5)
    assert spoken(view) == ["uno"]
    assert len(encoded) <= 3


def test_a_prompt_set_is_shown_as_rows(model, encoded):
    view = FeatureActivations(model, fake_sae(), ["a b c", "d e"]).wait(5)
    assert view._text_starts.tolist() == [0, 3]
    assert (view.text, view.texts) == ("", ["a b c", "d e"])
    view.text = "one"
    assert view.texts == []
    view.wait(5)
    assert encoded == [["a b c", "d e"], ["one"]]


def test_a_failure_is_shown_and_the_last_result_stays(view, caplog):
    view.text = "boom"
    view.wait(5)
    assert (view.status, view.error) == ("failed", "the model refused")
    assert len(spoken(view)) == 5
    view.text = "well again"
    view.wait(5)
    assert (view.status, view.error) == ("idle", "")


def test_stop_drops_the_work_and_keeps_the_last_result(view, model):
    model.gate.clear()
    view.text = "never shown"
    view.stop()
    model.gate.set()
    view.wait(5)
    assert len(spoken(view)) == 5


def test_choosing_features_encodes_nothing(view, encoded):
    view.selected_features = [3, 5, 7]
    assert view._columns.tolist() == [3, 5, 7]
    assert view._column_mask.shape == (3, 1)
    assert len(encoded) == 1


def test_nine_features_are_refused_with_the_reason(view):
    with pytest.raises(TraitError, match="selected_features has 9 entries; up to 8"):
        view.selected_features = list(range(9))


@pytest.mark.parametrize(
    ("trait", "message"),
    [
        ("selected_features", r"selected_features: 64 is outside 0\.\.\.63"),
        ("pinned_features", r"pinned_features: 64 is outside 0\.\.\.63"),
        ("selected_tokens", r"selected_tokens: 64 is outside 0\.\.\.4"),
    ],
)
def test_an_index_out_of_range_is_refused_by_name(view, trait, message):
    with pytest.raises(TraitError, match=message):
        setattr(view, trait, [64])


def test_selecting_tokens_ranks_features_on_them(view):
    view.selected_tokens = [3, 2]
    assert view.selected_tokens == [2, 3]
    codes = activations(["one two three four five"]).codes.toarray()[[2, 3]]
    best = int(codes.max(axis=0).argmax())
    unforced = [i for i in view._list_features if i not in view.selected_features]
    assert best in (unforced[0], *view.selected_features)
    assert view._list_facts["where"] == "2:2:3:5"


def test_the_left_out_first_token_counts_for_nothing(model, monkeypatch):
    codes = random_codes(3)
    codes.data[:8] = 1e6
    view = FeatureActivations()
    view._show(from_activations(activations(["a b c"], codes)))
    assert view._list_stats[:, 0].max() < 1e3
    assert view._token_flags.tolist() == [LEFT_OUT, 0, 0]


def test_window_borders_and_pieces_are_flagged():
    acts = activations(["a b c d"])
    acts.windows[0].resize(2, refcheck=False)
    acts.windows[0][:] = [0, 2]
    acts.tokens[0].glyph[:] = [0, 1, 2, 2]
    view = FeatureActivations()
    view._show(from_activations(acts))
    assert view._token_flags.tolist() == [LEFT_OUT, 0, WINDOW, PIECE]


def test_a_query_finds_features_by_label_and_by_number(view):
    everything = set(view._list_features.tolist())
    some = max(everything)
    view.query = f"TOK{some} "
    assert set(view._list_features.tolist()) == {some, *view.selected_features}
    view.query = "1"
    found = set(view._list_features.tolist()) - set(view.selected_features)
    assert found == {i for i in everything if "1" in f"{i} tok{i}"} - set(view.selected_features)


def test_pinned_features_stay_whatever_is_filtered(view):
    view.pinned_features = [63, 1]
    view.query = "no such label"
    assert view._list_features.tolist()[:2] == [63, 1]


@pytest.mark.parametrize("by", ["max", "mean", "density", "index"])
def test_the_list_is_sorted_as_asked(view, by):
    view.selected_features = []
    view.sort_by = by
    column = {"max": 0, "mean": 1, "density": 2}.get(by)
    order = view._list_features if column is None else -view._list_stats[:, column]
    assert (np.diff(order.astype(float)) >= 0).all()


def test_to_pandas_gives_the_tokens_as_shown(view):
    view.selected_features, view.selected_tokens = [3, 5], [1]
    frame = view.to_pandas()
    assert frame["string"].tolist() == spoken(view)
    assert frame["selected"].tolist() == [False, True, False, False, False]
    codes = activations(["one two three four five"]).codes.toarray()
    assert frame["feature 5"].tolist() == codes[:, 5].tolist()


def test_to_pandas_gives_the_list_as_shown(view):
    frame = view.to_pandas("features")
    assert frame["feature"].tolist() == view._list_features.tolist()
    assert frame.loc[frame["selected"], "feature"].tolist() == view.selected_features
    with pytest.raises(ValueError, match="expected 'tokens' or 'features'"):
        view.to_pandas("colours")


def test_labels_of_a_looked_at_token_come_when_asked_for(view, monkeypatch):
    monkeypatch.setattr(module, "LABEL_BYTES", 0)
    view.text = "other words"
    view.wait(5)
    view._labels = {}
    view.set_state({"_request": {"serial": 1, "kind": "labels", "features": [63, 999]}})
    assert view._labels == {"63": " tok63 · lab"}


def test_hand_made_values_need_no_model():
    view = FeatureActivations.from_values(["a", "b"], [[1, -2], [0, 3]], ["x", "y"])
    assert view.selected_features == [0, 1]
    assert view._facts["signed"] is True
    assert view.to_pandas()["y"].tolist() == [-2, 3]
    assert view._facts["editable"] is False


def test_hand_made_values_may_be_several_texts_and_one_column():
    view = FeatureActivations.from_values([["a", "b"], ["c"]], [1, 2, 3])
    assert view._text_starts.tolist() == [0, 2]
    assert view._labels == {"0": "value 0"}


@pytest.mark.parametrize(
    ("values", "names", "message"),
    [
        ([1, 2, 3], None, r"shape \(3,\), expected \(2,\)"),
        ([1, float("nan")], None, "NaN or infinity .first at token 1"),
        ([1, 2], ["a", "b"], "names has 2 entries, values has 1"),
        (["x", "y"], None, "values is no table of numbers .*'x'"),
        ([[1], [2, 3]], None, r"values is no table of numbers .*np\.concatenate"),
    ],
)
def test_hand_made_values_that_do_not_fit_are_refused(values, names, message):
    with pytest.raises(ValueError, match=message):
        FeatureActivations.from_values(["a", "b"], values, names)


def test_one_string_is_no_tokens():
    with pytest.raises(TypeError, match=r"tokens='two words' must be a list of texts .* write"):
        FeatureActivations.from_values("two words", [1, 2])


def test_a_view_of_values_says_that_it_cannot_encode(caplog):
    view = FeatureActivations.from_values(["a"], [1])
    view.text = "b"
    assert "no model to run a text" in view.error
    assert spoken(view) == ["a"]


def test_a_text_too_long_to_draw_is_refused_with_the_way_out():
    with pytest.raises(ValueError, match=r"20,001 tokens.*vv\.encode"):
        FeatureActivations.from_values(["a"] * (MAX_TOKENS + 1), np.zeros(MAX_TOKENS + 1))


def test_an_empty_text_shows_no_tokens(model, encoded):
    view = FeatureActivations(model, fake_sae(), "").wait(5)
    assert (view.error, spoken(view), view._list_features.tolist()) == ("", [], [])


def test_one_message_brings_a_new_text(view, monkeypatch):
    sent = []
    monkeypatch.setattr(view, "send_state", lambda key=None: sent.append(set(key)))
    view.comm.kernel = object()  # else ipywidgets sends nothing
    view._show(from_activations(activations(["six words make one message only"])))
    view.comm.kernel = None
    big = [keys for keys in sent if {"_token_index", "_list_stats"} & keys]
    assert len(big) == 1
    assert {"_token_index", "_top_values", "_list_stats"} <= big[0]


def test_work_leaves_no_thread_per_view(model, encoded):
    before = threading.active_count()
    for _ in range(5):
        FeatureActivations(model, fake_sae(), "a b").wait(5)
    assert threading.active_count() <= before + 1


def wire_bytes(view):
    """What travels to the browser for this view, its bundle left out."""
    from volvelle.views.kit.view import HOST_TRAITS

    total = 0
    for name, value in view.get_state().items():
        if name in HOST_TRAITS:
            continue
        buffer = value["data"] if isinstance(value, dict) and "dtype" in value else None
        total += len(name) + (len(buffer) + 60 if buffer is not None else len(repr(value)))
    return total


def test_ten_thousand_tokens_and_eight_features_fit_400_kb():
    text = " ".join(f"w{i % 2500}" for i in range(10_000))
    codes = random_codes(10_000, n_features=4096, k=32)
    codes.indices[::4] = np.repeat(np.arange(10_000), 8) % 97  # a few features fire often
    codes.sum_duplicates()
    view = FeatureActivations(text=text)
    labels = tuple(f" tok{i} · lab{i} · more · and · so on" for i in range(4096))
    view._show(from_activations(activations([text], codes, labels=labels)))
    view.sort_by = "density"
    view.selected_features = view._list_features[:8].tolist()
    assert wire_bytes(view) < 400_000


def test_a_thousand_tokens_and_one_feature_fit_60_kb():
    text = " ".join(f"w{i % 500}" for i in range(1000))
    view = FeatureActivations(text=text)
    view._show(from_activations(activations([text])))
    assert wire_bytes(view) < 60_000
