"""What a checkpoint's generation_config sets does not change what is written or measured."""

from __future__ import annotations

import numpy as np
import pytest
from models import plain_steering, tiny

import volvelle as vv
from volvelle.models.verbs.settings import HONOURED, NEUTRAL, TOLD, fields, writing_settings

PROMPT = "hello there"
PLACES = {
    "default": vv.Where(),
    "prompt only": vv.Where(prompt="all", generated="none"),
    "generated only": vv.Where(prompt="none", generated="all"),
}
# Every field that could choose tokens, change numbers, end a text or run the model another way,
# at a value at which it does. ALL stands for all tokens but the end, WRITTEN for the tokens that
# the model writes.
ALL, WRITTEN = object(), object()
SET = {
    "max_length": 3,
    "max_new_tokens": 2,
    "min_length": 40,
    "min_new_tokens": 20,
    "early_stopping": True,
    "max_time": 1e-9,
    "stop_strings": ["e", "t"],
    "exponential_decay_length_penalty": (1, 50.0),
    "forced_bos_token_id": 5,
    "forced_eos_token_id": 1,
    "bad_words_ids": WRITTEN,
    "begin_suppress_tokens": ALL,
    "suppress_tokens": ALL,
    "sequence_bias": [[[70], 50.0]],
    "force_words_ids": [[70]],
    "constraints": ["any"],
    "guidance_scale": 3.0,
    "watermarking_config": {"bias": 9.0},
    "encoder_no_repeat_ngram_size": 1,
    "encoder_repetition_penalty": 9.0,
    "diversity_penalty": 1.0,
    "length_penalty": 3.0,
    "remove_invalid_values": True,
    "renormalize_logits": True,
    "min_p": 0.5,
    "top_h": 0.5,
    "typical_p": 0.2,
    "epsilon_cutoff": 0.2,
    "eta_cutoff": 0.2,
    "num_beams": 3,
    "num_beam_groups": 3,
    "num_return_sequences": 2,
    "penalty_alpha": 0.6,
    "dola_layers": "low",
    "low_memory": True,
    "do_sample": True,
    "temperature": 0.3,
    "top_k": 1,
    "top_p": 0.1,
    "repetition_penalty": 5.0,
    "no_repeat_ngram_size": 1,
    "is_assistant": True,
    "assistant_confidence_threshold": 0.9,
    "assistant_early_exit": 2,
    "assistant_ensemble_weight": 0.5,
    "assistant_lookbehind": 3,
    "target_lookbehind": 3,
    "num_assistant_tokens": 3,
    "num_assistant_tokens_schedule": "heuristic",
    "max_matching_ngram_size": 2,
    "prompt_lookup_num_tokens": 3,
    "speculation_type": "any",
    "use_mtp": True,
    "token_healing": True,
    "prefill_chunk_size": 2,
    "use_cache": False,
    "cache_implementation": "static",
    "cache_config": {"any": 1},
    "max_cache_len": 4,
    "compile_config": {"any": 1},
    "disable_compile": True,
    "continuous_batching_config": {"any": 1},
    "output_attentions": True,
    "output_hidden_states": True,
    "output_logits": True,
    "output_scores": True,
    "return_dict_in_generate": True,
}


@pytest.fixture(scope="module")
def small():
    return tiny.wrapped("llama")


@pytest.fixture
def theirs(small):
    """The model's own settings, left as they were."""
    import copy

    module = small.nnsight._module
    before = module.generation_config
    module.generation_config = copy.deepcopy(before)
    yield module.generation_config
    module.generation_config = before


def push(where):
    vector = np.random.default_rng(0).normal(size=tiny.WIDTH) * 2
    return vv.Steer(vv.Direction(vector, "any", "resid_post.1"), 1.0, unit="raw", where=where)


def recomputed(hf, steer, ids, mask, n):
    """The log-probabilities of the last n ids, the direction added where a mask says."""
    import torch

    vector = torch.from_numpy(np.array(steer.direction.vector, dtype=np.float32))
    edit = lambda at, h: h + vector if at < len(mask) and mask[at] else h  # noqa: E731
    with torch.no_grad(), plain_steering.hooked(hf, [(1, edit)]):
        logits = hf(input_ids=torch.tensor([ids[:-1]]), use_cache=False).logits[0]
    logp = logits.log_softmax(-1).numpy()
    return [logp[len(ids) - n - 1 + k, token] for k, token in enumerate(ids[-n:])]


