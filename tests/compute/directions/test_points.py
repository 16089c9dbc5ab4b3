"""Points and their spellings."""

from __future__ import annotations

import pytest

from volvelle.compute.directions.points import Point

SPELLINGS = [
    ("resid_post.14", "resid_post.14"),
    ("model.layers.14.output", "resid_post.14"),
    ("model.layers.14", "resid_post.14"),
    ("blocks.14.hook_resid_post", "resid_post.14"),
    ("transformer.h.3.output", "resid_post.3"),
    ("gpt_neox.layers.3.output", "resid_post.3"),
    ("model.decoder.layers.3.output", "resid_post.3"),
    ("model.layers.3.input", "resid_pre.3"),
    ("blocks.0.hook_resid_pre", "resid_pre.0"),
    ("model.layers.3.mlp.output", "mlp_out.3"),
    ("blocks.3.mlp.hook_out", "mlp_out.3"),
    ("blocks.3.hook_mlp_out", "mlp_out_post.3"),
    ("model.layers.3.post_feedforward_layernorm.output", "mlp_out_post.3"),
    ("model.layers.3.self_attn.o_proj.input", "z.3"),
    ("transformer.h.3.attn.c_proj.input", "z.3"),
    ("gpt_neox.layers.3.attention.dense.input", "z.3"),
    ("blocks.3.attn.hook_z", "z.3"),
    ("blocks.3.hook_resid_mid", "resid_mid.3"),
    ("blocks.3.attn.hook_out", "attn_out.3"),
    ("blocks.3.hook_attn_out", "attn_out_post.3"),
    ("model.layers.3.self_attn.output", "attn_out.3"),
    ("transformer.h.3.attn", "attn_out.3"),
    ("hook_embed", "embed"),
    ("model.embed_tokens.output", "embed"),
    ("embed", "embed"),
]


@pytest.mark.parametrize(("spelling", "point"), SPELLINGS)
def test_every_spelling_names_its_point(spelling, point):
    assert str(Point.parse(spelling)) == point


@pytest.mark.parametrize(("_", "point"), SPELLINGS)
def test_a_point_prints_what_it_is_parsed_from(_, point):
    assert str(Point.parse(point)) == point
    assert Point.parse(Point.parse(point)) == Point.parse(point)


def test_a_bare_number_is_refused_with_the_three_spellings():
    with pytest.raises(TypeError) as error:
        Point.parse(14)
    for spelling in ("'resid_post.14'", "'model.layers.14.output'", "'blocks.14.hook_resid_post'"):
        assert spelling in str(error.value)


@pytest.mark.parametrize("text", ["14", "resid.14", "resid_post", "layers", "", "resid_post.-1"])
def test_what_names_no_point_is_refused_with_what_exists(text):
    with pytest.raises(ValueError, match=r"unknown point .*resid_post\.L.*mlp_out_post\.L.*z\.L"):
        Point.parse(text)
