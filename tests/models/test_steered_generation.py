"""Steering inside generation: held against plain hooks, padding, batches, early ends."""

from __future__ import annotations

import numpy as np
import pytest
from models import plain_steering as plain
from models import tiny

import volvelle as vv
from volvelle.compute.dictionaries.sae import SparseAutoencoder
from volvelle.models.steering.steered import Steered, steers_of_rows
from volvelle.models.verbs.write import generate_rows, row_seed

FAMILIES = ("llama", "gpt2", "gemma2", "gpt_neox", "opt", "bloom", "falcon", "qwen3")
PROMPT = "she looked at"
D = tiny.WIDTH


def direction(seed=0, layer=1, d=D, size=1.0):
    vector = np.random.default_rng(seed).standard_normal(d) * size
    return vv.Direction(vector, f"v{seed}", f"resid_post.{layer}")


def torch_of(array):
    import torch

    return torch.tensor(np.asarray(array, dtype=np.float32))


@pytest.fixture(scope="module")
def small():
    return tiny.wrapped("llama")


@pytest.fixture(scope="module")
def hf():
    return tiny.hf("llama")


@pytest.fixture(scope="module")
def sae():
    rng = np.random.default_rng(5)
    weights = {
        "W_enc": rng.standard_normal((D, 64)),
        "W_dec": rng.standard_normal((64, D)),
        "b_enc": rng.standard_normal(64),
        "b_dec": rng.standard_normal(D),
    }
    return SparseAutoencoder(weights, "topk", "resid_post.1", name="s", k=8, a_max=np.full(64, 3.0))


def run(model, rows, prompts=PROMPT, n=8, **how):
    """Generate rows, each with its steers; every token's log-probability at every step."""
    prompts = [prompts] * len(rows) if isinstance(prompts, str) else prompts
    ids = [model.prompt_ids(prompt) for prompt in prompts]
    steered = Steered(model, rows, ids, n, noting=True)
    watch = range(model.vocabulary)
    written = generate_rows(model, ids, steered, max_new_tokens=n, watch=watch, **how)
    return written, steered.applied


# -- against plain hooks ---------------------------------------------------------------------


@pytest.mark.parametrize("family", FAMILIES)
def test_logits_equal_plain_hooks_in_every_family(family):
    model, hf = tiny.wrapped(family), tiny.hf(family)
    v = direction(size=3.0)
    (written,), _ = run(model, [[vv.Steer(v, 0.7, unit="raw")]])
    edits = [(1, plain.later_than_first(plain.added(0.7 * torch_of(v.vector))))]
    ids, logp = plain.greedy(hf, written.prompt_ids, 8, edits, model.eos_ids)
    assert written.ids.tolist() == ids
    np.testing.assert_allclose(written.watched, logp, atol=1e-4)


def cases(sae):
    v, t = direction(1), direction(2)
    u, w = torch_of(v.unit), torch_of(t.unit)
    feature = sae.feature(9)
    return {
        "orthogonal": (vv.Steer(v, method="orthogonal", c=3.0), plain.component_times(u, 3.0)),
        "ablate": (vv.Steer(v, method="ablate"), plain.without(u)),
        "half ablate": (vv.Steer(v, 0.5, method="ablate"), plain.component_times(u, 0.5)),
        "cap": (
            vv.Steer(v, unit="raw", method="projection_cap", min=-0.1, max=0.2),
            plain.capped(u, -0.1, 0.2),
        ),
        "swap": (vv.Steer(v, method="swap", target=t), plain.swapped(u, w)),
        "clamp": (vv.Steer(feature, method="clamp", target=6.0), plain.clamped(sae, 9, 6.0)),
        "clamp max_act": (
            vv.Steer(feature, unit="max_act", method="clamp", target=2.0),
            plain.clamped(sae, 9, 6.0),
        ),
        "max_act": (
            vv.Steer(feature, 0.5, unit="max_act"),
            plain.added(0.5 * 3.0 * torch_of(feature.vector)),
        ),
    }


@pytest.mark.parametrize(
    "case",
    ["orthogonal", "ablate", "half ablate", "cap", "swap", "clamp", "clamp max_act", "max_act"],
)
def test_logits_of_every_method_equal_plain_hooks(small, hf, sae, case):
    steer, change = cases(sae)[case]
    (written, base), _ = run(small, [[steer], []])
    ids, logp = plain.greedy(
        hf, written.prompt_ids, 8, [(1, plain.later_than_first(change))], small.eos_ids
    )
    assert written.ids.tolist() == ids
    np.testing.assert_allclose(written.watched, logp, atol=1e-4)
    assert np.abs(written.watched[0] - base.watched[0]).max() > 1e-3


