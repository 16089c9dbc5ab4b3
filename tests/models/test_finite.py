"""What a model gives is numbers, or an error that says where it stops giving them, and why."""

from __future__ import annotations

import copy

import numpy as np
import pytest
from models import tiny

import volvelle as vv
from volvelle.experiments.readouts.codes import Codes
from volvelle.experiments.readouts.projection import Norms
from volvelle.models.engine.finite import NotFinite

LAYER = 2
# Of each way of being built, a matrix of block 2.
MATRICES = {
    "llama": "model.layers.2.mlp.down_proj.weight",
    "gpt2": "transformer.h.2.mlp.c_proj.weight",
    "gpt_neox": "gpt_neox.layers.2.mlp.dense_4h_to_h.weight",
    "opt": "model.decoder.layers.2.fc2.weight",
    "gemma2": "model.layers.2.mlp.down_proj.weight",
    "bloom": "transformer.h.2.mlp.dense_4h_to_h.weight",
}
TEXT = "was~it so"
LATE = 3  # the token of TEXT that a broken embedding spoils


def broken(family, holds=float("nan")):
    """A model one of whose matrices holds what is no number."""
    import torch

    module = copy.deepcopy(tiny.hf(family))
    with torch.no_grad():
        module.get_parameter(MATRICES[family]).fill_(holds)
    return vv.wrap(module, tiny.tokenizer(), name=family)


@pytest.fixture(scope="module")
def late():
    """A model whose proofs hold, and which gives no numbers behind one rare token."""
    import torch

    # its own unembedding: one that is broken too would be seen by the proofs
    module = copy.deepcopy(tiny.hf("llama", tie_word_embeddings=False))
    with torch.no_grad():
        module.get_input_embeddings().weight[tiny.tokenizer()(TEXT)["input_ids"][LATE]] = torch.nan
    model = vv.wrap(module, tiny.tokenizer(), name="late")
    assert model.check().refused == ()
    return model


@pytest.fixture(scope="module")
def half():
    return vv.wrap(copy.deepcopy(tiny.hf("llama")).half(), tiny.tokenizer(), name="half")


def sae(width=tiny.WIDTH, n=64):
    import torch

    rows = torch.randn(n, width, generator=torch.Generator().manual_seed(0))
    weights = {"W_enc": rows.T, "W_dec": rows, "b_enc": torch.zeros(n)}
    weights["b_dec"] = torch.zeros(width)
    return vv.SAE.load(weights, point="resid_post.1", k=8, name="toy")


VERBS = {
    "norm": lambda model: model.norm("resid_post.3"),
    "capture": lambda model: model.capture(TEXT, "resid_post.3"),
    "capture of the last token": lambda model: model.capture(TEXT, "resid_post.3", "last"),
    "windows": lambda model: model.capture_windows(TEXT, "resid_post.3", 6, 2),
    "generate": lambda model: model.generate(TEXT, max_new_tokens=3),
    "generate, drawn": lambda model: model.generate(TEXT, max_new_tokens=3, temperature=1.0),
    "next_token": lambda model: model.next_token(TEXT),
    "next_token of some": lambda model: model.next_token([TEXT, "so"], tokens=["a"]),
    "unembed": lambda model: model.unembed(np.ones(tiny.WIDTH)),
    "steer": lambda model: vv.steer(
        model, TEXT, vv.Steer(tiny.direction(), 0.3), placebo=1, max_new_tokens=2
    ),
    "dose": lambda model: vv.dose(
        model, TEXT, vv.Steer(tiny.direction()), answers=("y", "n"), placebo=2
    ),
    "encode": lambda model: vv.encode(model, TEXT, sae()),
    "pairs": lambda model: vv.Dictionary.from_pairs(
        model, [TEXT], ["he was"], point="resid_post.3", progress=None
    ),
}


@pytest.mark.parametrize("verb", VERBS)
def test_a_broken_matrix_is_named_with_the_layer(verb):
    said = r"NaN from resid_post\.2 on, first at token 0.*model\.layers\.2\.mlp\.down_proj\.weight"
    with pytest.raises(NotFinite, match=rf"^llama.*{said} holds NaN or infinity"):
        VERBS[verb](broken("llama"))


