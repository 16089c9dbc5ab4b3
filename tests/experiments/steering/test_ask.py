"""Next words under many steers: the blocks below all of them run once."""

from __future__ import annotations

import numpy as np
import pytest
from models import tiny
from models.tiny import direction

import volvelle as vv
from volvelle.experiments.steering.answers import Watched, answers_of
from volvelle.experiments.steering.ask import ask, beginnings

PROMPTS = ["she looked at", "he was", "then they all went"]
PROMPT = PROMPTS[0]


@pytest.mark.parametrize("family", ["llama", "gpt2", "gpt_neox", "gemma2"])
def test_words_are_the_same_whether_the_blocks_below_the_steers_run_again_or_not(family):
    small = tiny.wrapped(family)
    steers = [[vv.Steer(direction(seed, layer), 0.4)] for seed, layer in ((0, 2), (1, 1), (2, 3))]
    prompts = [small.prompt_ids(text) for text in PROMPTS]
    rows = [(prompt, mine) for prompt in prompts for mine in [*steers, []]]
    watched = Watched(answers_of(small, ["e", "th"]))
    asked = [prompt for prompt, _ in rows], [mine for _, mine in rows]
    known = beginnings(small, prompts, steers)
    assert {one.depth for one in known.values()} <= {2}
    expected = ask(small, *asked, watched)
    found = ask(small, *asked, watched, known=known)
    np.testing.assert_allclose(found[0], expected[0], atol=1e-5)
    np.testing.assert_allclose(found[1], expected[1], atol=1e-5)


def test_the_blocks_below_the_steers_do_not_run_again(small):
    steer = vv.Steer(direction(0, 2), 0.4)
    prompt = small.prompt_ids(PROMPT)
    known = beginnings(small, [prompt], [[steer]])
    assert [one.depth for one in known.values()] == [3]
    ran = []
    blocks = small.nnsight._module.get_submodule(small.layout.blocks)
    hooks = [
        block.mlp.register_forward_hook(lambda *_, n=n: ran.append(n))
        for n, block in enumerate(blocks)
    ]
    ask(small, [prompt], [[steer]], Watched(answers_of(small, ["e"])), known=known)
    for hook in hooks:
        hook.remove()
    assert set(ran) == {3}