def test_the_norm_unit_is_the_median_norm_of_the_point_along_the_unit_vector(small, hf):
    v = direction(3, size=17.0)
    (written,), _ = run(small, [[vv.Steer(v, 0.4)]])
    vector = 0.4 * small.norm("resid_post.1") * torch_of(v.unit)
    edits = [(1, plain.later_than_first(plain.added(vector)))]
    ids, logp = plain.greedy(hf, written.prompt_ids, 8, edits, small.eos_ids)
    assert written.ids.tolist() == ids
    np.testing.assert_allclose(written.watched, logp, atol=1e-4)


def test_several_steers_at_several_layers_act_in_the_order_of_the_forward_pass(small, hf):
    late, early, again = direction(1, 3), direction(2, 0), direction(3, 3)
    steers = [
        vv.Steer(late, 0.5, unit="raw"),
        vv.Steer(early, method="ablate"),
        vv.Steer(again, method="ablate"),
    ]
    (written,), _ = run(small, [steers])
    edits = [
        (0, plain.later_than_first(plain.without(torch_of(early.unit)))),
        (3, plain.later_than_first(plain.added(0.5 * torch_of(late.vector)))),
        (3, plain.later_than_first(plain.without(torch_of(again.unit)))),
    ]
    ids, logp = plain.greedy(hf, written.prompt_ids, 8, edits, small.eos_ids)
    assert written.ids.tolist() == ids
    np.testing.assert_allclose(written.watched, logp, atol=1e-4)


def test_a_scaled_head_equals_a_plain_hook_on_its_slice(small, hf):
    width = D // 4

    def halved(position, z):
        z = z.clone()
        if position:
            z[2 * width : 3 * width] *= -1.5
        return z

    (written,), _ = run(small, [[vv.HeadScale(2, 2, factor=-1.5)]])
    with plain.hooked_input(plain.block(hf, 2).self_attn.o_proj, halved):
        ids, logp = plain.greedy(hf, written.prompt_ids, 8, (), small.eos_ids)
    assert written.ids.tolist() == ids
    np.testing.assert_allclose(written.watched, logp, atol=1e-4)


def test_the_demo_models_logits_equal_plain_hooks(model):
    import torch

    v = direction(0, 14, 576)
    steer = vv.Steer(v, 0.15)
    prompt = "When I woke up this morning, I"
    ids = model.prompt_ids(prompt)
    vector = 0.15 * model.norm("resid_post.14") * torch_of(v.unit)
    edits = [(14, plain.later_than_first(plain.added(vector)))]
    hf = model.nnsight._module
    with torch.no_grad(), plain.hooked(hf, edits):
        logits = hf(input_ids=torch.tensor([ids])).logits[0, -1]
    found = model.next_token(prompt, steer)[0]
    np.testing.assert_allclose(found, logits.log_softmax(-1), atol=1e-4)
    written = model.generate(prompt, steer, max_new_tokens=6)
    wanted, _ = plain.greedy(hf, ids, 6, edits)
    assert written.ids.tolist() == wanted


# -- strength 0 ------------------------------------------------------------------------------


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_strength_0_equals_the_unsteered_run_alone_and_in_a_batch(model, temperature):
    v = direction(0, 14, 576)
    how = {"max_new_tokens": 10, "temperature": temperature}
    prompt = "The man looked at the sky and"
    base = model.generate(prompt, seed=4, **how)
    alone = model.generate(prompt, vv.Steer(v, 0.0), seed=4, **how)
    assert alone.ids.tolist() == base.ids.tolist()
    ids = model.prompt_ids(prompt)
    rows = [[vv.Steer(v, s)] for s in (-0.3, 0.0, 0.3)]
    seeds = [row_seed(4, 0)] * 3
    batch = generate_rows(model, [ids] * 3, Steered(model, rows, [ids] * 3, 10), seeds=seeds, **how)
    assert batch[1].ids.tolist() == base.ids.tolist()
    assert batch[2].ids.tolist() != base.ids.tolist()


@pytest.mark.parametrize("case", ["add", "orthogonal", "ablate", "cap", "swap", "clamp", "head"])
def test_strength_0_of_every_method_is_bit_for_bit_the_unsteered_row(small, sae, case):
    made = cases(sae) | {
        "add": (vv.Steer(direction(), 9.0), None),
        "head": (vv.HeadScale(1, 0), None),
    }
    (off, _), applied = run(small, [[made[case][0].times(0)], []])
    # the same row of an unsteered batch: rounding differs between rows of one product
    (base, _), _ = run(small, [[], []])
    np.testing.assert_array_equal(off.watched, base.watched)
    assert not applied[0].masks.any()


