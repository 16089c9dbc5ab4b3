"""Texts scored by the unsteered model, whole and from where steering began."""

from __future__ import annotations

import numpy as np
import pytest
from models import tiny

import volvelle as vv
from volvelle.models.steering.steered import Steered
from volvelle.models.verbs.score import score
from volvelle.models.verbs.write import generate_rows

FAMILIES = ("llama", "gpt2", "gemma2", "gpt_neox", "opt", "bloom", "falcon", "qwen3")
PROMPTS = ("a long first prompt", "I", "she", "after he heard")
D = tiny.WIDTH


def direction(layer, vector=None, kind="resid_post"):
    vector = np.random.default_rng(layer).standard_normal(D) if vector is None else vector
    return vv.Direction(vector, f"v{layer}", f"{kind}.{layer}")


def written(model, rows, n=6):
    """Write steered rows; what `score` takes of them, and what writing left behind."""
    prompts = [model.prompt_ids(prompt) for prompt in PROMPTS]
    steered = Steered(model, rows, prompts, n, keeping=True)
    found = generate_rows(model, prompts, steered, max_new_tokens=n)
    texts = [(one.prompt_ids.tolist(), one.ids.tolist()) for one in found]
    return texts, [steered.known.get(row) for row in range(len(rows))]


def expected(hf, prompt, continuation):
    """Log-probabilities of a text in plain transformers."""
    import torch

    with torch.no_grad():
        logp = hf(input_ids=torch.tensor([[*prompt, *continuation]])).logits[0].log_softmax(-1)
    return [float(logp[len(prompt) - 1 + i, token]) for i, token in enumerate(continuation)]


def blocks_run(model, work):
    """Return which blocks of a model compute while some work is done."""
    stack = model.nnsight._module.get_submodule(model.layout.blocks)
    seen = set()
    parts = [
        block.get_submodule(model.layout.mlp[n]).register_forward_hook(lambda *_, n=n: seen.add(n))
        for n, block in enumerate(stack)
    ]
    try:
        work()
    finally:
        for part in parts:
            part.remove()
    return sorted(seen)


@pytest.mark.parametrize("family", FAMILIES)
def test_scores_equal_plain_transformers_from_where_steering_began(family):
    model, hf = tiny.wrapped(family), tiny.hf(family)
    steers = [vv.Steer(direction(2), 0.4), vv.Steer(direction(1), 0.4)]
    texts, known = written(model, [steers] * 3 + [[]])
    whole, resumed = score(model, texts), score(model, texts, known=known)
    for n, text in enumerate(texts):
        np.testing.assert_allclose(whole[n], expected(hf, *text), atol=1e-3)
        np.testing.assert_allclose(resumed[n], whole[n], atol=1e-4)


def test_the_blocks_before_the_first_steered_place_do_not_run_again():
    model = tiny.wrapped("llama")
    texts, known = written(model, [[vv.Steer(direction(1), 0.4), vv.Steer(direction(2), 0.4)]] * 4)
    assert [one.depth for one in known] == [2] * 4
    assert blocks_run(model, lambda: score(model, texts, known=known)) == [2, 3]
    assert blocks_run(model, lambda: score(model, texts)) == [0, 1, 2, 3]


def test_rows_that_ended_early_are_scored_to_their_end():
    model, hf = tiny.wrapped("llama"), tiny.hf("llama")
    end = vv.Direction(hf.lm_head.weight[1].detach(), "end", "resid_post.3")
    late = vv.Where(prompt="none", generated=[2])
    rows = [
        [vv.Steer(end, 60.0)],
        [vv.Steer(end, 60.0, where=late)],
        [vv.Steer(direction(3), 0.5)],
        [vv.Steer(direction(3), 0.0)],
    ]
    texts, known = written(model, rows, n=8)
    assert [len(text) for _, text in texts[:2]] == [1, 4]
    for found, text in zip(score(model, texts, known=known), texts, strict=True):
        np.testing.assert_allclose(found, expected(hf, *text), atol=1e-3)


@pytest.mark.parametrize("kind", ["mlp_out", "embed"])
def test_where_no_block_gave_the_state_all_blocks_run(kind):
    model = tiny.wrapped("llama")
    point = "embed" if kind == "embed" else "mlp_out.2"
    steer = vv.Steer(vv.Direction(np.ones(D), "v", point), 0.4)
    texts, known = written(model, [[steer]] * 4)
    assert known == [None] * 4
    assert len(score(model, texts, known=known)) == 4


def test_rows_that_know_different_depths_are_scored_whole():
    model, hf = tiny.wrapped("llama"), tiny.hf("llama")
    shallow, shallow_known = written(model, [[vv.Steer(direction(1), 0.4)]] * 4)
    deep, deep_known = written(model, [[vv.Steer(direction(3), 0.4)]] * 4)
    texts = [*shallow[:2], *deep[:2]]
    found = score(model, texts, known=[*shallow_known[:2], *deep_known[:2]])
    for one, text in zip(found, texts, strict=True):
        np.testing.assert_allclose(one, expected(hf, *text), atol=1e-3)


# -- behind the text of the unsteered model --------------------------------------------------


