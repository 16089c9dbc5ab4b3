"""Equations of blocks, on blocks whose sums are known."""

from __future__ import annotations

import math

import pytest
import torch

from volvelle.formulas import proofs

TOKENS, D = 4, 6
ALLOWED = 1e-5
PLACES = {
    "block": "b", "attn": "b.attn", "attn_post": "", "mid": "b.norm", "mlp": "b.mlp", "mlp_post": ""
}  # fmt: skip
ROWS = proofs.MID + 1


@pytest.fixture
def draw():
    generator = torch.Generator().manual_seed(0)
    return lambda *shape: torch.randn(*shape, generator=generator)


def block(pre, attn, by=None, *, scale=1.0, besides=0.0, parallel=False):
    """What passes a block whose mlp is a square, with vectors added in the rows of each place."""
    by = by or {}

    def add(state, row):
        state = state.clone()
        if row in by:
            state[row] += by[row]
        return state

    attn = add(attn, proofs.ATTN)
    mid = add(pre if parallel else pre + scale * attn, proofs.MID)
    mlp = add(mid.square(), proofs.MLP)
    out = mid + scale * mlp + besides + (scale * attn if parallel else 0.0)
    passed = {"block.in": pre, "block.out": out, "mid.in": mid, "attn.out": attn, "mlp.out": mlp}
    return passed | dict.fromkeys(("attn_post.in", "attn_post.out", "mlp_post.in", "mlp_post.out"))


def tried(draw, places=PLACES, **how):
    pre, attn = draw(1, TOKENS, D).repeat(ROWS, 1, 1), draw(1, TOKENS, D).repeat(ROWS, 1, 1)
    by = {row: draw(D) for row in (proofs.ATTN, proofs.MLP, proofs.MID)}
    if how.get("parallel"):
        del by[proofs.MID]
    read, written = block(pre, attn, **how), block(pre, attn, by, **how)
    return proofs.blocks([places], [read], [written], [by], ALLOWED)


def test_a_sequential_block_is_its_parts(draw):
    found = tried(draw)
    assert set(found) == {"attn_out", "attn_out_post", "mlp_out", "mlp_out_post", "resid_mid"}
    assert max(off for off, _ in found.values()) < ALLOWED


def test_a_parallel_block_is_both_at_once_and_has_no_middle(draw):
    found = tried(draw, parallel=True)
    assert set(found) == {"attn_out", "attn_out_post", "mlp_out", "mlp_out_post"}
    assert max(off for off, _ in found.values()) < ALLOWED


def test_what_is_scaled_is_said_by_how_much_and_made_all_the_same(draw):
    found = tried(draw, scale=0.5)
    for part in ("attn", "mlp"):
        off, where = found[f"{part}_out_post"]
        assert off > 0.1
        assert where == "at block 0, scaled: 0.5 of it is"
        assert found[f"{part}_out"][0] < ALLOWED
    assert found["resid_mid"][0] < ALLOWED


def test_something_added_besides_is_found_though_every_push_arrives(draw):
    found = tried(draw, besides=draw(TOKENS, D))
    assert found["mlp_out"][0] < ALLOWED
    assert found["mlp_out_post"][0] > 0.1
    assert found["resid_mid"][0] > 0.1
    assert found["attn_out_post"][0] < ALLOWED
    both = tried(draw, besides=draw(TOKENS, D), parallel=True)
    assert min(both[f"{part}_out_post"][0] for part in ("attn", "mlp")) > 0.1


def test_a_part_that_is_not_added_at_all_is_said_to_be(draw):
    off, _, said = proofs.answered(torch.zeros(TOKENS, D), draw(D), draw(TOKENS, D), ALLOWED)
    assert (off > 0.1, said) == (True, "none of it is")


def test_what_does_not_run_once_is_infinitely_far_off(draw):
    pre, attn = draw(ROWS, TOKENS, D), draw(ROWS, TOKENS, D)
    passed = block(pre, attn) | {"mlp.out": None}
    found = proofs.blocks([PLACES], [passed], [passed], [{}], ALLOWED)
    assert math.isinf(found["mlp_out"][0])
    assert math.isinf(found["resid_mid"][0])


def test_shapes_and_numbers_that_cannot_be_compared_are_infinitely_far_off(draw):
    state = draw(TOKENS, D)
    assert proofs.off_by(state, state) == 0
    assert math.isinf(proofs.off_by(state, state[:2]))
    assert math.isinf(proofs.off_by(None, state))
    assert math.isinf(proofs.off_by(state * math.nan, state))
    assert proofs.off_by(state + 0.1, state, 10 * state) < proofs.off_by(state + 0.1, state)


def test_a_stream_says_which_block_breaks_it_and_how(draw):
    shape = (ROWS, TOKENS, D)
    first, second = block(draw(*shape), draw(*shape)), block(draw(*shape), draw(*shape))
    off, where = proofs.stream([first, second], [1, 1], shape)
    assert (off > 0.1, where) == (True, "at block 1")
    second["block.in"] = first["block.out"]
    assert proofs.stream([first, second], [1, 1], shape) == (0.0, "")
    second["block.out"] = None
    assert "at block 1, which runs 6 times" in proofs.stream([first, second], [1, 6], shape)[1]
    second["block.out"] = draw(4, *shape)
    assert f"gives {(4, *shape)}" in proofs.stream([first, second], [1, 1], shape)[1]


def test_what_was_written_must_be_met_in_both_rows(draw):
    shape = (ROWS, TOKENS, D)
    first, second = block(draw(*shape), draw(*shape)), block(draw(*shape), draw(*shape))
    second["block.in"] = first["block.out"].clone()
    # the rows in which vectors are added within blocks enter each block as the first does
    second["block.in"][proofs.ATTN :] = 0
    assert proofs.written_back([first, second]) == (0.0, "")
    second["block.in"][proofs.ADDED, 2] += 1
    assert proofs.written_back([first, second])[0] > 0.1


def test_a_beginning_is_the_same_until_it_is_not(draw):
    state = draw(1, TOKENS, D).repeat(2, 1, 1)
    state[1, 3:] = 0
    record = [{"block.out": state}]
    assert proofs.same_beginning(record, 0, 1, 3) == (0.0, "")
    assert proofs.same_beginning(record, 0, 1, 4)[0] > 0.1
    assert math.isnan(proofs.same_beginning([{"block.out": draw(4, 2, TOKENS, D)}], 0, 1, 3)[0])


def test_heads_and_the_bias_once_are_the_projection(draw):
    project = torch.nn.Linear(8, D)
    z = draw(TOKENS, 8)
    with torch.no_grad():
        found = proofs.through_heads(project, z, 4).float()
        torch.testing.assert_close(found, project(z))
        bent = proofs.through_heads(lambda x: project(x).relu(), z, 4).float()
        assert proofs.off_by(bent, project(z).relu()) > 0.1


def test_half_precision_is_held_to_what_it_can_carry():
    exact, half = (torch.finfo(dtype).eps for dtype in (torch.float32, torch.bfloat16))
    assert proofs.tolerances(exact) == pytest.approx((6e-5, 2e-3), rel=0.01)
    assert proofs.tolerances(half) == pytest.approx((0.047, 0.2), rel=0.01)