def off_by(model, hf, where):
    """How far the log-probabilities of steered writing are from a plain recomputation."""
    run = vv.steer(model, PROMPT, push(where), strengths=(1.0,), placebo=0, max_new_tokens=8)
    row = next(row for row in run.rows if row.strength == 1.0)
    ids = [*model.tokens(PROMPT).ids.tolist(), *row.ids.tolist()]
    wanted = recomputed(hf, push(where), ids, row.masks[0], len(row.ids))
    written = model.generate(PROMPT, push(where), max_new_tokens=8)
    assert written.ids.tolist() == row.ids.tolist()
    return max(np.abs(found - wanted).max() for found in (row.logprobs, written.logprobs))


@pytest.mark.parametrize("place", list(PLACES))
def test_a_checkpoint_without_a_cache_is_steered_where_the_masks_say(small, theirs, place):
    theirs.use_cache = False
    assert off_by(small, tiny.hf("llama"), PLACES[place]) < 1e-5


@pytest.mark.parametrize("place", list(PLACES))
def test_a_config_without_a_cache_is_steered_where_the_masks_say(tmp_path, place):
    import json

    hf = tiny.hf("llama")
    hf.save_pretrained(tmp_path)
    tiny.tokenizer().save_pretrained(tmp_path)
    (tmp_path / "generation_config.json").unlink()
    file = tmp_path / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"use_cache": False}))
    assert off_by(vv.load(tmp_path, device="cpu"), hf, PLACES[place]) < 1e-5


@pytest.mark.parametrize("field", list(SET))
def test_a_field_that_a_checkpoint_sets_changes_nothing(small, theirs, field):
    where = PLACES["prompt only"]
    wanted = small.generate(PROMPT, push(where), max_new_tokens=6)
    value = SET[field]
    if value is ALL:
        value = list(range(2, 258))
    elif value is WRITTEN:
        value = [[token] for token in dict.fromkeys(wanted.ids.tolist())]
    setattr(theirs, field, value)
    found = small.generate(PROMPT, push(where), max_new_tokens=6)
    assert found.ids.tolist() == wanted.ids.tolist()
    np.testing.assert_allclose(found.logprobs, wanted.logprobs, atol=1e-6)


def test_every_field_of_transformers_is_known():
    from transformers import GenerationConfig

    known = [*HONOURED, *TOLD, *NEUTRAL]
    assert len(known) == len(set(known))
    assert set(fields(GenerationConfig)) <= set(known)
    assert set(TOLD) | set(NEUTRAL) == set(SET)


def test_what_nobody_sets_does_nothing_in_transformers_either():
    from transformers import GenerationConfig

    # the length is always the verb's
    usual = GenerationConfig()._get_default_generation_params() | {"max_length": None}
    assert {name: NEUTRAL[name] for name in usual if name in NEUTRAL} == {
        name: value for name, value in usual.items() if name in NEUTRAL
    }


def test_only_what_a_checkpoint_sets_is_told_beside_what_always_is(small, theirs):
    always = {*TOLD, "max_new_tokens", "eos_token_id", "pad_token_id"}
    assert set(writing_settings(small, 5)) == always
    theirs.stop_strings = ["a"]
    assert set(writing_settings(small, 5)) == {*always, "stop_strings"}
    assert writing_settings(small, 5)["stop_strings"] is None


def test_what_transformers_refuses_on_a_server_is_refused_here(small, theirs, monkeypatch):
    theirs.num_return_sequences = 2
    assert "num_return_sequences" in writing_settings(small, 5)
    monkeypatch.setattr(small, "remote", True)
    with pytest.raises(ValueError, match=r"sets num_return_sequences=2.*expected 1.*remote=False"):
        writing_settings(small, 5)


def test_what_ends_a_text_is_the_checkpoints(small, theirs):
    wanted = small.generate(PROMPT, max_new_tokens=6).ids.tolist()
    theirs.eos_token_id = [1, wanted[2]]
    found = small.generate(PROMPT, max_new_tokens=6)
    assert found.ended
    assert found.ids.tolist() == wanted[: wanted.index(wanted[2]) + 1]


def test_the_checkpoints_settings_are_left_as_they_were(small, theirs):
    theirs.stop_strings = ["a"]
    before = theirs.to_dict()
    small.generate(PROMPT, max_new_tokens=2)
    assert small.nnsight._module.generation_config is theirs
    assert theirs.to_dict() == before


def test_a_field_of_a_later_transformers_is_refused_by_name(small, monkeypatch):
    from transformers import GenerationConfig

    class Later(GenerationConfig):
        def __init__(self, **more):
            super().__init__(**more)
            self.dream_ahead = None

    later = Later()
    monkeypatch.setattr(small.nnsight._module, "generation_config", later)
    assert small.generate(PROMPT, max_new_tokens=2).ids.size == 2
    later.dream_ahead = 3
    with pytest.raises(ValueError, match=r"sets dream_ahead=3.*dream_ahead = None"):
        small.generate(PROMPT, max_new_tokens=2)