def sweep(family, strengths=(0.0, 0.02, 0.3, 0.6, 0.9), n=8, kind="resid_post", temperature=0.0):
    """Write one prompt at several strengths, the first unsteered."""
    model = tiny.wrapped(family)
    ids = model.prompt_ids("she looked at")
    rows = [[vv.Steer(direction(2, kind=kind), s)] for s in strengths]
    steered = Steered(model, rows, [ids] * len(rows), n, keeping=True)
    how = {"max_new_tokens": n, "temperature": temperature, "seeds": [3] * len(rows)}
    found = generate_rows(model, [ids] * len(rows), steered, **how)
    texts = [(ids, one.ids.tolist()) for one in found]
    known = [steered.known.get(row) for row in range(len(rows))]
    return model, texts, known, steered.beginning(0, found[0])


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("kind", ["resid_post", "mlp_out"])
def test_scores_behind_a_shared_beginning_equal_plain_transformers(family, kind):
    model, texts, known, beginning = sweep(family, kind=kind)
    # a window's cache forgets what a shorter text needs
    assert (beginning is None) == (family == "gemma2")
    found = score(model, texts, known=known, beginning=beginning)
    for one, text in zip(found, texts, strict=True):
        np.testing.assert_allclose(one, expected(tiny.hf(family), *text), atol=1e-3)


def test_only_what_follows_the_shared_beginning_runs(monkeypatch):
    from volvelle.models.verbs import score as scoring

    model, texts, known, beginning = sweep("llama", temperature=0.7)
    shared = [beginning.shared([*prompt, *text]) for prompt, text in texts]
    assert shared[0] == len(beginning.ids)
    assert len(set(shared)) > 1
    monkeypatch.setattr(scoring, "PASS", 0)
    read = []
    stack = model.nnsight._module.model.layers[3]
    hook = stack.register_forward_pre_hook(lambda _, given: read.append(given[0].shape[:2]))
    try:
        found = score(model, texts, known=known, beginning=beginning)
    finally:
        hook.remove()
    # one token more than is not shared: the one that predicts the first of them
    ends = [len(prompt) + len(text) for prompt, text in texts]
    wanted = sum(end - min(s, end - 1) for s, end in zip(shared, ends, strict=True))
    assert sum(rows * tokens for rows, tokens in read) == wanted
    for one, text in zip(found, texts, strict=True):
        np.testing.assert_allclose(one, expected(tiny.hf("llama"), *text), atol=1e-3)


def test_a_beginning_behind_another_prompt_is_not_used():
    model, texts, _, beginning = sweep("llama")
    other = [(model.prompt_ids("he looked at"), text) for _, text in texts]
    assert beginning.shared(other[0][0]) < len(other[0][0])
    for one, text in zip(score(model, other, beginning=beginning), other, strict=True):
        np.testing.assert_allclose(one, expected(tiny.hf("llama"), *text), atol=1e-3)


@pytest.mark.parametrize("most", [10_000, 60, 1])
def test_rows_are_divided_into_passes_that_run_few_tokens_twice(most):
    from volvelle.models.verbs.score import PASS, _passes

    rng = np.random.default_rng(0)
    starts = rng.integers(5, 50, 12).tolist()
    lengths = [50 + int(n) for n in rng.integers(0, 5, 12)]
    found = _passes(lengths, starts, most)
    assert sorted(n for group in found for n in group) == list(range(12))

    def cost(groups):
        sizes = [
            len(group) * (max(lengths[n] for n in group) - min(starts[n] for n in group))
            for group in groups
        ]
        assert all(size <= most or len(g) == 1 for size, g in zip(sizes, groups, strict=True))
        return sum(sizes) + PASS * len(groups)

    one_by_one = [[n] for n in range(12)]
    assert cost(found) <= cost(one_by_one)
    if most == 10_000:
        assert cost(found) < cost([list(range(12))])


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("pass_rows", [1, 3, 64])
def test_what_is_written_and_scored_in_one_request_equals_writing_then_scoring(
    family, pass_rows, monkeypatch
):
    model, n = tiny.wrapped(family), 6
    monkeypatch.setattr("volvelle.models.verbs.write.MOST_LOGITS", pass_rows * model.vocabulary * n)
    prompts = [model.prompt_ids(prompt) for prompt in PROMPTS]

    def write(asked):
        steered = Steered(model, [[vv.Steer(direction(2), 0.4)]] * 4, prompts, n, noting=True)
        return generate_rows(asked, prompts, steered, max_new_tokens=n, scoring=True), steered

    # here `score` is faster, and nothing is scored on the way
    (plain, noted), (both, noted_too) = write(model), write(tiny.taken_for_remote(model))
    scores = score(model, [(one.prompt_ids.tolist(), one.ids.tolist()) for one in plain])
    for row in range(4):
        assert plain[row].base_logprobs is None
        np.testing.assert_array_equal(both[row].ids, plain[row].ids)
        np.testing.assert_allclose(both[row].base_logprobs, scores[row], atol=1e-4)
        for point, size in noted.applied[row].sizes.items():
            np.testing.assert_allclose(noted_too.applied[row].sizes[point], size, atol=1e-5)


def test_of_a_row_that_ended_early_only_what_it_wrote_is_scored_with_the_rest():
    model, hf = tiny.wrapped("llama"), tiny.hf("llama")
    end = vv.Direction(hf.lm_head.weight[1].detach(), "end", "resid_post.3")
    prompts = [model.prompt_ids(prompt) for prompt in PROMPTS[:2]]
    rows = [[vv.Steer(end, 60.0)], [vv.Steer(direction(3), 0.5)]]
    steered = Steered(model, rows, prompts, 8)
    there = tiny.taken_for_remote(model)
    found = generate_rows(there, prompts, steered, max_new_tokens=8, scoring=True)
    assert len(found[0].ids) == 1 < len(found[1].ids)
    for one in found:
        text = (one.prompt_ids.tolist(), one.ids.tolist())
        np.testing.assert_allclose(one.base_logprobs, expected(hf, *text), atol=1e-3)
