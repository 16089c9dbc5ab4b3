"""Every tensor and key of a file is used, left out by a written rule, or refused by name."""

import json
import re
import shutil
import string
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

import volvelle as vv
from volvelle.compute.dictionaries.parts import ARCHITECTURES
from volvelle.formats import sae_lens_keys as keys
from volvelle.formats.sae_tensors import ODD

SAMPLES = Path(__file__).parents[1] / "data/formats/sae_lens"
WEIGHTS = "sae_weights.safetensors"
S, D = 16, 8
NAMES = st.text(string.ascii_letters + string.digits + "_.", min_size=1, max_size=20)


def folder(tmp_path, sample="standard", tensors=None, **more):
    """A sample with something more in it."""
    made = tmp_path / "mine"
    shutil.copytree(SAMPLES / sample, made, dirs_exist_ok=True)
    made.chmod(0o755)
    cfg = json.loads((SAMPLES / sample / "cfg.json").read_text())
    (made / "cfg.json").unlink()
    (made / "cfg.json").write_text(json.dumps(cfg | more))
    if tensors:
        (made / WEIGHTS).unlink()
        save_file(load_file(SAMPLES / sample / WEIGHTS) | tensors, made / WEIGHTS)
    return made


def some(*shape):
    return np.random.default_rng(1).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize(
    ("tensor", "shape", "way_out"),
    [
        ("threshold", (S,), "architecture='jumprelu'"),
        ("log_threshold", (S,), r"exp\(log_threshold\)"),
        ("W_skip", (D, D), r"vv\.Dictionary\(W_dec"),
        ("b_dec_out", (D,), r"vv\.Dictionary\(W_dec"),
        ("norm_scaling_factor", (1,), "norm_scaling_factor="),
        ("scaling_factor", (S,), r"W_dec \* scaling_factor"),
        ("finetuning_scaling_factor", (S,), r"W_dec \* scaling_factor"),
    ],
)
def test_a_tensor_that_changes_the_numbers_is_refused_with_its_meaning(
    tmp_path, tensor, shape, way_out
):
    made = folder(tmp_path, tensors={tensor: some(*shape)})
    says = rf"mine/{WEIGHTS} holds the tensor '{tensor}': .*{way_out}"
    with pytest.raises(ValueError, match=says):
        vv.SAE.load(made)
    with pytest.raises(ValueError, match=rf"sae holds the tensor '{tensor}': .*{way_out}"):
        vv.SAE.load(load_file(made / WEIGHTS), point="resid_post.1", architecture="standard")


def test_every_odd_tensor_has_its_test():
    told = test_a_tensor_that_changes_the_numbers_is_refused_with_its_meaning.pytestmark[0].args[1]
    assert {tensor for tensor, *_ in told} == set(ODD)


ODD_KEYS = [
    ("standard", {"activation_fn_str": "tanh-relu"}, "activation_fn_str='tanh-relu'"),
    ("standard", {"activation_fn": "gelu"}, "activation_fn='gelu', read as a standard SAE"),
    ("gated", {"activation_fn": "topk"}, "activation_fn='topk', read as a gated SAE"),
    ("abstopk", {"activation_fn": "relu"}, "activation_fn='relu', read as a abstopk SAE"),
    ("pre6_topk", {"activation_fn_kwargs": {"k": 3, "signed": True}}, "activation_fn_kwargs="),
    ("standard", {"hook_head_index": 3}, "hook_head_index=3.*one attention head.*point='z.3'"),
    ("pre6_standard", {"hook_point_head_index": 0}, "hook_point_head_index=0"),
    ("standard", {"metadata": {"hook_name": "blocks.1.attn.hook_z", "hook_head_index": 0}}, "0"),
    ("standard", {"is_transcoder": True}, r"is_transcoder=True.*vv\.Dictionary"),
    ("standard", {"metadata": {"is_transcoder": True}}, r"metadata\.is_transcoder=True"),
    ("standard", {"d_out": 6}, "d_out=6.*another place"),
    ("standard", {"hook_name_out": "blocks.1.hook_mlp_out"}, "hook_name_out="),
    ("standard", {"out_hook_point": "blocks.1.hook_mlp_out"}, "out_hook_point="),
    ("standard", {"hf_hook_name_out": "model.layers.1.mlp"}, "hf_hook_name_out="),
    ("pre6_standard", {"out_hook_point_layer": 2}, "out_hook_point_layer=2"),
    ("standard", {"k": 3}, "k=3.*has no k"),
    ("jumprelu", {"rescale_acts_by_decoder_norm": True}, "rescale_acts_by_decoder_norm=True"),
    ("standard", {"reshape_activations": "flatten"}, "reshape_activations='flatten'"),
    ("standard", {"norm_scaling_factor": 0.5}, "norm_scaling_factor=0.5"),
]


