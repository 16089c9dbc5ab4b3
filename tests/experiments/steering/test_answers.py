"""What `vv.steer` says of answers, and which tokens were steered."""

from __future__ import annotations

import numpy as np
import pytest
from models import tiny
from models.tiny import direction

import volvelle as vv

D = tiny.WIDTH
PROMPT = "she looked at"

WHERE = {
    "everywhere": vv.Where(),
    "only the prompt": vv.Where(generated="none"),
    "only what is generated": vv.Where(prompt="none"),
    "one place": vv.Where(prompt="none", generated=[1]),
    "letters": vv.Where(prompt="none", generated={"tokens": ["b", "c"], "exclude_positions": [1]}),
    "all but a letter": vv.Where(generated={"exclude_tokens": ["b"]}),
}


def answered(model, prompt, steers, answer):
    """Log-probability of an answer, its tokens forced one by one on a generation."""
    import torch

    from volvelle.models.steering.steered import Steered

    ids, tokens = model.prompt_ids(prompt), model.tokens(answer).ids.tolist()
    steered = Steered(model, [steers], [ids], len(tokens))
    ((_, payload),) = steered([0])
    kept, total = [*ids], 0.0
    (op,) = payload["ops"]
    for step, token in enumerate(tokens):
        # an independent reading of the same masks: one whole pass for each token
        later = [
            bool(op["generated"][0, n])
            or (op["include"] is not None and tokens[n] in op["include"][0].tolist()
                and bool(op["kept"][0, n]))
            for n in range(step)
        ]  # fmt: skip
        out = [] if op["exclude"] is None else op["exclude"][0].tolist()
        later = [on and tokens[n] not in out for n, on in enumerate(later)]
        mask = torch.tensor([*op["prompt"][0].tolist(), *later])[:, None]
        delta = op["strength"][0] * op["vector"][0]

        def hook(_module, _inputs, states, mask=mask, delta=delta):
            return states + mask * delta

        handle = tiny.hf("llama").model.layers[1].register_forward_hook(hook)
        with torch.no_grad():
            logp = tiny.hf("llama")(input_ids=torch.tensor([kept])).logits[0, -1].log_softmax(-1)
        handle.remove()
        total += float(logp[token])
        kept.append(token)
    return total


@pytest.mark.parametrize("where", WHERE)
def test_an_answer_of_several_tokens_is_the_product_of_its_tokens_under_the_steer(small, where):
    steer = vv.Steer(direction(), 0.5, where=WHERE[where])
    run = vv.steer(small, PROMPT, steer, (-1, 1), 2, watch=["abcb", "e"], max_new_tokens=4)
    assert run.watch == ("abcb", "e")
    for strength in run.strengths:
        row = run.row(strength)
        wanted = answered(small, PROMPT, [steer.times(strength)], "abcb")
        assert row.watched[0, 0] == pytest.approx(wanted, abs=1e-3)
        assert np.isnan(row.watched[1:, 0]).all()
        assert np.isfinite(row.watched[:, 1]).all()
    assert run.curve("abcb")[2] == pytest.approx(np.exp(wanted), rel=1e-2)
    assert len(run.band("abcb")) == 3
    assert "P(abcb)" in run.to_pandas().columns


def test_an_answer_is_what_generating_it_would_have_given(model):
    v = vv.Steer(vv.Direction(np.ones(576), "v", "resid_post.14"), 0.1)
    how = {"strengths": (1,), "placebo": 0, "max_new_tokens": 3}
    row = vv.steer(model, "The capital of France is", v, **how).row(1)
    again = vv.steer(model, "The capital of France is", v, watch=row.text, **how)
    assert again.row(1).watched[0, 0] == pytest.approx(row.logprobs.sum(), abs=1e-3)
    assert again.watch == (row.text,)


