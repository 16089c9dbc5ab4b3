import dataclasses
import time

import numpy as np
import pandas as pd
import pytest
import torch
from experiments.fake_model import FakeModel
from hypothesis import given
from hypothesis import strategies as st

import volvelle as vv
from volvelle.compute.dictionaries.sae import SparseAutoencoder
from volvelle.experiments.activations.activations import Activations
from volvelle.experiments.readouts.codes import explained
from volvelle.models.traces.codes import sums_of
from volvelle.models.work.worker import Cancelled

POINT = "resid_post.14"
TEXT = " ".join(f"w{i * 7 % 31}" for i in range(60))


def make_sae(d=24, n=90, k=6, **more):
    """Decoder rows of length one, encoder their transpose: it fits whatever comes somewhat."""
    rows = np.random.default_rng(1).normal(size=(n, d))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    weights = {"W_enc": rows.T, "W_dec": rows * 0.6, "b_enc": np.zeros(n), "b_dec": np.zeros(d)}
    options = {"architecture": "topk", "k": k, "point": POINT, "name": "toy", **more}
    return SparseAutoencoder(weights, **options)


@pytest.fixture(scope="session")
def demo_model(model):
    """The real one, of tests/conftest.py."""
    return model


@pytest.fixture
def fake():
    return FakeModel()


@pytest.fixture
def sae():
    return make_sae(label_tokens=[[f" t{i}", f"u{i}"] for i in range(90)])


@pytest.fixture
def acts(fake, sae):
    return vv.encode(fake, [TEXT, "one two three", ""], sae)


def dense(model, sae, text):
    """Encode a text that fits one window, the long way."""
    x = model.capture([text], [sae.point])[sae.point][0]
    z = sae.encode(x)
    z[0] = 0
    return z


# -- windows ---------------------------------------------------------------------------------


def test_a_long_text_runs_in_overlapping_windows_and_their_borders_are_recorded(fake, sae):
    acts = vv.encode(fake, TEXT, sae)
    assert acts.windows[0].tolist() == [0, 16, 30, 44, 58]
    assert max(max(batch) for batch in fake.seen) <= fake.context


def test_windows_give_what_one_window_gives_where_the_context_seen_is_enough(sae):
    short, long = FakeModel(context=16), FakeModel(context=100)
    a, b = vv.encode(short, TEXT, sae), vv.encode(long, TEXT, sae)
    np.testing.assert_allclose(a.codes.toarray(), b.codes.toarray(), atol=1e-5)
    assert a.fve == pytest.approx(b.fve, abs=1e-6)


def test_the_window_can_be_made_smaller_but_not_larger_than_the_context(fake, sae):
    acts = vv.encode(fake, TEXT, sae, window=8, overlap=1)
    assert len(acts.windows[0]) > 5
    with pytest.raises(ValueError, match=r"window 17 is outside 2\.\.\.16, the model's context"):
        vv.encode(fake, TEXT, sae, window=17)
    with pytest.raises(ValueError, match=r"overlap 8 is outside 1\.\.\.7"):
        vv.encode(fake, TEXT, sae, window=8, overlap=8)


# -- encode ----------------------------------------------------------------------------------


def test_codes_are_the_dense_encode_with_position_0_left_out(fake, sae):
    text = "a b c d e f g"
    acts = vv.encode(fake, text, sae)
    np.testing.assert_allclose(acts.codes.toarray(), dense(fake, sae, text), atol=1e-5)
    assert acts.left_out.tolist() == [True] + [False] * 6
    assert acts.codes[[0]].nnz == 0


def test_several_texts_are_rows_below_each_other_in_their_order(fake, sae):
    texts = ["a b c", "", "d", "e f g h i", "a b c"]
    acts = vv.encode(fake, texts, sae)
    assert acts.text_index.tolist() == [0] * 3 + [2] + [3] * 5 + [4] * 3
    assert acts.token_index.tolist() == [0, 1, 2, 0, 0, 1, 2, 3, 4, 0, 1, 2]
    alone = [vv.encode(fake, t, sae).codes.toarray() for t in texts]
    np.testing.assert_allclose(acts.codes.toarray(), np.concatenate(alone), atol=1e-5)