@pytest.mark.parametrize(("sample", "more", "says"), ODD_KEYS)
def test_a_key_that_changes_the_numbers_is_refused_with_its_meaning(tmp_path, sample, more, says):
    with pytest.raises(ValueError, match=rf"mine/cfg\.json says .*{says}") as refused:
        vv.SAE.load(folder(tmp_path, sample, **more))
    key = str(refused.value).rpartition("ignore=['")[2].removesuffix("'])")
    vv.SAE.load(folder(tmp_path, sample, **more), ignore=[key], point="resid_post.1")


def test_every_rule_has_its_test():
    tried = {key for _, more, _ in ODD_KEYS for key in [*more, *more.get("metadata", {})]}
    assert all(tried & set(rule.keys) for rule in keys.RULES)


@pytest.mark.parametrize(
    "more",
    [
        {"hook_head_index": None, "is_transcoder": False, "d_out": D},
        {"activation_fn": "relu", "activation_fn_kwargs": {}, "k": None},
        {"hf_hook_name": "model.layers.1", "hf_hook_name_out": "model.layers.1"},
        {"hook_name": "blocks.1.hook_resid_post", "hook_name_out": "blocks.1.hook_resid_post"},
        {"metadata": {"hook_name": "blocks.1.hook_resid_post", "any": "note", "k": 3}},
    ],
)
def test_the_same_keys_saying_nothing_are_read(tmp_path, more):
    assert vv.SAE.load(folder(tmp_path, **more)).n_features == S


def test_what_training_writes_down_is_left_out_by_a_rule_and_changes_nothing(tmp_path):
    every = {key: 1 for group in keys.LEFT_OUT.values() for key in group}
    made = folder(tmp_path, **every)
    np.testing.assert_array_equal(vv.SAE.load(made).encode(some(5, D)), plain().encode(some(5, D)))


def test_no_key_is_in_two_lists():
    lists = [keys.USED, *keys.LEFT_OUT.values()]
    assert sum(map(len, lists)) == len(frozenset.union(*lists))
    assert not frozenset.union(*keys.LEFT_OUT.values()) & {k for r in keys.RULES for k in r.keys}
    assert set(keys.ACTIVATIONS) == set(ARCHITECTURES)


def test_the_configuration_of_the_first_public_saes_is_read(tmp_path):
    """The keys of gpt2-small-res-jb, which the trainer of its time wrote whole."""
    told = re.findall(
        r"\w+",
        """is_dataset_tokenized use_cached_activations cached_activations_path
        n_batches_in_buffer total_training_tokens store_batch_size seed b_dec_init_method
        expansion_factor from_pretrained_path l1_coefficient lr lr_scheduler_name
        lr_warm_up_steps model_from_pretrained_kwargs train_batch_size use_ghost_grads
        feature_sampling_window finetuning_scaling_factor feature_sampling_method
        resample_batches feature_reinit_scale dead_feature_window dead_feature_estimation_method
        dead_feature_threshold log_to_wandb wandb_project wandb_entity wandb_log_frequency
        n_checkpoints checkpoint_path tokens_per_buffer run_name neuronpedia_id""",
    )
    more = dict.fromkeys(told) | {"hook_point": "blocks.1.hook_resid_pre", "hook_point_layer": 1}
    assert vv.SAE.load(folder(tmp_path, "pre6_standard", **more)).n_features == S


# -- the scale of a finetuned decoder --------------------------------------------------------


def plain():
    return vv.SAE.load(SAMPLES / "standard")


@pytest.mark.parametrize("tensor", ["scaling_factor", "finetuning_scaling_factor"])
@pytest.mark.parametrize("key", ["finetuning_scaling_factor", "uses_scaling_factor"])
def test_activations_are_scaled_before_they_are_decoded_where_the_file_says_so(
    tmp_path, tensor, key
):
    scale = 1 + np.abs(some(S))
    sae = vv.SAE.load(folder(tmp_path, tensors={tensor: scale}, **{key: True}))
    z = plain().encode(some(5, D))
    np.testing.assert_array_equal(sae.encode(some(5, D)), z)
    np.testing.assert_allclose(sae.decode(z), plain().decode(z * scale), atol=1e-5)