# -- batches ---------------------------------------------------------------------------------


@pytest.mark.parametrize("temperature", [0.0, 1.2])
@pytest.mark.parametrize("family", ["llama", "gpt2", "bloom"])
def test_rows_of_a_padded_batch_equal_the_rows_run_alone(family, temperature):
    model = tiny.wrapped(family)
    prompts = ["I", "she looked at the letter and", "after he heard"]
    where = vv.Where(prompt=[-1], generated=(1, 4))
    rows = [
        [vv.Steer(direction(1, 2), 0.6)],
        [vv.Steer(direction(2, 0), -0.4, where=where), vv.Steer(direction(3, 2), method="ablate")],
        [],
    ]
    how = {"temperature": temperature}
    seeds = [row_seed(0, sample) for sample in range(3)]
    together, applied = run(model, rows, prompts, seeds=seeds, **how)
    for n in range(3):
        (alone,), applied_alone = run(model, [rows[n]], [prompts[n]], seeds=[seeds[n]], **how)
        assert together[n].ids.tolist() == alone.ids.tolist()
        np.testing.assert_allclose(together[n].watched, alone.watched, atol=1e-4)
        np.testing.assert_array_equal(applied[n].masks, applied_alone[0].masks)


def test_rows_of_different_strengths_equal_the_rows_run_alone(model):
    v = direction(0, 14, 576)
    prompt = "After the rain had stopped, the children"
    ids = model.prompt_ids(prompt)
    strengths = (-0.4, -0.2, 0.0, 0.2, 0.4)
    rows = [[vv.Steer(v, s)] for s in strengths]
    steered = Steered(model, rows, [ids] * 5, 8)
    together = generate_rows(model, [ids] * 5, steered, max_new_tokens=8)
    assert len({tuple(row.ids.tolist()) for row in together}) > 2
    for strength, row in zip(strengths, together, strict=True):
        alone = model.generate(prompt, vv.Steer(v, strength), max_new_tokens=8)
        assert row.ids.tolist() == alone.ids.tolist()


def test_rows_that_end_early_do_not_disturb_the_others(small, hf):
    # along the unembedding of the end token, at the last layer: that row ends at once
    end = vv.Direction(hf.lm_head.weight[1].detach(), "end", "resid_post.3")
    rows = [
        [vv.Steer(end, 60.0)],
        [vv.Steer(direction(1, 2), 0.6)],
        [vv.Steer(end, 60.0, where=vv.Where(prompt="none", generated=[2]))],
        [],
    ]
    prompts = ["a long first prompt", "I", "she", "after he heard"]
    together, applied = run(small, rows, prompts, n=10)
    assert [len(row.ids) for row in together][::2] == [1, 4]
    assert together[0].ended
    assert together[2].ended
    assert len(together[1].ids) > 4
    for n in (1, 3):
        (alone,), applied_alone = run(small, [rows[n]], [prompts[n]], n=10)
        assert together[n].ids.tolist() == alone.ids.tolist()
        np.testing.assert_allclose(together[n].watched, alone.watched, atol=1e-4)
        np.testing.assert_array_equal(applied[n].masks, applied_alone[0].masks)
    assert not applied[0].masks[:, len("a long first prompt") :].any()


@pytest.mark.parametrize("n", [3, 4, 7])
def test_a_batch_that_is_filled_up_shows_and_gives_only_its_own_rows(small, n):
    rows = [[vv.Steer(direction(k), 0.3)] for k in range(n)]
    seeds = [row_seed(0, k) for k in range(n)]
    streamed = []
    together, applied = run(
        small,
        rows,
        n=5,
        temperature=1.0,
        seeds=seeds,
        on_token=lambda *token: streamed.append(token),
        on_step=lambda _step, members, wrote: streamed.append((members, wrote)),
    )
    assert sorted(applied) == list(range(n))
    steps = [told for told in streamed if len(told) == 2]
    assert all(members == list(range(n)) for members, _ in steps)
    assert all(len(part) == n for _, wrote in steps for part in wrote)
    for k, row in enumerate(together):
        (alone,), _ = run(small, [rows[k]], n=5, temperature=1.0, seeds=[seeds[k]])
        assert row.ids.tolist() == alone.ids.tolist()
        told = [token for who, _, token in (t for t in streamed if len(t) == 3) if who == k]
        assert told == row.ids.tolist()


