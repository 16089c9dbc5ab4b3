"""`model.capture` on the demo model."""

from __future__ import annotations

import numpy as np
import pytest

from volvelle.models.verbs.capture import batches, find_outliers

TEXTS = ["The cat sat on the mat.", "I am", "She opened the letter slowly, and then she smiled."]


@pytest.fixture(scope="module")
def captured(model):
    return model.capture(TEXTS, "resid_post.14")


def test_a_state_is_the_hidden_state_of_transformers(model, captured):
    import torch

    ids = torch.tensor(model.tokens(TEXTS[2]).ids)[None]
    with torch.no_grad():
        states = model.nnsight._module(input_ids=ids, output_hidden_states=True).hidden_states
    np.testing.assert_allclose(
        captured["resid_post.14"][2, : ids.shape[1]], states[15][0].numpy(), atol=2e-3, rtol=1e-3
    )


def test_arrays_are_float32_text_token_width(model, captured):
    state = captured["resid_post.14"]
    assert state.dtype == np.float32
    assert state.shape == (3, max(len(model.tokens(text)) for text in TEXTS), 576)
    assert len(captured) == 3
    assert captured.tokens[1].strings == ("I", " am")


def test_a_text_has_the_same_states_alone_as_in_a_batch(model, captured):
    for row, text in enumerate(TEXTS):
        alone = model.capture(text, "resid_post.14")["resid_post.14"][0]
        np.testing.assert_allclose(
            captured["resid_post.14"][row, : len(alone)], alone, atol=5e-3, rtol=1e-3
        )


def test_three_spellings_are_one_point(model, captured):
    for spelling in ("model.layers.14.output", "blocks.14.hook_resid_post"):
        assert spelling in captured
        again = model.capture(TEXTS, spelling)
        np.testing.assert_array_equal(again["resid_post.14"], captured[spelling])


def test_last_is_the_last_token_and_mean_leaves_position_0_out(model, captured):
    last = model.capture(TEXTS, "resid_post.14", "last")["resid_post.14"]
    mean = model.capture(TEXTS, "resid_post.14", "mean")["resid_post.14"]
    for row, tokens in enumerate(captured.tokens):
        states = captured["resid_post.14"][row, : len(tokens)]
        np.testing.assert_allclose(last[row], states[-1], atol=5e-3, rtol=1e-3)
        usable = captured.usable[row, : len(tokens)]
        np.testing.assert_allclose(mean[row], states[usable].mean(0), atol=5e-3, rtol=1e-3)


@pytest.mark.parametrize(("text", "has"), [("I", "1 in all"), ("", "0 in all")])
def test_a_mean_over_nothing_but_position_0_is_refused(model, text, has):
    with pytest.raises(ValueError, match=rf"'{text}' has no other token \({has}\): give a sent"):
        model.capture(["I am", text], "resid_post.2", "mean")


def test_the_last_token_of_a_text_of_one_is_read_and_marked_as_position_0(model):
    one = model.capture(["I", "I am"], "resid_post.14", "last")
    raw = model.capture("I", "resid_post.14")["resid_post.14"][0, 0]
    np.testing.assert_allclose(one["resid_post.14"][0], raw, rtol=1e-3)
    assert one.usable.any(axis=1).tolist() == [False, True]
    assert "1 of them position 0: unfit for means" in repr(one)


def test_where_they_are_a_mean_over_nothing_is_no_number():
    import torch

    from volvelle.models.traces.reduce import reduce

    state = torch.randn(3, 4, 5, generator=torch.Generator().manual_seed(0))
    lengths = torch.tensor([1, 3, 4])
    mean, _ = reduce(state, lengths, "mean")
    assert mean.isnan().all(1).tolist() == [True, False, False]
    torch.testing.assert_close(mean[1], state[1, 1:3].mean(0))
    assert reduce(state, lengths, "norm")[1].isnan().flatten().tolist() == [True, False, False]


def test_position_0_is_extreme_and_marked_apart_from_outliers(captured):
    norms = np.linalg.norm(captured["resid_post.14"], axis=-1)
    assert norms[0, 0] > 50 * np.median(norms[0, 1:])
    assert captured.first.tolist() == [[True] + [False] * (norms.shape[1] - 1)] * 3
    assert not (captured.first & captured.outliers).any()
    assert not captured.usable[:, 0].any()
    assert not captured.usable[~captured.mask].any()


def test_a_token_of_extreme_norm_is_an_outlier():
    norms = np.ones((2, 9), dtype=np.float32)
    norms[:, 0] = 200  # position 0 must not lift the median, nor be called an outlier
    norms[0, 5], norms[1, 5] = 4.1, 3.9
    mask = np.ones((2, 9), dtype=bool)
    mask[1, 7:] = False
    norms[1, 7:] = 1000
    found = find_outliers(norms, mask)
    assert np.argwhere(found).tolist() == [[0, 5]]