@pytest.mark.parametrize("texts", ["", [], ["", ""], "one"])
def test_texts_without_a_usable_token_give_empty_activations(fake, sae, texts):
    acts = vv.encode(fake, texts, sae)
    assert acts.codes.nnz == 0
    assert acts.top_features().empty
    assert acts.to_pandas().empty
    assert "Activations(" in repr(acts)
    assert acts.note == ""


def test_kth_makes_the_selected_path_equal_the_full_one(fake, sae):
    text = "a b c d e f g h"
    acts = vv.encode(fake, text, sae)
    x = fake.capture([text], [sae.point])[sae.point][0]
    chosen = [0, 5, 89, 17]
    selected = sae.encode_selected(x, chosen, acts.kth)
    np.testing.assert_allclose(selected, acts.codes.toarray()[:, chosen], atol=1e-5)


def test_no_array_of_all_tokens_by_all_features_is_made(fake, sae, monkeypatch):
    sizes = []
    real = SparseAutoencoder.encode_sparse
    monkeypatch.setattr("volvelle.models.verbs.observe.TOKENS_AT_ONCE", 32)
    monkeypatch.setattr(
        SparseAutoencoder,
        "encode_sparse",
        lambda self, x, **k: sizes.append(len(x)) or real(self, x, **k),
    )
    monkeypatch.setattr(SparseAutoencoder, "encode", None)
    acts = vv.encode(fake, [TEXT] * 20, sae)
    assert acts.n_tokens == 1200
    assert max(sizes) <= 32


def test_a_wrong_width_names_both_widths_and_the_place(fake):
    with pytest.raises(
        ValueError, match=r"this SAE reads 32-dimensional vectors, resid_post\.14 of fake has 24"
    ):
        vv.encode(fake, TEXT, make_sae(d=32))


def test_a_text_that_is_no_text_is_refused(fake, sae):
    with pytest.raises(TypeError, match=r"text\[1\]=3 must be a text"):
        vv.encode(fake, ["a", 3], sae)


def test_what_is_no_sae_is_refused_with_the_way_out(fake):
    with pytest.raises(TypeError, match=r"sae='a' must be an SAE; vv\.demo_sae"):
        vv.encode(fake, TEXT, "a")


def test_an_unknown_keyword_names_the_closest(fake, sae):
    with pytest.raises(TypeError, match="did you mean 'window'"):
        vv.encode(fake, TEXT, sae, windw=8)


def test_progress_runs_from_0_to_1(fake, sae, monkeypatch):
    monkeypatch.setattr("volvelle.models.verbs.observe.TOKENS_AT_ONCE", 16)
    said = []
    vv.encode(fake, TEXT, sae, progress=lambda f, text: said.append((f, text)))
    fractions = [f for f, _ in said]
    assert fractions == sorted(fractions)
    assert fractions[0] == 0
    assert said[-1] == (1.0, "60 tokens")


def test_progress_moves_and_stop_works_within_one_long_window(fake, sae, monkeypatch):
    fake.context = 5000
    monkeypatch.setattr("volvelle.experiments.readouts.codes.TOKENS_ENCODED_AT_ONCE", 500)
    text = " ".join(f"w{i}" for i in range(4000))
    said = []
    whole = vv.encode(fake, text, sae, progress=lambda f, text: said.append(f))
    assert len(fake.seen) == 1
    assert len(set(said)) > 8
    assert said == sorted(said)
    assert said[-1] == 1.0
    monkeypatch.setattr("volvelle.experiments.readouts.codes.TOKENS_ENCODED_AT_ONCE", 5000)
    at_once = vv.encode(fake, text, sae)
    assert (whole.codes != at_once.codes).nnz == 0
    np.testing.assert_array_equal(whole.kth, at_once.kth)
    monkeypatch.setattr("volvelle.experiments.readouts.codes.TOKENS_ENCODED_AT_ONCE", 500)

    def stop(fraction, text):
        told.append(fraction)
        if fraction > 0.85:
            fake.job.cancel()

    told = []
    with pytest.raises(Cancelled):
        vv.encode(fake, text, sae, progress=stop)
    assert max(told) < 0.9