@pytest.mark.parametrize("family", MATRICES)
def test_it_is_named_in_every_family(family):
    for verb in ("generate", "norm"):
        with pytest.raises(NotFinite, match=rf"resid_post\.2 on.* {MATRICES[family]} holds NaN"):
            VERBS[verb](broken(family))


def test_a_model_that_is_mended_in_place_gives_numbers_again():
    import torch

    model = broken("llama")
    with pytest.raises(NotFinite):
        model.norm("resid_post.3")
    weight = model.nnsight._module.get_parameter(MATRICES["llama"])
    with torch.no_grad():
        weight.copy_(tiny.hf("llama").get_parameter(MATRICES["llama"]))
    assert model.norm("resid_post.3") == pytest.approx(tiny.wrapped("llama").norm("resid_post.3"))


OF_A_TEXT = [verb for verb in VERBS if verb not in ("norm", "unembed")]


@pytest.mark.parametrize("verb", OF_A_TEXT)
def test_a_text_that_gives_no_numbers_is_said_with_the_token(late, verb):
    with pytest.raises(NotFinite, match=r"NaN from embed on, first at token 3, '~'"):
        VERBS[verb](late)


def test_padding_and_other_texts_do_not_count(late):
    fine = "so now go"  # without the broken letter
    wanted = tiny.wrapped("llama")
    texts = [fine, "no"]
    found = late.capture(texts, "resid_post.3")
    np.testing.assert_allclose(
        found["resid_post.3"], wanted.capture(texts, "resid_post.3")["resid_post.3"], atol=1e-5
    )
    with pytest.raises(NotFinite, match="of 'was~it so' is not finite"):
        late.capture([fine, TEXT], "resid_post.3")


def test_what_is_kept_for_reuse_is_none_of_it(late):
    for _ in range(2):
        with pytest.raises(NotFinite):
            late.capture(TEXT, "resid_post.3", reuse=True)


# -- on a server -----------------------------------------------------------------------------


@pytest.mark.parametrize("verb", OF_A_TEXT)
def test_a_server_s_answer_is_looked_at_too(late, verb):
    there = tiny.taken_for_remote(late)
    job = there.submit(lambda: VERBS[verb](there))
    with pytest.raises(NotFinite, match=r"first at token 3.*ask whoever runs the server"):
        job.result()


@pytest.mark.parametrize("readout", [Norms, lambda: Codes(sae(), fits=True)])
def test_readouts_made_there_are_of_finite_states(late, readout, monkeypatch):
    from volvelle.models.verbs.readout import Bytes

    monkeypatch.setattr("volvelle.models.verbs.way.weighed", lambda *_: (1, Bytes(0, 0)))
    there = tiny.taken_for_remote(late)
    asked = {"resid_post.1": [readout()]}
    assert there.submit(lambda: there.observe(["so now", "go"], asked)).result()
    with pytest.raises(NotFinite, match=r"resid_post\.1 holds of 'was~it so' is not finite"):
        there.submit(lambda: there.observe(["so now", TEXT], asked)).result()


# -- strengths -------------------------------------------------------------------------------

TOO_LARGE = {
    "generate": lambda model, steer: model.generate(TEXT, steer, max_new_tokens=3),
    "next_token": lambda model, steer: model.next_token(TEXT, steer),
    "steer": lambda model, steer: vv.steer(model, TEXT, steer, (1,), placebo=1, max_new_tokens=2),
    "steer, watched": lambda model, steer: vv.steer(
        model, TEXT, steer, (1,), placebo=1, max_new_tokens=2, watch=["a", "yes"]
    ),
    "dose": lambda model, steer: vv.dose(model, TEXT, steer, (1,), answers=("y", "n"), placebo=2),
}


@pytest.mark.parametrize("verb", TOO_LARGE)
def test_half_precision_that_overflows_is_said_with_strength_and_way_out(half, verb):
    with pytest.raises(NotFinite) as raised:
        TOO_LARGE[verb](half, vv.Steer(tiny.direction(), 1e9))
    for said in (
        "'v0' at strength 1e+09",
        "infinite from resid_post.1 on, first at token 1",
        "float16 holds no number above 65,504",
        "times as long as the state (|delta|/|h|)",
        "take a smaller strength",
        "dtype='bfloat16'",
    ):
        assert said in str(raised.value)