def test_streamed_equals_unstreamed(model):
    v = direction(0, 14, 576)
    for temperature in (0.0, 0.9):
        seen = []
        how = {"max_new_tokens": 8, "temperature": temperature, "seed": 2}
        streamed = model.generate(
            "I feel", vv.Steer(v, 0.2), on_token=lambda *t, into=seen: into.append(t), **how
        )
        silent = model.generate("I feel", vv.Steer(v, 0.2), **how)
        assert streamed.ids.tolist() == silent.ids.tolist() == [token for _, _, token in seen]


def test_rows_of_one_sample_share_their_noise_and_others_do_not(small):
    rows = [[vv.Steer(direction(), s)] for s in (0.0, 0.0, 1e-7, 0.0)]
    seeds = [row_seed(0, 0), row_seed(0, 1), row_seed(0, 0), row_seed(0, 0)]
    written, _ = run(small, rows, seeds=seeds, temperature=1.0)
    texts = [row.ids.tolist() for row in written]
    assert texts[0] == texts[2] == texts[3]
    assert texts[0] != texts[1]


# -- what is downstream ----------------------------------------------------------------------


def test_an_ablated_direction_has_no_projection_downstream_of_its_point(small, hf):
    import torch

    v = direction(4, 1)
    seen = []
    handle = plain.block(hf, 2).register_forward_pre_hook(
        lambda _m, given: seen.append(given[0][0].detach().clone())
    )
    try:
        (written,), applied = run(small, [[vv.Steer(v, method="ablate")]], n=6)
    finally:
        handle.remove()
    states = torch.cat(seen)
    assert len(states) == len(written.prompt_ids) + len(written.ids) - 1
    along = (states @ torch_of(v.unit)).abs() / states.norm(dim=-1)
    assert along[0] > 1e-3
    assert along[1:].max() < 1e-6
    assert applied[0].masks[0].tolist() == [False, *[True] * (len(states) - 1), False]


# -- where -----------------------------------------------------------------------------------

LETTERS = len(PROMPT)


@pytest.mark.parametrize(
    ("where", "prompt", "generated"),
    [
        (vv.Where(), range(1, LETTERS), range(5)),
        (vv.Where(first=True), range(LETTERS), range(5)),
        (vv.Where(prompt=[-1], generated="none"), [LETTERS - 1], []),
        (vv.Where(prompt=(2, 5), generated=[0, 3]), [2, 3, 4], [0, 3]),
        (vv.Where(prompt="none", generated=(2, None)), [], [2, 3, 4]),
        (vv.Where(prompt={"tokens": ["e"]}, generated="none"), [2, 8], []),
        (vv.Where(prompt={"exclude_positions": [-1]}), range(1, LETTERS - 1), range(5)),
    ],
)
def test_the_mask_applied_equals_the_mask_asked_for(small, hf, where, prompt, generated):
    v = direction(7, 2, size=2.0)
    (written,), applied = run(small, [[vv.Steer(v, 1.0, unit="raw", where=where)]], n=6)
    wanted = np.zeros(LETTERS + 6, dtype=bool)
    wanted[list(prompt)] = True
    wanted[[LETTERS + g for g in generated]] = True
    np.testing.assert_array_equal(applied[0].masks[0], wanted)
    size = applied[0].sizes["resid_post.2"]
    np.testing.assert_allclose(size[0][:-1], np.where(wanted[:-1], v.norm, 0), rtol=1e-5)
    assert np.isnan(size[0][-1])
    edit = lambda position, h: h + torch_of(v.vector) if wanted[position] else h  # noqa: E731
    ids, logp = plain.greedy(hf, written.prompt_ids, 6, [(2, edit)], small.eos_ids)
    assert written.ids.tolist() == ids
    np.testing.assert_allclose(written.watched, logp, atol=1e-4)


def test_generated_tokens_are_chosen_by_their_ids(small):
    (base,), _ = run(small, [[]], n=8)
    letter = int(base.ids[2])
    where = vv.Where(prompt="none", generated={"tokens": [letter]})
    (written,), applied = run(small, [[vv.Steer(direction(7, 2), 0.3, where=where)]], n=8)
    mask = applied[0].masks[0][LETTERS:]
    assert mask[:-1].tolist() == (written.ids[:-1] == letter).tolist()
    assert mask.any()