def test_the_demo_model_tells_how_far_it_is_within_one_window(demo_model):
    said = []
    text = demo_model.tokenizer.decode([500, 600, 700, 800] * 300)
    vv.encode(demo_model, text, vv.demo_sae("a"), progress=lambda f, text: said.append(round(f, 4)))
    assert len(set(said)) > 10


def test_a_cancelled_job_stops_between_blocks(fake, sae, monkeypatch):
    monkeypatch.setattr("volvelle.models.verbs.observe.TOKENS_AT_ONCE", 16)

    def stop(fraction, text):
        if fraction > 0.3:
            fake.job.cancel()

    with pytest.raises(Cancelled):
        vv.encode(fake, TEXT, sae, progress=stop)
    assert len(fake.seen) < 5


# -- fit -------------------------------------------------------------------------------------


def test_fve_in_blocks_is_the_textbook_formula():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(50, 8)).astype(np.float32) + 3
    y = x + 0.3 * rng.normal(size=x.shape).astype(np.float32)
    blocks = [(x[:20], y[:20]), (x[20:], y[20:])]
    sums = sum(sums_of(*map(torch.from_numpy, block)).numpy() for block in blocks)
    expected = 1 - ((x - y) ** 2).sum() / ((x - x.mean(0)) ** 2).sum()
    assert explained(sums) == pytest.approx(expected, abs=1e-6)


def test_fve_leaves_out_position_0_which_would_make_anything_look_explained(fake, sae):
    acts = vv.encode(fake, "a b c d e f g h i j", sae)
    x = fake.capture(["a b c d e f g h i j"], [sae.point])[sae.point][0][1:]
    y = sae.decode(sae.encode(x))
    expected = 1 - ((x - y) ** 2).sum() / ((x - x.mean(0)) ** 2).sum()
    assert acts.fve == pytest.approx(expected, abs=1e-5)


def test_an_sae_of_another_model_warns_and_says_so(fake):
    wrong = make_sae(d=24)
    rng = np.random.default_rng(9)
    scrambled = SparseAutoencoder(
        {**wrong.weights, "W_dec": torch.as_tensor(rng.normal(size=(90, 24)))},
        architecture="topk",
        k=6,
        point=POINT,
        name="toy",
    )
    with pytest.warns(UserWarning, match=r"toy does not seem to fit resid_post\.14 of fake"):
        acts = vv.encode(fake, TEXT, scrambled)
    assert acts.fve < 0.3
    assert "does not fit" in repr(acts)


def test_far_fewer_live_features_than_trained_for_warns(fake):
    quiet = make_sae()
    weights = {**quiet.weights, "b_enc": torch.full((90,), -3.0), "W_dec": quiet.W_dec * 2}
    sae = SparseAutoencoder(weights, architecture="topk", k=60, point=POINT, name="toy")
    with pytest.warns(UserWarning, match="does not seem to fit"):
        vv.encode(fake, TEXT, sae)


def test_outliers_are_marked_encoded_and_in_no_ranking(fake, sae):
    fake._words[sum(map(ord, "huge")) % 1009] *= 20
    acts = vv.encode(fake, "a b c d huge e f g", sae)
    assert np.flatnonzero(acts.outliers).tolist() == [4]
    assert acts.codes[[4]].nnz > 0
    assert acts.top_features(k=1)["max"].item() < acts.codes[[4]].max()
    assert acts.top_features(k=1, token=4)["max"].item() == pytest.approx(acts.codes[[4]].max())


# -- rankings and tables ---------------------------------------------------------------------


@pytest.mark.parametrize("by", ["max", "mean", "density"])
def test_rankings_are_those_of_the_dense_matrix(acts, by):
    z = acts.codes.toarray()[acts.scored]
    expected = {"max": z.max(0), "mean": z.mean(0), "density": (z > 0).mean(0)}[by]
    table = acts.top_features(k=7, by=by)
    order = np.lexsort((np.arange(90), -expected))[:7]
    np.testing.assert_allclose(table["value"], np.sort(expected)[::-1][:7], rtol=1e-5)
    if by == "max":
        assert table["feature"].tolist() == order.tolist()