def test_a_scale_of_ones_says_nothing(tmp_path):
    made = folder(tmp_path, tensors={"scaling_factor": np.ones(S, np.float32)})
    np.testing.assert_array_equal(vv.SAE.load(made).W_dec, plain().W_dec)


def test_two_scales_or_one_of_another_length_are_refused(tmp_path):
    both = {"scaling_factor": some(S), "finetuning_scaling_factor": some(S)}
    made = folder(tmp_path, tensors=both, finetuning_scaling_factor=True)
    with pytest.raises(ValueError, match=r"which of them .* ignore=\['finetuning_scaling_factor'"):
        vv.SAE.load(made)
    one = vv.SAE.load(made, ignore=["finetuning_scaling_factor"])
    np.testing.assert_allclose(one.W_dec, plain().W_dec * some(S)[:, None], atol=1e-6)
    made = folder(tmp_path / "b", tensors={"scaling_factor": some(3)}, uses_scaling_factor=True)
    with pytest.raises(ValueError, match="scaling_factor has 3 values, the SAE has 16 features"):
        vv.SAE.load(made)


# -- what nobody has seen --------------------------------------------------------------------

KNOWN_TENSORS = {"W_enc", "W_dec", "b_enc", "b_dec", *ODD}
KNOWN_KEYS = keys.USED.union(*keys.LEFT_OUT.values(), *(rule.keys for rule in keys.RULES))


@given(NAMES.filter(lambda name: name not in KNOWN_TENSORS), st.sampled_from(["topk", "gated"]))
def test_a_tensor_nobody_knows_is_refused_by_name(tmp_path_factory, name, sample):
    made = folder(tmp_path_factory.mktemp("a"), sample, tensors={name: some(2)})
    with pytest.raises(ValueError, match="holds the tensor") as refused:
        vv.SAE.load(made)
    assert f"holds the tensor {name!r}: " in str(refused.value)
    assert str(refused.value).endswith(f"SAE.load(..., ignore=[{name!r}])")
    vv.SAE.load(made, ignore=[name])


@given(
    NAMES.filter(lambda name: name not in KNOWN_KEYS),
    st.sampled_from([None, False, 0, "x", {}, [1]]),
    st.sampled_from(["topk", "pre6_standard"]),
)
def test_a_key_nobody_knows_is_refused_by_name_whatever_it_says(
    tmp_path_factory, name, value, sample
):
    made = folder(tmp_path_factory.mktemp("a"), sample, **{name: value})
    with pytest.raises(ValueError, match="holds the key") as refused:
        vv.SAE.load(made)
    assert f"mine/cfg.json holds the key {name!r}: " in str(refused.value)
    vv.SAE.load(made, ignore=[name])


def test_several_are_named_together_and_ignored_together(tmp_path):
    made = folder(tmp_path, tensors={"extra": some(2), "W_skip": some(D, D)})
    with pytest.raises(ValueError, match=r"'W_skip' \(and 'extra'\): .*ignore=\['W_skip', 'extra'"):
        vv.SAE.load(made)
    assert vv.SAE.load(made, ignore=["W_skip", "extra"]).n_features == S


def test_ignore_is_a_list_and_hides_nothing_that_is_read(tmp_path):
    with pytest.raises(
        TypeError, match=r"ignore='extra' must be a list of texts; write \['extra'\]"
    ):
        vv.SAE.load(folder(tmp_path), ignore="extra")
    sae = vv.SAE.load(folder(tmp_path / "b"), ignore=["W_enc", "d_in"])
    np.testing.assert_array_equal(sae.W_enc, plain().W_enc)


def test_a_factor_for_inputs_that_are_not_scaled_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"norm_scaling_factor=0\.5 came, but .* leave it out"):
        vv.SAE.load(folder(tmp_path), norm_scaling_factor=0.5)


@pytest.mark.parametrize(
    ("tensors", "says"),
    [
        ({"sparsity": np.zeros(3, np.float32)}, "has 3 features, the SAE has 16; it belongs to"),
        ({"sparsity": np.zeros(S, np.float32), "more": some(2)}, "holds the tensor 'more'"),
    ],
)
def test_sparsity_of_another_sae_is_refused(tmp_path, tensors, says):
    made = folder(tmp_path)
    save_file(tensors, made / "sparsity.safetensors")
    with pytest.raises(ValueError, match=rf"mine/sparsity\.safetensors {says}"):
        vv.SAE.load(made)
    assert vv.SAE.load(made, ignore=["sparsity", "more"]).n_features == S
