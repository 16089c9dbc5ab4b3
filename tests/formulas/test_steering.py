import math

import pytest
import torch

from volvelle.formulas import encoder, steering

B, T, D = 3, 5, 8


@pytest.fixture
def h():
    return torch.randn(B, T, D, generator=torch.Generator().manual_seed(0))


def units(seed=1):
    v = torch.randn(B, D, generator=torch.Generator().manual_seed(seed))
    return v / v.norm(dim=-1, keepdim=True)


def op(method, strength=1.0, **own):
    return {
        "method": method,
        "strength": torch.full((B,), strength),
        "prompt": torch.ones(B, T, dtype=torch.bool),
        "generated": torch.ones(B, 4, dtype=torch.bool),
        "include": None,
        "kept": None,
        "exclude": None,
        "when": None,
        **own,
    }


def now(step=0, ids=None, ended=None):
    return {
        "step": step,
        "ids": torch.zeros(B, 1, dtype=torch.int64) if ids is None else torch.tensor(ids)[:, None],
        "ended": torch.tensor(ended or [False] * B),
        "fired": {},
        "notes": [],
    }


def steered(h, *ops, here=None):
    here = here or now()
    out = steering.steer(h, {"ops": ops, "conditions": ()}, here)
    return out, here["notes"][-1][0]


CASES = {
    "add": lambda: {"vector": units()},
    "rescale": lambda: {"unit": units(), "vector": units(), "factor": torch.zeros(B)},
    "cap": lambda: {
        "unit": units(),
        "vector": units(),
        "low": torch.full((B,), -0.1),
        "high": torch.full((B,), 0.2),
    },
    "swap": lambda: {"unit": units(), "vector": units(2) - units()},
    "heads": lambda: {"gain": torch.tensor([[0.0, 1.0]]).repeat(B, 1)},
    "clamp": lambda: {
        "level": torch.full((B, 2), 3.0),
        "reader": sae_reader(),
        "decoder": SAE["W_dec"][[4, 9]].expand(B, 2, D),
    },
}
_G = torch.Generator().manual_seed(3)
SAE = {
    "W_enc": torch.randn(D, 16, generator=_G),
    "W_dec": torch.randn(16, D, generator=_G),
    "b_enc": torch.randn(16, generator=_G),
    "b_dec": torch.randn(D, generator=_G),
}


def sae_reader():
    return {
        "kind": "sae",
        "weights": SAE,
        "options": {"architecture": "topk", "k": 4, "normalize": "none", "subtract_b_dec": True},
        "features": torch.tensor([4, 9]),
    }


@pytest.mark.parametrize("method", CASES)
def test_strength_zero_changes_no_bit(h, method):
    out, masks = steered(h, op(method, 0.0, **CASES[method]()))
    assert torch.equal(out, h)
    assert not masks[0].any()


@pytest.mark.parametrize("method", CASES)
def test_half_strength_is_half_the_change(h, method):
    whole = steered(h, op(method, 1.0, **CASES[method]()))[0] - h
    half = steered(h, op(method, 0.5, **CASES[method]()))[0] - h
    assert whole.abs().max() > 0.01
    torch.testing.assert_close(2 * half, whole, atol=1e-5, rtol=1e-4)


NEUTRAL = {
    "rescale": {"factor": torch.ones(B)},
    "cap": {"low": torch.full((B,), -math.inf), "high": torch.full((B,), math.inf)},
    "swap": {"vector": torch.zeros(B, D)},
    "heads": {"gain": torch.ones(B, 2)},
}


@pytest.mark.parametrize("method", NEUTRAL)
def test_the_neutral_value_changes_nothing(h, method):
    out, _ = steered(h, op(method, 1.0, **{**CASES[method](), **NEUTRAL[method]}))
    torch.testing.assert_close(out, h)


def test_clamping_a_feature_to_its_own_activation_changes_nothing(h):
    codes = steering.read(h, sae_reader())
    one = op("clamp", **CASES["clamp"]())
    for t in range(T):
        one["level"] = codes[:, t]
        out, _ = steered(h[:, t : t + 1], {**one, "prompt": torch.ones(B, 1, dtype=torch.bool)})
        torch.testing.assert_close(out, h[:, t : t + 1])


def test_add_adds_the_vector_times_strength(h):
    out, _ = steered(h, op("add", 2.5, vector=units()))
    torch.testing.assert_close(out - h, 2.5 * units()[:, None].expand(B, T, D))


def test_ablation_leaves_no_component(h):
    out, _ = steered(h, op("rescale", **CASES["rescale"]()))
    assert steering.along(out, units()).abs().max() < 1e-6


def test_rescale_multiplies_the_component_by_its_factor(h):
    own = {**CASES["rescale"](), "factor": torch.tensor([2.0, -1.0, 0.5])}
    out, _ = steered(h, op("rescale", **own))
    expected = steering.along(h, units()) * torch.tensor([2.0, -1.0, 0.5]).view(-1, 1, 1)
    torch.testing.assert_close(steering.along(out, units()), expected)


def test_cap_clips_the_component_and_leaves_the_rest(h):
    out, _ = steered(h, op("cap", **CASES["cap"]()))
    component = steering.along(out, units())
    torch.testing.assert_close(component, steering.along(h, units()).clamp(-0.1, 0.2))
    rest = h - steering.along(h, units()) * units()[:, None]
    torch.testing.assert_close(out - component * units()[:, None], rest)