def test_of_several_strengths_the_first_that_overflows_is_named_with_its_multiplier(half):
    steer = vv.Steer(tiny.direction(), 0.5)
    with pytest.raises(NotFinite, match=r"strength 1e\+09 \(multiplier 2e\+09 of its own 0\.5\)"):
        vv.steer(half, TEXT, steer, (0.5, 2e9, 4e9), placebo=1, max_new_tokens=2)
    with pytest.raises(NotFinite, match=r"strength 1e\+09 \(multiplier 2e\+09 of its own 0\.5\)"):
        vv.dose(half, TEXT, steer, (0.5, 2e9, 4e9), answers=("y", "n"), placebo=1)


def test_a_large_strength_of_its_own_that_is_made_small_is_no_fault(half):
    found = vv.dose(
        half, TEXT, vv.Steer(tiny.direction(), 1e9), (3e-10,), answers=("y", "n"), placebo=1
    )
    assert np.isfinite(found.logprobs).all()


def test_a_strength_that_acts_on_written_tokens_alone_is_found_there(half):
    steer = vv.Steer(tiny.direction(), 1e9, where=vv.Where(prompt="none"))
    with pytest.raises(NotFinite, match=f"first at token {len(TEXT)}, "):
        half.generate(TEXT, steer, max_new_tokens=3)


def test_no_token_is_handed_on_that_was_drawn_of_no_numbers(half):
    seen = []
    with pytest.raises(NotFinite):
        half.generate(TEXT, vv.Steer(tiny.direction(), 1e9), 3, on_token=lambda *t: seen.append(t))
    assert seen == []


def test_tokens_that_a_model_rules_out_are_no_fault():
    import torch

    class Suppressing(torch.nn.Module):
        def __init__(self, inner):
            super().__init__()
            self.weight, self.inner = inner.weight, inner

        def forward(self, x):
            logits = self.inner(x)
            logits[..., 5:9] = -torch.inf
            return logits

    module = copy.deepcopy(tiny.hf("llama", tie_word_embeddings=False))
    module.lm_head = Suppressing(module.lm_head)
    model = vv.wrap(module, tiny.tokenizer(), name="suppressing")
    found = model.next_token(TEXT)[0]
    assert np.isneginf(found[5:9]).all()
    assert np.exp(found).sum() == pytest.approx(1, abs=1e-5)
    assert model.generate(TEXT, max_new_tokens=3).ids.size == 3
    assert model.generate(TEXT, max_new_tokens=3, temperature=1.0).ids.size == 3


@pytest.mark.parametrize("value", [np.nan, np.inf, 0.0])
def test_vectors_that_point_nowhere_are_not_unembedded(value):
    with pytest.raises(ValueError, match=r"vectors(\[0\] is (nan|inf)| are all zero)"):
        tiny.wrapped("llama").unembed(np.full(tiny.WIDTH, value))


# -- views -----------------------------------------------------------------------------------


def test_a_view_says_it_and_runs_with_a_smaller_strength(half):
    view = vv.Steering(half, tiny.direction(), TEXT, strengths={"v0": 1e9}, max_new_tokens=2)
    view.run().wait(60)
    assert view.status == "failed"
    assert "at strength 1e+09" in view.error
    view.strengths = {"v0": 0.3}
    view.run().wait(60)
    assert (view.status, view.error) == ("idle", "")


def test_a_view_of_activations_says_it_and_reads_the_next_text(late):
    view = vv.FeatureActivations(late, sae(), TEXT)
    view.wait(60)
    assert view.status == "failed"
    assert "first at token 3" in view.error
    view.text = "so now go"
    view.wait(60)
    assert (view.status, view.error) == ("idle", "")


def test_a_circle_says_that_its_model_is_broken(own_cache):
    view = vv.EmotionCircle(broken("llama"))
    view.run().wait(120)
    assert view.status == "failed"
    assert "model.layers.2.mlp.down_proj.weight holds NaN" in view.error


@pytest.fixture
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("VOLVELLE_CACHE", str(tmp_path / "cache"))
