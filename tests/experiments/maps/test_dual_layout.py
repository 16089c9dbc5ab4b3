"""Two dictionaries become one map, or a message that says what is missing."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from models import tiny

import volvelle as vv
from volvelle.compute.dictionaries.sae import SparseAutoencoder
from volvelle.compute.maps.neighbours import unit_rows
from volvelle.experiments.maps import dual_layout as module
from volvelle.experiments.maps.dual_layout import DualLayout, dual_layout


def planted(n=120, d=24, n_shared=60, seed=0):
    random = np.random.default_rng(seed)
    a, b = random.standard_normal((2, n, d)).astype(np.float32)
    b[:n_shared] = a[:n_shared]
    return a, b


def sae(vectors, name, point="resid_post.3", model="tiny", densities=None):
    rows = torch.as_tensor(vectors)
    n, d = rows.shape
    return SparseAutoencoder(
        {"W_enc": rows.T.clone(), "W_dec": rows, "b_enc": torch.zeros(n), "b_dec": torch.zeros(d)},
        "standard",
        point,
        name=name,
        label_tokens=[[f"{name}{i}", "the"] for i in range(n)],
        densities=densities,
        metadata={"model_name": model},
    )


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("VOLVELLE_CACHE", str(tmp_path))


@pytest.fixture(scope="module")
def pair():
    a, b = planted()
    return dual_layout(sae(a, "a"), sae(b, "b"), cache=False)


def test_a_shared_basis_gives_a_joint_map_matched_by_decoder(pair):
    assert (pair.mode, pair.match) == ("joint", "decoder")
    assert pair.xy_a.shape == pair.xy_b.shape == (120, 2)
    own = pair.matches[pair.matches.a < 60]
    assert (own.a == own.b).all()
    assert len(own) == 60
    assert len(pair.candidates) > len(pair.matches)
    assert list(pair.candidates.columns)[-3:] == ["mutual", "above", "apart"]


def test_matched_copies_lie_on_each_other(pair):
    apart = np.linalg.norm(pair.xy_a[:60] - pair.xy_b[:60], axis=1)
    assert np.median(apart) < 0.1 * np.std(pair.xy_a)


def test_the_repr_says_what_is_shown_and_what_chance_gives(pair):
    text = repr(pair)
    for part in (
        "joint",
        "a (120 of 120)",
        "matched by decoder",
        "95 % of chance, ",
        " expected",
        "twins ",
        "permuted",
    ):
        assert part in text
    assert "trustworthiness" in text
    assert "seed 0" in text


def test_every_point_knows_its_neighbours_in_both(pair):
    assert (pair.a.other[:60, 0] == np.arange(60)).all()
    np.testing.assert_allclose(pair.a.other_score[:60, 0], 1, atol=1e-5)
    assert (pair.a.own[:, 0] != np.arange(120)).all()
    assert pair.b.labels[7] == "b7 · the"


def test_a_saved_layout_is_read_back_whole(pair, tmp_path):
    again = DualLayout.load(pair.save(tmp_path / "pair.safetensors"))
    assert repr(again) == repr(pair)
    np.testing.assert_array_equal(again.xy_b, pair.xy_b)
    assert again.matches.equals(pair.matches)
    assert again.regions == pair.regions
    assert again.a.labels == pair.a.labels
    assert again.to_pandas().equals(pair.to_pandas())
    assert again.stability(1, n_epochs=5).shape == (1, 1)


def test_dictionaries_that_share_only_families_are_said_to():
    random = np.random.default_rng(0)
    centres = 2 * random.standard_normal((20, 48))
    a, b = (centres[random.integers(0, 20, 300)] + random.standard_normal((300, 48)) for _ in "ab")
    pair = dual_layout(a, b, cache=False, n_epochs=5)
    assert pair.n_of_one_family > 75
    assert pair.n_matched < 12
    assert f"; {pair.n_of_one_family} more no nearer than their families" in repr(pair)
    assert pair.candidates.apart.notna().sum() == pair.n_matched + pair.n_of_one_family
    assert -0.3 < pair.mixing.twins < 0.3


def test_the_frame_has_one_row_per_feature_of_both(pair):
    table = pair.to_pandas()
    assert len(table) == 240
    assert set(table.dictionary) == {"a", "b"}
    assert (table.match[:60] == np.arange(60)).all()


def test_stability_is_nought_for_the_same_picture_and_below_one_for_others(pair):
    from volvelle.compute.maps.procrustes import procrustes

    moved = pair.stability(2, n_epochs=30)
    assert moved.shape == (2, 1)
    assert ((moved > 0) & (moved < 1)).all()
    assert procrustes(pair.xy_a, pair.xy_a).disparity < 1e-9


def test_left_out_rows_keep_their_place_and_say_why():
    a, b = planted()
    a[5] = 0
    densities = np.full(120, 0.01)
    densities[7] = 0
    pair = dual_layout(sae(a, "a", densities=densities), sae(b, "b"), cache=False)
    assert pair.a.left_out == {"zero": 1, "never fire": 1}
    check_left_out(pair, [5, 7])


def test_rows_of_an_array_that_are_no_numbers_keep_their_place_and_say_why():
    a, b = planted()
    a[3], a[5] = np.nan, 0
    pair = dual_layout(a, b, cache=False)
    assert pair.a.left_out == {"NaN": 1, "zero": 1}
    check_left_out(pair, [3, 5])


def check_left_out(pair, rows):
    assert np.isnan(pair.xy_a[rows]).all()
    assert pair.a.alive.sum() == 120 - len(rows)
    assert pair.b.alive.all()
    assert not pair.matches.a.isin(rows).any()
    own = pair.matches[(pair.matches.a < 60)]
    assert (own.a == own.b).all()
    assert (pair.a.own[rows] == -1).all()
    assert (pair.a.cluster[rows] == 255).all()


def test_duplicates_are_laid_out_and_match_one_of_their_copies():
    a, b = planted()
    b[60:65] = b[0]
    pair = dual_layout(a, b, cache=False)
    assert np.isfinite(pair.xy_b).all()
    assert pair.matches.a.is_unique
    assert pair.matches.b.is_unique


@pytest.mark.parametrize("n", [1, 2, 15])
def test_few_features_are_laid_out(n):
    a, b = planted(n, 16, n)
    pair = dual_layout(a, b, cache=False)
    assert np.isfinite(pair.xy_a).all()
    assert len(pair.matches) <= n
    assert (pair.matches.a == pair.matches.b).all()


@pytest.mark.parametrize("n", [1, 2, 15])
def test_one_dictionary_of_few_features_is_laid_out_alone(n):
    alone = dual_layout(planted(n)[0], cache=False)
    assert alone.mode == "alone"
    assert alone.mixing is None
    assert len(alone.matches) == 0
    assert len(alone.to_pandas()) == n
    assert "DualLayout(a" in repr(alone)


def test_emotions_and_an_sae_share_a_map():
    a, b = planted(d=16)
    feelings = vv.Dictionary(b[:5], ["joy", "fear", "anger", "awe", "calm"], "resid_post.3", "feel")
    pair = dual_layout(sae(a, "a"), feelings, cache=False)
    assert pair.mode == "joint"
    assert pair.b.labels == ("joy", "fear", "anger", "awe", "calm")
    assert {(0, 0), (1, 1)} <= set(zip(pair.matches.a, pair.matches.b, strict=True))


def test_nothing_to_lay_out_is_an_error_that_counts():
    with pytest.raises(ValueError, match=r"b \(b\) has no direction to lay out: 2 NaN, 3 zero"):
        dual_layout(planted()[0], np.vstack([np.full((2, 24), np.nan), np.zeros((3, 24))]))


def test_something_else_is_named():
    with pytest.raises(TypeError, match="a is str, expected an SAE, a Dictionary, or an array"):
        dual_layout("a")
    with pytest.raises(TypeError, match="did you mean 'n_epochs'"):
        dual_layout(planted()[0], epochs=3)
    with pytest.raises(ValueError, match="did you mean 'decoder'"):
        dual_layout(*planted(), match="decodr")
    with pytest.raises(ValueError, match="did you mean 'joint'"):
        dual_layout(*planted(), mode="joined")


def test_different_widths_say_that_model_and_texts_are_missing():
    a, _ = planted(d=24)
    b, _ = planted(d=16)
    message = "a has 24 dimensions, b has 16.*model and texts missing"
    with pytest.raises(ValueError, match=message):
        dual_layout(a, b)
    with pytest.raises(ValueError, match="texts missing"):
        dual_layout(a, b, model=tiny.wrapped("llama"))
    with pytest.raises(ValueError, match="mode='joint' needs one basis"):
        dual_layout(a, b, mode="joint")
    with pytest.raises(ValueError, match="compares vectors"):
        dual_layout(a, b, match="decoder")
    with pytest.raises(ValueError, match="a is plain vectors"):
        dual_layout(a, b, match="activation", model=tiny.wrapped("llama"), texts=["x"])


def test_models_that_differ_share_no_basis():
    a, b = planted()
    with pytest.raises(ValueError, match="a was made for one, b for two"):
        dual_layout(sae(a, "a", model="one"), sae(b, "b", model="two"))
    with pytest.raises(ValueError, match="not both the residual stream"):
        dual_layout(sae(a, "a"), sae(b, "b", point="mlp_out.3"), mode="joint")
    pair = dual_layout(
        sae(a, "a"), sae(b, "b", point="mlp_out.3"), match="decoder", cache=False, n_epochs=20
    )
    assert pair.mode == "separate"


def test_matching_by_encoder_needs_encoders():
    a, b = planted()
    pair = dual_layout(sae(a, "a"), sae(b, "b"), match="encoder", cache=False, n_epochs=10)
    assert (pair.matches.a < 60).sum() == 60
    with pytest.raises(ValueError, match="needs encoders, and b has none"):
        dual_layout(sae(a, "a"), b, match="encoder")


def test_a_separate_map_brings_b_onto_a_by_its_matches():
    random = np.random.default_rng(1)
    centres = 3 * random.standard_normal((6, 24)).astype(np.float32)
    a = np.repeat(centres, 25, axis=0) + planted(n=150)[0]
    b = a + 0.05 * random.standard_normal(a.shape).astype(np.float32)
    pair = dual_layout(a, b, mode="separate", match="decoder", cache=False)
    assert pair.mode == "separate"
    assert pair.disparity < 0.5
    assert pair.mixing is None
    apart = np.linalg.norm(pair.xy_a - pair.xy_b, axis=1)
    strangers = np.linalg.norm(pair.xy_a - np.roll(pair.xy_b, 40, axis=0), axis=1)
    assert np.median(apart) < 0.5 * np.median(strangers)
    assert pair.stability(1, n_epochs=5).shape == (1, 2)


TEXTS = [
    "The old sailor laughed at the storm. He had never feared the sea, he said.",
    "def add(a, b):\n    return a + b\n\nprint(add(1, 2))  # three",
    "Dear Anna, thank you for your letter. I am sorry to hear that you are ill.",
    "",
    "Yes",
]


def test_one_run_of_the_model_reads_what_encode_reads(model):
    from volvelle.experiments.maps.reading import read
    from volvelle.experiments.maps.sides import side

    given = vv.demo_sae("a")
    feelings = vv.Dictionary(given.W_dec[:5], list("abcde"), "resid_post.9", "feel")
    both = read(model, TEXTS, [side(given, "a"), side(feelings, "b")], lambda *_: None)
    encoded = vv.encode(model, TEXTS, given)
    alive = side(given, "a").alive
    rows = both[0].scored
    assert rows.sum() == encoded.scored.sum()
    ours, theirs = both[0].codes[rows], encoded.codes[:, np.flatnonzero(alive)][rows]
    assert abs(ours - theirs).max() < 1e-2 * abs(theirs).max()
    states = model.capture(TEXTS[0], "resid_post.9")["resid_post.9"][0]
    expected = states @ unit_rows(given.W_dec[:5]).T
    np.testing.assert_allclose(
        both[1].codes[: len(states)].toarray(), expected, rtol=1e-3, atol=1e-2
    )


def test_features_are_matched_by_what_they_do_and_tokens_they_promote_are_told(model):
    given = vv.demo_sae("a")
    rows = given.W_dec[:6]
    a = vv.Dictionary(rows, list("abcdef"), "resid_post.14", "forward")
    b = vv.Dictionary(rows.flip(0), list("fedcba"), "resid_post.14", "backward")
    pair = dual_layout(a, b, model=model, texts=TEXTS, cache=False, n_epochs=10)
    assert (pair.match, pair.unit, pair.mode) == ("activation", "token", "joint")
    assert (pair.matches.label_a == pair.matches.label_b).all()
    assert len(pair.matches) == 6
    assert pair.n_rows > 30
    assert all(pair.a.promoted)
    apart = dual_layout(a, b, model=model, texts=TEXTS, mode="separate", cache=False, n_epochs=10)
    assert len(apart.matches) == 6


def test_dictionaries_of_two_models_are_matched_by_what_they_do(model):
    other = tiny.wrapped("llama")
    random = np.random.default_rng(0)
    rows = random.standard_normal((20, other.d_model)).astype("float32")
    small = vv.Dictionary(rows, [f"d{i}" for i in range(20)], "resid_post.1", "small")
    large = vv.Dictionary(
        random.standard_normal((20, model.d_model)).astype("float32"),
        [f"e{i}" for i in range(20)],
        "resid_post.9",
        "large",
    )
    with pytest.raises(ValueError, match="give the model that small belongs to as model_b"):
        dual_layout(large, small, model, TEXTS)
    pair = dual_layout(large, small, model, TEXTS, model_b=other, cache=False, n_epochs=10)
    assert (pair.mode, pair.match) == ("separate", "activation")
    assert pair.unit in ("token", "word")
    assert pair.n_rows > 20
    assert 0 <= pair.disparity <= 1
    assert (pair.a.model, pair.b.model) == (model.name, other.name)


def words(text, cuts):
    """Tokens that end at the given places."""
    from volvelle.models.engine.tokens import Tokens

    stops = [*cuts, len(text)]
    offsets = np.array(list(zip([0, *cuts], stops, strict=True)))
    strings = tuple(text[start:stop] for start, stop in offsets)
    n = len(stops)
    return Tokens(np.arange(n), strings, offsets, np.zeros(n, bool), np.arange(n), text)


def test_models_that_cut_text_differently_are_compared_word_by_word():
    import scipy.sparse as sp

    from volvelle.experiments.maps.reading import Reading, aligned

    text = "He had never feared it"
    by_word = words(text, [2, 6, 12, 19])
    in_pieces = words(text, [1, 2, 6, 9, 12, 15, 19])
    codes = [sp.csr_array(np.arange(1.0, n + 1)[:, None]) for n in (5, 8)]
    scored = [np.arange(n) > 0 for n in (5, 8)]
    first = Reading(codes[0], (by_word,), scored[0])
    second = Reading(codes[1], (in_pieces,), scored[1])
    a, b, unit = aligned(first, second)
    assert unit == "word"
    # "He" is position 0 of one of them: neither compares it
    assert a.toarray().ravel().tolist() == [2, 3, 4, 5]
    assert b.toarray().ravel().tolist() == [3, 4 + 5, 6 + 7, 8]
    assert aligned(first, first)[2] == "token"


def test_the_axes_are_painted_first_and_a_stop_keeps_the_layout_but_not_the_file():
    seen = []

    def paint(picture):
        seen.append(picture)
        return picture.epoch == 10

    pair = dual_layout(*planted(), on_picture=paint)
    assert seen[0].label == "principal axes"
    assert [p.epoch for p in seen] == [0, 5, 10]
    assert pair.n_epochs == 10
    np.testing.assert_array_equal(pair.xy_a, seen[-1].xy_a)
    assert not list((vv.cache_dir() / "layouts").glob("*"))


def test_the_second_time_is_read_from_the_cache(monkeypatch):
    a, b = planted()
    first = dual_layout(a, b, n_epochs=10)
    monkeypatch.setattr("volvelle.experiments.maps.dual_layout.MapWork", None)
    again = dual_layout(a, b, n_epochs=10)
    assert repr(again) == repr(first)
    for other in ({"seed": 1}, {"n_epochs": 11}, {"n_neighbors": 10}, {"match": "decoder"}):
        if other == {"match": "decoder"}:
            assert repr(dual_layout(a, b, n_epochs=10, **other)) == repr(first)
            continue
        with pytest.raises(TypeError):  # MapWork is gone: it would have been made anew
            dual_layout(a, b, **{"n_epochs": 10, **other})
    with pytest.raises(TypeError):
        dual_layout(a, b + 1e-3, n_epochs=10)


def test_matches_by_activation_are_made_again_for_another_encoder_or_model(model, monkeypatch):
    random = np.random.default_rng(0)
    a, b = (
        sae(v, n, "resid_post.1", "") for v, n in zip(planted(20, model.d_model), "ab", strict=True)
    )
    texts = ["one two three four five six seven"]
    first = dual_layout(a, b, model, texts, n_epochs=2)
    monkeypatch.setattr("volvelle.experiments.maps.dual_layout.MapWork", None)
    assert repr(dual_layout(a, b, model, texts, n_epochs=2)) == repr(first)
    late = replace(b, weights={**b.weights, "b_enc": b.b_enc - 0.5})
    with pytest.raises(TypeError):  # it would have been made anew
        dual_layout(a, late, model, texts, n_epochs=2)
    monkeypatch.setattr(module, "fingerprint", lambda _: str(random.random()))
    with pytest.raises(TypeError):
        dual_layout(a, b, model, texts, n_epochs=2)


def test_a_broken_cache_is_made_again():
    a, b = planted()
    first = dual_layout(a, b, n_epochs=5)
    (kept,) = (vv.cache_dir() / "layouts").glob("*.safetensors")
    kept.write_bytes(b"no")
    assert repr(dual_layout(a, b, n_epochs=5)) == repr(first)


def test_progress_grows_and_can_end_the_work():
    seen = []
    dual_layout(*planted(), cache=False, n_epochs=10, progress=lambda f, t: seen.append((f, t)))
    fractions = [fraction for fraction, _ in seen]
    assert fractions == sorted(fractions)
    assert any("neighbours" in text for _, text in seen)

    def enough(_fraction, _text):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        dual_layout(*planted(), cache=False, progress=enough)


def test_the_joint_map_is_of_unit_rows_of_both_together():
    a, b = planted()
    scaled = dual_layout(4 * a, b, cache=False, n_epochs=10)
    plain = dual_layout(a, b, cache=False, n_epochs=10)
    np.testing.assert_allclose(scaled.xy_a, plain.xy_a, atol=1e-3)
    x = np.vstack([unit_rows(a), unit_rows(b)])
    assert len(plain.graphs[0].indices) == len(x)


def test_modules_agree_on_what_is_exported():
    assert set(module.__all__) == {"DualLayout", "dual_layout"}


@pytest.mark.parametrize(
    "given",
    [{"seed": None}, {"seed": True}, {"seed": 2**40}, {"n_epochs": 3.0}, {"n_neighbors": 0}],
)
def test_a_setting_that_is_no_whole_number_is_refused_before_the_work(given):
    (name,) = given
    with pytest.raises((TypeError, ValueError), match=f"{name}=.* must be a whole number"):
        dual_layout(np.eye(8), np.eye(8), cache=False, **given)