def test_top_features_of_a_token_are_its_own(acts):
    table = acts.top_features(k=3, token=5)
    row = acts.codes[[5]].toarray()[0]
    assert table["feature"].tolist() == np.argsort(-row)[:3].tolist()
    np.testing.assert_allclose(table["value"], np.sort(row)[::-1][:3])
    assert table["label"][0] == f"t{table['feature'][0]} · u{table['feature'][0]}"


def test_what_names_no_token_and_no_number_of_rows_is_refused(acts):
    with pytest.raises(TypeError, match=r"token is ' sea', .*strings\.index\(' sea'\)"):
        acts.top_features(token=" sea")
    with pytest.raises(ValueError, match="k is -1, expected 0 or more"):
        acts.top_features(k=-1)
    assert acts.top_features(k=0).empty


def test_tokens_and_texts_can_be_named_and_negative_tokens_count_from_the_end(acts):
    assert acts.top_features(token=-1, text=1).equals(acts.top_features(token=2, text=1))
    assert acts.row(-1, 1) == 62
    several = acts.top_features(k=90, by="density", token=[1, 2], text=1)
    assert set(several["density"]) <= {0.5, 1.0}
    only = acts.top_features(k=90, text=1)
    assert set(only["feature"]) == set(acts.codes[61:63].indices)


def test_a_token_or_text_that_is_not_there_is_refused(acts):
    with pytest.raises(IndexError, match=r"token 60 is outside text 0's 0\.\.\.59"):
        acts.top_features(token=60)
    with pytest.raises(IndexError, match=r"text 3 is outside 0\.\.\.2"):
        acts.top_features(text=3)
    with pytest.raises(IndexError, match=r"token 0 is outside text 2, which is empty"):
        acts.top_features(token=0, text=2)
    with pytest.raises(ValueError, match="unknown ranking 'maxx'; did you mean 'max'"):
        acts.top_features(by="maxx")
    with pytest.raises(TypeError, match="unknown argument 'tokens'; did you mean 'token'"):
        acts.top_features(tokens=3)


def test_signed_activations_rank_by_size_and_keep_their_sign(fake):
    acts = vv.encode(fake, TEXT, make_sae(architecture="abstopk"))
    z = acts.codes.toarray()[acts.scored]
    assert (z < 0).any()
    table = acts.top_features(k=1)
    assert abs(table["value"].item()) == pytest.approx(np.abs(z).max())
    assert table["value"].item() == pytest.approx(z.flat[np.abs(z).argmax()])
    assert acts.to_pandas()["value"].min() < 0


def test_a_features_values_are_its_column(acts):
    z = acts.codes.toarray()
    for index in (0, 17, 89):
        np.testing.assert_array_equal(acts.feature(index), z[:, index])
    with pytest.raises(IndexError, match=r"feature 90 is outside toy's 0\.\.\.89"):
        acts.feature(90)


def test_to_pandas_has_one_row_per_activation_strongest_first(acts):
    table = acts.to_pandas()
    assert list(table) == ["text", "token", "string", "feature", "value", "label"]
    assert len(table) == acts.codes.nnz
    z = np.zeros(acts.codes.shape, np.float32)
    starts = np.array([0, 60, 63])
    z[starts[table["text"]] + table["token"], table["feature"]] = table["value"]
    np.testing.assert_array_equal(z, acts.codes.toarray())
    first = table[(table["text"] == 0) & (table["token"] == 3)]
    assert first["value"].is_monotonic_decreasing
    assert first["string"].unique().tolist() == [" w21"]


def test_neuronpedias_sparse_json_holds_the_same_numbers(acts):
    results = acts.to_neuronpedia()["results"]
    assert [len(r["tokens"]) for r in results] == [60, 3, 0]
    z = np.zeros((60, 90), np.float32)
    for feature, pairs in results[0]["activeFeatures"].items():
        for token, value in pairs:
            z[token, int(feature)] = value
    np.testing.assert_array_equal(z, acts.codes[:60].toarray())


def test_the_repr_is_short_and_true(acts):
    assert repr(acts) == (
        f"Activations(3 texts, 63 tokens, resid_post.14 of fake, 90 features of toy, "
        f"L0 {acts.l0:.1f}, FVE {acts.fve:.2f})"
    )
    assert acts.l0 == pytest.approx(np.diff(acts.codes.indptr)[acts.scored].mean())