def test_special_tokens_are_left_out_unless_asked_for(model):
    v = direction(0, 14, 576)
    prompt = "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"
    ids = model.prompt_ids(prompt)
    special = np.isin(ids, model.special_ids)
    assert special.sum() == 3
    rows = [
        [vv.Steer(v, 0.1, where=vv.Where(special=special_, first=first))]
        for special_, first in ((False, False), (True, False), (False, True))
    ]
    _, applied = run_ids(model, ids, rows)
    later = np.arange(len(ids)) > 0
    masks = [applied[n].masks[0][: len(ids)] for n in range(3)]
    np.testing.assert_array_equal(masks[0], ~special & later)
    np.testing.assert_array_equal(masks[1], later)
    np.testing.assert_array_equal(masks[2], ~special | ~later)


def run_ids(model, ids, rows, n=2):
    steered = Steered(model, rows, [ids] * len(rows), n, noting=True)
    return generate_rows(model, [ids] * len(rows), steered, max_new_tokens=n), steered.applied


def test_a_condition_decides_token_by_token(small, hf):
    v, gate = direction(7, 2, size=2.0), direction(8, 0)
    where = vv.Where(when=vv.When(gate, above=0.2))
    (written,), applied = run(small, [[vv.Steer(v, 1.0, unit="raw", where=where)]], n=6)
    ids = [*written.prompt_ids.tolist(), *written.ids[:-1].tolist()]
    states = small.capture([ids], "resid_post.0")["resid_post.0"][0]
    wanted = states @ gate.unit > 0.2
    wanted[0] = False
    np.testing.assert_array_equal(applied[0].masks[0][:-1], wanted)
    assert 0 < wanted.sum() < len(wanted) - 1


def test_a_condition_reads_an_sae_feature_before_the_point_is_steered(small, sae):
    ids = small.prompt_ids(PROMPT)
    states = small.capture(PROMPT, "resid_post.1")["resid_post.1"][0]
    codes = sae.encode(states)
    feature = int(np.argmax((codes[1:] > 0).sum(0) % len(ids)))
    where = vv.Where(generated="none", when=vv.When(sae.feature(feature), above=0.0))
    rows = [[vv.Steer(direction(1, 1), 5.0, unit="raw", where=where)]]
    _, applied = run(small, rows, n=1)
    wanted = codes[:, feature] > 0
    wanted[0] = False
    np.testing.assert_array_equal(applied[0].masks[0][: len(ids)], wanted)


# -- next_token ------------------------------------------------------------------------------


def test_every_prompt_can_have_its_own_steers_in_one_forward_pass(model):
    v, w = direction(0, 14, 576), direction(1, 10, 576)
    prompts = ["I feel", "After he heard the news, he was", "I feel"]
    rows = [[vv.Steer(v, 0.2)], [vv.Steer(w, -0.2), vv.Steer(v, 0.1)], []]
    together = model.next_token(prompts, rows, tokens=[" happy", " sad"])
    for n, prompt in enumerate(prompts):
        alone = model.next_token(prompt, rows[n], tokens=[" happy", " sad"])
        np.testing.assert_allclose(together[n], alone[0], atol=1e-3)
    assert np.abs(together[0] - together[2]).max() > 0.1


def test_steers_are_given_for_all_prompts_or_for_each():
    one, two = vv.Steer(direction()), vv.HeadScale(0, 0)
    assert steers_of_rows(one, 2) == [[one], [one]]
    assert steers_of_rows([one, two], 2) == [[one, two], [one, two]]
    assert steers_of_rows([[one], [two]], 2) == [[one], [two]]
    assert steers_of_rows([[], one], 2) == [[], [one]]
    with pytest.raises(ValueError, match="2 rows, there are 3 prompts"):
        steers_of_rows([[one], [two]], 3)


# -- what does not fit -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("steer", "said"),
    [
        (lambda: vv.Steer(direction(d=7)), "7-dimensional, resid_post.1 of llama has 32"),
        (lambda: vv.Steer(direction(layer=9)), r"layer 9 is outside llama's 0\.\.\.3"),
        (lambda: vv.HeadScale(1, 4), r"head 4 is outside llama's 0\.\.\.3"),
        (
            lambda: vv.Steer(direction(), where=vv.Where(when=vv.When(direction(layer=2)))),
            "comes after the steered place",
        ),
        (lambda: vv.Steer(direction(), where=vv.Where(prompt=[0])), "first=True"),
        (lambda: vv.Steer(direction(), where=vv.Where(generated=[9])), "names none of the 4"),
    ],
)
def test_a_steer_that_does_not_fit_is_refused_before_anything_runs(small, steer, said):
    with pytest.raises((ValueError, IndexError), match=said):
        small.generate(PROMPT, steer(), max_new_tokens=4)


def test_what_is_no_steer_is_refused(small):
    with pytest.raises(TypeError, match=r"vv\.Steer\(direction"):
        small.generate(PROMPT, [direction()], max_new_tokens=4)