def test_an_outlier_beside_one_other_token_is_found(model):
    text = model.capture(["one two three"], "resid_post.14")  # "two" is as extreme as "one"
    norms = np.linalg.norm(text["resid_post.14"][0], axis=-1)
    assert norms[1] > 50 * norms[2]
    assert text.outliers.tolist() == [[False, True, False]]


def test_outliers_marked_in_the_trace_are_those_marked_afterwards():
    import torch

    from volvelle.models.traces import reduce as trace

    norms = torch.rand(4, 30, generator=torch.Generator().manual_seed(0)) + 0.5
    norms[:, 0], norms[1, 7], norms[2, 11] = 300.0, 9.0, 40.0
    real = torch.ones(4, 30, dtype=torch.bool)
    real[3, 20:] = False
    norms[0, 1], real[0, 3:] = 40.0, False
    here = real.clone()
    here[:, 0] = False
    found = trace.outliers(norms, here).numpy()
    np.testing.assert_array_equal(found, find_outliers(norms.numpy(), real.numpy()))
    assert np.argwhere(found).tolist() == [[0, 1], [1, 7], [2, 11]]


def test_a_bare_number_is_refused_with_the_three_spellings(model):
    with pytest.raises(TypeError) as error:
        model.capture("hello", 14)
    for spelling in ("resid_post.14", "model.layers.14.output", "blocks.14.hook_resid_post"):
        assert spelling in str(error.value)


@pytest.mark.parametrize(
    ("points", "said"),
    [
        ("resid_post.40", r"layer 40 is outside smollm2's 0\.\.\.29"),
        ("resid_port.4", "unknown point 'resid_port.4'"),
        ("z.30", r"layer 30 is outside smollm2's 0\.\.\.29"),
    ],
)
def test_a_point_that_is_not_there_is_refused(model, points, said):
    with pytest.raises(ValueError, match=said):
        model.capture("hello", points)


def test_an_unknown_keyword_names_the_closest(model):
    with pytest.raises(TypeError, match="did you mean 'positions'"):
        model.capture("hello", "resid_post.1", position="last")
    with pytest.raises(ValueError, match="did you mean 'mean'"):
        model.capture("hello", "resid_post.1", "meen")


def test_a_point_that_was_not_captured_is_named(captured):
    with pytest.raises(KeyError, match=r"resid_post\.14"):
        captured["resid_post.15"]


def test_a_text_over_the_context_points_to_the_windows(model):
    with pytest.raises(ValueError, match=r"8,?\d* tokens.*smollm2 reads 8192.*capture_windows"):
        model.capture("word " * 8300, "resid_post.0")


def test_an_empty_text_is_a_row_of_padding(model):
    found = model.capture(["", "I am"], "resid_post.3")
    assert found.mask.sum(1).tolist() == [0, 2]
    assert not found["resid_post.3"][0].any()
    assert model.capture("", "resid_post.3")["resid_post.3"].shape[:2] == (1, 0)


def test_tokens_and_ids_may_be_given_for_texts(model, captured):
    tokens = model.tokens(TEXTS[0])
    for given in (tokens, [tokens], tokens.ids.tolist(), [tokens.ids]):
        found = model.capture(given, "resid_post.14")["resid_post.14"][0]
        np.testing.assert_allclose(
            found, captured["resid_post.14"][0, : len(tokens)], atol=5e-3, rtol=1e-3
        )


def test_batches_pad_little_and_stay_within_their_budget():
    rng = np.random.default_rng(0)
    lengths = [int(n) for n in rng.integers(0, 900, 200)] + [5000]
    plan = batches(lengths, n_wide=576, max_tokens=4096, max_numbers=2**27)
    assert sorted(n for members in plan for n in members) == list(range(201))
    for members in plan:
        widest = max(lengths[n] for n in members)
        assert len(members) == 1 or len(members) * widest <= 4096
        assert widest <= 2 * min(lengths[n] for n in members) + 8


def test_memory_bounds_a_batch_of_many_points():
    plan = batches([100] * 50, n_wide=30 * 576, max_tokens=4096, max_numbers=2**22)
    assert all(len(members) * 100 * 30 * 576 <= 2**22 for members in plan)


def test_progress_is_told(model):
    told = []
    model.capture(
        TEXTS, "resid_post.2", progress=lambda fraction, text: told.append((fraction, text))
    )
    fractions = [fraction for fraction, _ in told]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    assert "tokens" in told[-1][1]