# -- files -----------------------------------------------------------------------------------

HOSTILE = "<img src=x onerror=alert(1)> \x00 \ud800 \u202etpircs \N{FAMILY} \u200b " + "x" * 400


def same(a, b):
    np.testing.assert_array_equal(a.codes.toarray(), b.codes.toarray())
    for one, other in zip(a.tokens, b.tokens, strict=True):
        assert one.strings == other.strings
        assert one.text == other.text
        for name in ("ids", "offsets", "special", "glyph"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    for name in ("left_out", "outliers", "kth"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))
    for one, other in zip(a.windows, b.windows, strict=True):
        np.testing.assert_array_equal(one, other)
    for name in ("model", "sae_name", "point", "labels", "k", "signed"):
        assert getattr(a, name) == getattr(b, name)
    np.testing.assert_equal(a.fve, b.fve)
    pd.testing.assert_frame_equal(a.to_pandas(), b.to_pandas())


@pytest.mark.parametrize("texts", [[TEXT, "b c", ""], [HOSTILE], [], ["one"]])
def test_what_is_saved_loads_equal_hostile_strings_included(fake, sae, tmp_path, texts):
    acts = vv.encode(fake, texts, sae)
    path = acts.save(tmp_path / "a.safetensors")
    loaded = Activations.load(path)
    same(acts, loaded)
    assert loaded.sae is None
    assert Activations.load(path, sae=sae).sae is sae


@given(st.lists(st.text(st.characters(exclude_characters=" "), min_size=1), min_size=1, max_size=5))
def test_any_token_string_survives_a_file(tmp_path_factory, words):
    text = " ".join(words)
    acts = vv.encode(SHARED, text, SHARED_SAE)
    loaded = Activations.load(acts.save(tmp_path_factory.mktemp("a") / "a.safetensors"))
    assert loaded.strings == acts.strings


SHARED, SHARED_SAE = FakeModel(context=64), make_sae()


# -- the real model --------------------------------------------------------------------------

STORY = (
    "The old lighthouse keeper was so happy to see his daughter again that he cried. She had "
    "been away for eleven years, and nobody in the village had believed that she would return."
)


def test_the_demo_dictionary_explains_the_demo_model(demo_model):
    acts = vv.encode(demo_model, STORY, vv.demo_sae("a"))
    assert acts.fve > 0.5
    assert acts.l0 == pytest.approx(32, abs=0.5)
    assert acts.note == ""
    assert "".join(acts.strings) == STORY


def test_real_windows_agree_with_one_run_but_for_the_context_they_lack(demo_model):
    sae = vv.demo_sae("a")
    whole = vv.encode(demo_model, STORY * 3, sae)
    parts = vv.encode(demo_model, STORY * 3, sae, window=48, overlap=24)
    assert len(parts.windows[0]) > 3
    first = slice(0, 48)
    np.testing.assert_allclose(
        parts.codes[first].toarray(), whole.codes[first].toarray(), atol=2e-2
    )
    assert parts.fve == pytest.approx(whole.fve, abs=0.1)


def test_reuse_gives_what_a_fresh_run_gives(demo_model):
    sae = vv.demo_sae("a")
    vv.encode(demo_model, STORY, sae, reuse=True)
    edited = STORY.replace("village", "harbour")
    np.testing.assert_allclose(
        vv.encode(demo_model, edited, sae, reuse=True).codes.toarray(),
        vv.encode(demo_model, edited, sae).codes.toarray(),
        atol=2e-2,
    )


def test_a_dictionary_at_the_wrong_block_is_told_not_to_fit(demo_model):
    wrong = dataclasses.replace(vv.demo_sae("a"), point="resid_post.3")
    with pytest.warns(UserWarning, match=r"a does not seem to fit resid_post\.3 of smollm2"):
        vv.encode(demo_model, STORY, wrong)


# -- speed -----------------------------------------------------------------------------------


def test_long_texts_rank_and_print_in_two_seconds(sae):
    acts = vv.encode(FakeModel(context=4096), " ".join([TEXT] * 170), sae)
    start = time.process_time()
    acts.top_features(20)
    acts.feature(3)
    acts.to_pandas()
    assert acts.n_tokens > 10_000
    assert time.process_time() - start < 2