def test_swap_moves_the_component_to_the_target(h):
    a, b = torch.eye(D)[0].expand(B, D), torch.eye(D)[1].expand(B, D)
    out, _ = steered(h, op("swap", unit=a, vector=b - a))
    assert out[..., 0].abs().max() < 1e-6
    torch.testing.assert_close(out[..., 1], h[..., 1] + h[..., 0])
    torch.testing.assert_close(out[..., 2:], h[..., 2:])


def test_clamp_moves_the_reconstruction_and_keeps_the_sae_error(h):
    out, _ = steered(h, op("clamp", **CASES["clamp"]()))
    options = sae_reader()["options"]
    z = encoder.encode(h, SAE, **options)
    wanted = z.clone()
    wanted[..., [4, 9]] = 3.0
    torch.testing.assert_close(out - h, encoder.decode(wanted, SAE) - encoder.decode(z, SAE))


def test_clamp_undoes_the_normalisation_of_the_sae(h):
    reader = sae_reader()
    reader["options"] = {**reader["options"], "normalize": "constant_norm_rescale"}
    own = {**CASES["clamp"](), "reader": reader}
    out, _ = steered(h, op("clamp", **own))
    x, scale, _ = encoder.normalise(h, "constant_norm_rescale")
    z = encoder.encode(h, SAE, **reader["options"])
    wanted = z.clone()
    wanted[..., [4, 9]] = 3.0
    torch.testing.assert_close(out - h, ((wanted - z) @ SAE["W_dec"]) * scale)
    assert x.norm() > 0


def test_scaling_a_head_leaves_the_other_heads(h):
    out, _ = steered(h, op("heads", **CASES["heads"]()))
    assert torch.equal(out[..., : D // 2], torch.zeros(B, T, D // 2))
    assert torch.equal(out[..., D // 2 :], h[..., D // 2 :])


def test_ops_act_one_after_the_other(h):
    added, ablated = op("add", vector=units()), op("rescale", **CASES["rescale"]())
    last_ablates, _ = steered(h, added, ablated)
    last_adds, _ = steered(h, ablated, added)
    assert steering.along(last_ablates, units()).abs().max() < 1e-6
    torch.testing.assert_close(steering.along(last_adds, units()), torch.ones(B, T, 1))


def test_masked_tokens_keep_every_bit_and_the_mask_comes_back(h):
    one = op("add", vector=units())
    one["prompt"] = torch.rand(B, T, generator=torch.Generator().manual_seed(0)) > 0.5
    out, masks = steered(h, one)
    changed = (out != h).any(-1)
    assert torch.equal(changed, one["prompt"])
    assert torch.equal(masks[0], one["prompt"])


def test_infinite_states_in_padding_do_not_leak(h):
    h[0, 0] = math.inf
    one = op("rescale", **CASES["rescale"]())
    one["prompt"][0, 0] = False
    out, _ = steered(h, one)
    assert torch.isfinite(out[:, 1:]).all()
    assert torch.equal(out[0, 0], h[0, 0])


def test_a_generated_token_is_touched_by_place_by_id_and_never_after_the_end(h):
    one = op("add", vector=units())
    one["generated"][:] = False
    one["include"] = torch.tensor([[7], [7], [-1]])
    one["kept"] = torch.ones(B, 4, dtype=torch.bool)
    one["exclude"] = torch.tensor([[2, 3]] * B)
    h = h[:, :1]

    def at(step, ids, ended=None):
        return steered(h, one, here=now(step, ids, ended))[1][0][:, 0].tolist()

    assert at(1, [7, 5, 7]) == [True, False, False]
    assert at(1, [7, 7, 7], [False, True, False]) == [True, False, False]
    one["kept"][:, 1] = False
    assert at(2, [7, 7, 7]) == [False, False, False]
    one["generated"][:] = True
    assert at(2, [2, 3, 4]) == [False, False, True]


def test_a_condition_is_met_where_its_feature_exceeds_the_threshold(h):
    fired = {}
    reader = {"kind": "projection", "units": units()[:1]}
    steering.meet(h, {"conditions": [{"key": 5, "reader": reader, "above": 0.3}]}, fired)
    assert torch.equal(fired[5], h @ units()[0] > 0.3)
    one = op("add", vector=units(), when=5)
    here = {**now(), "fired": fired}
    out, masks = steered(h, one, here=here)
    assert torch.equal(masks[0], fired[5])
    assert torch.equal((out != h).any(-1), fired[5])


def test_half_precision_states_come_back_in_their_dtype(h):
    out, _ = steered(h.bfloat16(), op("add", vector=units()))
    assert out.dtype == torch.bfloat16


def test_the_change_and_the_state_are_measured(h):
    here = now()
    steered(h, op("add", 3.0, vector=units()), here=here)
    change, state = here["notes"][0][1]
    torch.testing.assert_close(change, torch.full((B, T), 3.0))
    torch.testing.assert_close(state, h.norm(dim=-1))


def test_lengths_are_of_the_change_and_of_the_state(h):
    change, state = steering.lengths(h, 2 * units()[:, None].expand(B, T, D))
    torch.testing.assert_close(change, torch.full((B, T), 2.0))
    torch.testing.assert_close(state, h.norm(dim=-1))