def test_a_repr_is_short_and_true(captured):
    assert repr(captured) == (
        f"Capture(3 texts, {captured.mask.sum()} tokens, resid_post.14, positions='all')"
    )


# -- prefix reuse ----------------------------------------------------------------------------

EDITS = [
    "The old man looked at the sea and said nothing for a while.",
    "The old man looked at the sea and said nothing for a while. Then",
    "The old man looked at the sky and said nothing for a while. Then",
    "The old man looked",
    "An old man looked at the sky",
]


def test_an_edited_text_equals_a_full_run(model):
    points = ["resid_post.14", "mlp_out.3"]
    model.prefixes.clear()
    for text in EDITS:
        quick = model.capture(text, points, reuse=True)
        full = model.capture(text, points)
        for point in points:
            np.testing.assert_allclose(quick[point], full[point], atol=5e-3, rtol=1e-3)
        np.testing.assert_array_equal(quick.outliers, full.outliers)


def test_only_what_changed_runs(model):
    ran = []
    layer = model.nnsight._module.model.layers[0]
    model.prefixes.clear()
    model.capture(EDITS[0], "resid_post.14", reuse=True)
    hook = layer.register_forward_pre_hook(
        lambda _m, args, kwargs: ran.append((args or (kwargs["hidden_states"],))[0].shape[1]),
        with_kwargs=True,
    )
    try:
        model.capture(EDITS[1], "resid_post.14", reuse=True)  # one more word
        model.capture(EDITS[1], "resid_post.14", reuse=True)  # nothing
        model.capture(EDITS[2], "resid_post.14", reuse=True)  # from the changed word on
        model.capture(EDITS[2], ["resid_post.14", "resid_post.15"], reuse=True)  # deeper: all
    finally:
        hook.remove()
    n = len(model.tokens(EDITS[2]))
    changed = EDITS[2].split().index("sky")
    assert ran == [1, n - changed, n]


def test_each_text_of_a_set_is_reused(model):
    model.prefixes.clear()
    model.capture(TEXTS, "resid_post.3", reuse=True)
    changed = [TEXTS[0], TEXTS[1] + " here", TEXTS[2]]
    quick = model.capture(changed, "resid_post.3", reuse=True)
    full = model.capture(changed, "resid_post.3")
    np.testing.assert_allclose(quick["resid_post.3"], full["resid_post.3"], atol=5e-3, rtol=1e-3)


def test_a_run_that_fails_leaves_nothing_to_reuse(model, monkeypatch):
    model.prefixes.clear()
    model.capture(EDITS[0], "resid_post.3", reuse=True)
    with monkeypatch.context() as patch:
        patch.setattr("volvelle.models.verbs.read.read_body", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            model.capture(EDITS[1], "resid_post.3", reuse=True)
    assert len(model.prefixes) == 0


def test_what_is_kept_is_not_what_the_caller_may_change(model):
    model.prefixes.clear()
    first = model.capture(EDITS[0], "resid_post.3", reuse=True)["resid_post.3"]
    wanted = first.copy()
    first[:] = 0
    again = model.capture(EDITS[0], "resid_post.3", reuse=True)["resid_post.3"]
    np.testing.assert_array_equal(again, wanted)


# -- windows ---------------------------------------------------------------------------------


def test_a_text_that_fits_is_one_window(model):
    found = model.capture_windows(TEXTS[0], "resid_post.5")
    np.testing.assert_allclose(
        found.states, model.capture(TEXTS[0], "resid_post.5")["resid_post.5"][0], atol=1e-4
    )
    assert [tuple(window) for window in found.windows] == [(0, len(found.tokens), 0)]


def test_a_long_text_runs_in_windows_that_use_no_first_token(model):
    text = " ".join(TEXTS) * 6
    found = model.capture_windows(text, "resid_post.5", window=32, overlap=8)
    whole = model.capture(text, "resid_post.5")["resid_post.5"][0]
    assert len(found.windows) > 3
    assert found.left_out.tolist() == [True] + [False] * (len(found.tokens) - 1)
    np.testing.assert_allclose(found.states[:32], whole[:32], atol=5e-3, rtol=1e-3)
    for before, after in zip(found.windows, found.windows[1:], strict=False):
        alone = model.capture(found.tokens[before.start : before.stop], "resid_post.5")
        here = alone["resid_post.5"][0, after.start - before.start]
        np.testing.assert_allclose(found.states[after.start], here, atol=5e-3, rtol=1e-3)


def test_a_window_over_the_context_is_refused(model):
    with pytest.raises(ValueError, match="window=9000 must be a whole number, 2 to 8,192"):
        model.capture_windows("hello", "resid_post.5", window=9000)