def test_spellings_of_one_answer_add_up_and_what_begins_with_another_is_in_it(small):
    how = {"strengths": (1,), "placebo": 1, "max_new_tokens": 3}
    apart = vv.steer(small, PROMPT, direction(), watch=["ab", "e", "f"], **how)
    watch = {"either": ("ab", "e", "abc"), "letters": ("e", "f"), "f": "f"}
    run = vv.steer(small, PROMPT, direction(), watch=watch, **how)
    assert run.watch == ("either", "letters", "f")
    assert run.spellings == (("ab", "e"), ("e", "f"), ("f",))
    for mine, other in zip(run.rows, apart.rows, strict=True):
        p = np.exp(other.watched)
        np.testing.assert_allclose(np.exp(mine.watched[0, 0]), p[0, 0] + p[0, 1], rtol=1e-4)
        np.testing.assert_allclose(np.exp(mine.watched[:, 1]), p[:, 1] + p[:, 2], rtol=1e-4)
        assert np.isnan(mine.watched[1:, 0]).all()


def test_answers_and_their_spellings_read_back(small, tmp_path):
    run = vv.steer(small, PROMPT, direction(), (1,), 1, watch=["abc", ("e", "f")], max_new_tokens=3)
    again = vv.SteeringRun.load(run.save(tmp_path / "run"))
    assert (again.watch, again.spellings) == (run.watch, run.spellings)
    assert again.summary() == run.summary()
    assert "P(abc)" in run.summary()
    np.testing.assert_array_equal(again.row(1).watched, run.row(1).watched)


def test_single_tokens_need_no_pass_of_their_own(small, monkeypatch):
    from volvelle.experiments.steering import answers

    monkeypatch.setattr(answers, "score_steered", None)
    run = vv.steer(small, PROMPT, direction(), (1,), 0, watch=("e", 7), max_new_tokens=2)
    assert run.watch == ("e", small.tokenizer.decode([7]))
    with pytest.raises(TypeError):
        vv.steer(small, PROMPT, direction(), (1,), 0, watch="ef", max_new_tokens=2)


def test_answers_stream_from_the_first_token_on(small):
    seen = []
    run = vv.steer(
        small, PROMPT, direction(), (1,), 1, watch=["abc", "e"], max_new_tokens=3,
        on_token=lambda *token: seen.append(token),
    )  # fmt: skip
    for row in run.rows:
        mine = [t[4] for t in seen if (t[0].kind, t[0].strength) == (row.kind, row.strength)]
        np.testing.assert_allclose(mine, row.watched, rtol=1e-5)


def test_which_tokens_were_steered_is_told_as_they_are_read(small):
    seen = {}
    where = vv.Where(prompt=(2, 5), generated={"exclude_positions": [1]})
    run = vv.steer(
        small, PROMPT, vv.Steer(direction(), 0.5, where=where), (-1, 1), 2, max_new_tokens=5,
        on_steered=lambda key, step, touched: seen.setdefault(key, []).append((step, touched)),
    )  # fmt: skip
    assert len(seen) == len(run.rows)
    for row in run.rows:
        told = seen[next(k for k in seen if (k.kind, k.number, k.strength) == (
            row.kind, row.number, row.strength))]  # fmt: skip
        assert [step for step, _ in told] == list(range(len(row.ids)))
        flat = [mark for _, touched in told for mark in touched]
        # the last token is never read
        assert [*flat, False] == row.masks.any(0).tolist()


@pytest.fixture(scope="module")
def uneven(small):
    """A run of which one text ends before the others."""
    for seed in range(40):
        run = vv.steer(
            small,
            "hello",
            vv.Steer(direction(), 0.1),
            strengths=(0.1,),
            placebo=1,
            max_new_tokens=60,
            temperature=1.0,
            samples=2,
            seed=seed,
        )
        if {row.ended for row in run.rows} == {True, False}:
            return run
    raise AssertionError("no text of 240 ended by itself")


def test_a_text_that_ends_early_has_marks_and_sizes_of_its_own_length(uneven):
    for row in uneven.rows:
        n = len(uneven.prompt_ids) + len(row.ids)
        assert row.masks.shape == (1, n)
        assert not row.masks[:, -1].any()  # the last token is never read
        assert all(np.isnan(size[:, -1]).all() for size in row.sizes.values())
    assert len(uneven.tokens_to_pandas()) == sum(len(row.ids) for row in uneven.rows)


def test_a_run_of_texts_that_end_at_different_places_is_kept(uneven, tmp_path):
    again = vv.SteeringRun.load(uneven.save(tmp_path / "run"))
    assert again.tokens_to_pandas().equals(uneven.tokens_to_pandas())
