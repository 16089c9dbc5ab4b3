import json
import pickle

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

import volvelle as vv
from volvelle.compute.dictionaries import sae as compute
from volvelle.formats import hub

D, S, K = 6, 20, 4
POINT = "resid_post.14"


def make_tensors(seed=0, dtype=np.float32):
    rng = np.random.default_rng(seed)
    shapes = {"W_enc": (D, S), "W_dec": (S, D), "b_enc": (S,), "b_dec": (D,)}
    shapes |= {"threshold": (S,), "b_gate": (S,), "b_mag": (S,), "r_mag": (S,)}
    return {name: rng.normal(size=shape).astype(dtype) for name, shape in shapes.items()}


NEEDED = {
    "standard": ("W_enc", "W_dec", "b_enc", "b_dec"),
    "topk": ("W_enc", "W_dec", "b_enc", "b_dec"),
    "abstopk": ("W_enc", "W_dec", "b_enc", "b_dec"),
    "jumprelu": ("W_enc", "W_dec", "b_enc", "b_dec", "threshold"),
    "gated": ("W_enc", "W_dec", "b_dec", "b_gate", "b_mag", "r_mag"),
}


def only(kind, **kwargs):
    tensors = make_tensors(**kwargs)
    return {name: tensors[name] for name in NEEDED[kind]}


def config(kind="topk", **more):
    """cfg.json as sae-lens 6 writes it."""
    cfg = {
        "architecture": kind,
        "d_in": D,
        "d_sae": S,
        "dtype": "float32",
        "device": "cpu",
        "apply_b_dec_to_input": True,
        "normalize_activations": "none",
        "reshape_activations": "none",
        "metadata": {
            "sae_lens_version": "6.54.0",
            "model_name": "gpt2-small",
            "hook_name": "blocks.14.hook_resid_post",
            "hook_head_index": None,
            "prepend_bos": True,
        },
    }
    if "topk" in kind:
        cfg |= {"k": K, "rescale_acts_by_decoder_norm": False}
    return cfg | more


def write(folder, cfg, tensors):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "cfg.json").write_text(json.dumps(cfg))
    save_file(
        {n: np.ascontiguousarray(t) for n, t in tensors.items()}, folder / "sae_weights.safetensors"
    )
    return folder


def draw():
    return np.random.default_rng(9).normal(size=(30, D)).astype(np.float32)


# -- sae-lens folders ------------------------------------------------------------------------


@pytest.mark.parametrize("kind", NEEDED)
def test_a_folder_gives_the_sae_of_its_tensors(tmp_path, kind):
    sae = vv.SAE.load(write(tmp_path / "mine", config(kind), only(kind)))
    k = K if "topk" in kind else None
    same = compute.SparseAutoencoder(only(kind), kind, POINT, k=k)
    assert (sae.architecture, sae.k, sae.name, str(sae.point)) == (kind, k, "mine", POINT)
    np.testing.assert_array_equal(sae.encode(draw()), same.encode(draw()))
    assert sae.metadata["model_name"] == "gpt2-small"


def test_it_is_an_sae_of_both_names(tmp_path):
    sae = vv.SAE.load(str(write(tmp_path / "mine", config(), only("topk"))))
    assert isinstance(sae, vv.SAE)
    assert isinstance(sae, compute.SparseAutoencoder)


def test_a_file_inside_the_folder_will_do(tmp_path):
    folder = write(tmp_path / "mine", config(), only("topk"))
    assert vv.SAE.load(folder / "sae_weights.safetensors").n_features == S
    assert vv.SAE.load(folder / "cfg.json").n_features == S


def test_half_precision_is_read_as_float32(tmp_path):
    sae = vv.SAE.load(write(tmp_path / "mine", config(), only("topk", dtype=np.float16)))
    assert sae.W_enc.dtype == torch.float32
    np.testing.assert_array_equal(sae.W_enc, make_tensors(dtype=np.float16)["W_enc"])


def test_bfloat16_is_read(tmp_path):
    from safetensors.torch import save_file as save_torch

    folder = write(tmp_path / "mine", config(), only("topk"))
    tensors = {n: torch.as_tensor(t).bfloat16() for n, t in only("topk").items()}
    save_torch(tensors, folder / "sae_weights.safetensors")
    sae = vv.SAE.load(folder)
    assert torch.equal(sae.W_dec, tensors["W_dec"].float())


def test_a_folder_from_before_6_is_read(tmp_path):
    flat = {
        "d_in": D,
        "d_sae": S,
        "model_name": "gpt2-small",
        "hook_point": "blocks.14.hook_resid_post",
        "hook_point_layer": 14,
        "hook_point_head_index": None,
        "activation_fn_str": "relu",
        "apply_b_dec_to_input": False,
        "normalize_activations": "none",
        "context_size": 128,
    }
    sae = vv.SAE.load(write(tmp_path / "old", flat, only("standard")))
    assert (sae.architecture, str(sae.point)) == ("standard", POINT)
    assert not sae.subtract_b_dec
    assert sae.metadata["model_name"] == "gpt2-small"
    assert sae.metadata["prepend_bos"] is True


@pytest.mark.parametrize("key", ["activation_fn_str", "activation_fn"])
@pytest.mark.parametrize("architecture", [{}, {"architecture": "standard"}])
def test_topk_from_before_6_is_told_by_its_activation_function(tmp_path, key, architecture):
    flat = {
        "hook_name": "blocks.14.hook_resid_post",
        key: "topk",
        "activation_fn_kwargs": {"k": 3},
        **architecture,
    }
    sae = vv.SAE.load(write(tmp_path / "old", flat, only("topk")))
    assert (sae.architecture, sae.k) == ("topk", 3)
    assert sae.subtract_b_dec


@pytest.mark.parametrize(
    ("names", "point"),
    [
        ({"hf_hook_name": "model.layers.12"}, "resid_post.12"),
        ({"hf_hook_name": "model.layers.12.output"}, "resid_post.12"),
        ({"hf_hook_name": "model.layers.12.input"}, "resid_pre.12"),
        (
            {"hf_hook_name": "model.layers.12.mlp.output", "hook_name": "blocks.3.hook_z"},
            "mlp_out.12",
        ),
        ({"hf_hook_name": "some.module", "hook_name": "blocks.3.attn.hook_z"}, "z.3"),
        ({"hf_hook_name": None, "hook_name": "blocks.0.hook_resid_pre"}, "resid_pre.0"),
    ],
)
def test_the_place_is_read_from_whichever_name_is_understood(tmp_path, names, point):
    sae = vv.SAE.load(write(tmp_path / "mine", config(metadata=names), only("topk")))
    assert str(sae.point) == point


def test_a_place_nobody_knows_can_be_said(tmp_path):
    cfg = config(metadata={"hook_name": "blocks.3.hook_resid_odd"})
    folder = write(tmp_path / "mine", cfg, only("topk"))
    with pytest.raises(ValueError, match=r"gives 'blocks\.3\.hook_resid_odd'.*point="):
        vv.SAE.load(folder)
    assert str(vv.SAE.load(folder, point="resid_post.3").point) == "resid_post.3"


@pytest.mark.parametrize("how", ["layer_norm", "constant_norm_rescale", "none", None])
def test_normalisations_of_every_input_are_kept(tmp_path, how):
    folder = write(tmp_path / "mine", config(normalize_activations=how), only("topk"))
    assert vv.SAE.load(folder).normalize == (how or "none")


@pytest.mark.parametrize("how", ["expected_average_only_in", True])
def test_the_expected_norm_is_folded_in_and_must_be_known(tmp_path, how):
    folder = write(tmp_path / "mine", config(normalize_activations=how), only("topk"))
    with pytest.raises(ValueError, match=r"SAE\.load\(\.\.\., norm_scaling_factor="):
        vv.SAE.load(folder)
    x, plain = draw(), compute.SparseAutoencoder(only("topk"), "topk", POINT, k=K)
    said = vv.SAE.load(folder, norm_scaling_factor=0.5)
    np.testing.assert_allclose(said.encode(x), plain.encode(x * 0.5), atol=1e-5)
    cfg = config(normalize_activations=how, norm_scaling_factor=0.5)
    found = vv.SAE.load(write(tmp_path / "two", cfg, only("topk")))
    np.testing.assert_array_equal(found.encode(x), said.encode(x))


def test_an_unknown_normalisation_names_what_exists(tmp_path):
    folder = write(tmp_path / "mine", config(normalize_activations="layernorm"), only("topk"))
    with pytest.raises(ValueError, match="did you mean 'layer_norm'"):
        vv.SAE.load(folder)


def test_rescaling_by_the_decoder_norm_leaves_rows_of_length_one(tmp_path):
    cfg = config(rescale_acts_by_decoder_norm=True)
    sae = vv.SAE.load(write(tmp_path / "mine", cfg, only("topk")))
    np.testing.assert_allclose(sae.W_dec.norm(dim=1), 1, atol=1e-5)


def test_labels_beside_the_weights_are_read(tmp_path):
    folder = write(tmp_path / "mine", config(), only("topk"))
    rows = [{"tokens": [" a", f"<b>{i}"], "density": i / 100, "max": float(i)} for i in range(S)]
    (folder / "labels.json").write_text(json.dumps({"features": rows}), encoding="utf-8")
    sae = vv.SAE.load(folder)
    assert sae.labels is not None
    assert sae.labels[3] == "a · <b>3"
    assert sae.feature(3).a_max == 3.0
    np.testing.assert_allclose(sae.densities, np.arange(S) / 100)
    (folder / "labels.json").write_text(json.dumps({"features": rows[:-1]}))
    with pytest.raises(ValueError, match=f"has {S - 1} features, the SAE has {S}"):
        vv.SAE.load(folder)


def test_sparsity_beside_the_weights_gives_densities(tmp_path):
    folder = write(tmp_path / "mine", config(), only("topk"))
    save_file({"sparsity": np.full(S, -2, np.float32)}, folder / "sparsity.safetensors")
    np.testing.assert_allclose(vv.SAE.load(folder).densities, 0.01, rtol=1e-5)


# -- tensors ---------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["standard", "topk", "jumprelu", "gated"])
def test_tensors_tell_their_architecture(kind):
    sae = vv.SAE.load(only(kind), point=POINT, k=K if kind == "topk" else None, name="mine")
    assert (sae.architecture, sae.name) == (kind, "mine")


@pytest.mark.parametrize("turned", [(), ("W_enc",), ("W_dec",), ("W_enc", "W_dec")])
def test_orientation_is_decided_by_shape(turned):
    tensors = only("topk")
    plain = vv.SAE.load(tensors, point=POINT, k=K)
    sae = vv.SAE.load({n: t.T if n in turned else t for n, t in tensors.items()}, point=POINT, k=K)
    np.testing.assert_array_equal(sae.encode(draw()), plain.encode(draw()))
    np.testing.assert_array_equal(sae.W_dec, plain.W_dec)


def test_torch_tensors_and_nested_lists_are_tensors():
    plain = vv.SAE.load(only("topk"), point=POINT, k=K)
    for turn in (torch.as_tensor, np.ndarray.tolist):
        sae = vv.SAE.load({n: turn(t) for n, t in only("topk").items()}, point=POINT, k=K)
        np.testing.assert_allclose(sae.encode(draw()), plain.encode(draw()), atol=1e-6)


@pytest.mark.parametrize("turn", [np.asarray, torch.as_tensor])
def test_what_is_loaded_is_not_what_the_caller_changes_later(turn):
    tensors = {name: turn(tensor) for name, tensor in only("topk").items()}
    sae = vv.SAE.load(tensors, point=POINT, k=K)
    before = sae.encode(draw())
    tensors["W_enc"][:] = 0
    np.testing.assert_array_equal(sae.encode(draw()), before)


def test_tensors_need_a_place():
    with pytest.raises(ValueError, match=r"SAE\.load\(tensors, point='resid_post\.14'\)"):
        vv.SAE.load(only("topk"), k=K)
    with pytest.raises(TypeError, match=r"'resid_post\.14', 'model\.layers\.14\.output'"):
        vv.SAE.load(only("topk"), k=K, point=14)


@pytest.mark.parametrize("k", [0, -1, S + 1])
def test_a_k_outside_the_dictionary_is_refused(k):
    with pytest.raises(ValueError, match=rf"k={k} is outside 1\.\.\.{S}"):
        vv.SAE.load(only("topk"), point=POINT, k=k)


def test_topk_without_k_says_so():
    with pytest.raises(ValueError, match="a topk SAE needs k="):
        vv.SAE.load(only("topk"), point=POINT, architecture="topk")


# -- what is wrong with a file ---------------------------------------------------------------


@pytest.mark.parametrize("kind", NEEDED)
def test_missing_tensors_are_named_with_what_is_there(tmp_path, kind):
    tensors = only(kind)
    del tensors["b_dec"]
    last = NEEDED[kind][-1]
    tensors.pop(last, None)
    missing = "b_dec" if last == "b_dec" else f"b_dec and {last}"
    with pytest.raises(
        ValueError, match=rf"mine/sae_weights\.safetensors lacks {missing}; a {kind}"
    ):
        vv.SAE.load(write(tmp_path / "mine", config(kind), tensors))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_nan_and_infinity_are_refused_naming_the_tensor(tmp_path, value):
    tensors = only("topk")
    tensors["W_dec"][2, 1] = value
    with pytest.raises(ValueError, match="W_dec holds 1 NaN or infinite values of 120"):
        vv.SAE.load(write(tmp_path / "mine", config(), tensors))


def test_a_misshapen_tensor_names_both_shapes():
    tensors = only("topk")
    tensors["W_enc"] = tensors["W_enc"][:, :-1]
    with pytest.raises(ValueError, match=r"W_enc has shape \(6, 19\), expected \(6, 20\)"):
        vv.SAE.load(tensors, point=POINT, k=K)
    tensors = only("jumprelu")
    tensors["threshold"] = tensors["threshold"][:3]
    with pytest.raises(ValueError, match=r"threshold has shape \(3,\), expected \(20,\)"):
        vv.SAE.load(tensors, point=POINT)


def test_a_tensor_that_is_none_is_refused():
    with pytest.raises(ValueError, match="W_enc is a str, expected an array of floats"):
        vv.SAE.load(only("topk") | {"W_enc": "weights"}, point=POINT, k=K)


def test_weights_of_another_configuration_are_refused(tmp_path):
    folder = write(tmp_path / "mine", config(d_in=768), only("topk"))
    with pytest.raises(ValueError, match=r"cfg\.json says d_in=768, .* has 6"):
        vv.SAE.load(folder)


def test_an_unknown_architecture_names_the_closest(tmp_path):
    folder = write(tmp_path / "mine", config("topkk"), only("standard"))
    with pytest.raises(ValueError, match="unknown architecture 'topkk'; did you mean 'topk'"):
        vv.SAE.load(folder)


@pytest.mark.parametrize("kind", ["transcoder", "temporal", "batchtopk", "matryoshka_batchtopk"])
def test_an_architecture_of_others_is_told_for_what_it_is(tmp_path, kind):
    folder = write(tmp_path / "mine", config(kind), only("standard"))
    says = f"'{kind}' is not read, read are standard, topk, abstopk, jumprelu, gated: "
    for load in (
        lambda: vv.SAE.load(folder),
        lambda: vv.SAE.load(only("standard"), point=POINT, architecture=kind),
    ):
        with pytest.raises(ValueError, match=says) as refused:
            load()
        assert "did you mean" not in str(refused.value)
        assert ("jumprelu SAE, which is read" in str(refused.value)) == ("batch" in kind)


def test_a_torn_file_is_told_from_a_wrong_one(tmp_path):
    folder = write(tmp_path / "mine", config(), only("topk"))
    whole = (folder / "sae_weights.safetensors").read_bytes()
    (folder / "sae_weights.safetensors").write_bytes(whole[:-40])
    with pytest.raises(ValueError, match="no whole safetensors file"):
        vv.SAE.load(folder)


@pytest.mark.parametrize("text", ["{", "[1]", "\x00"])
def test_a_broken_configuration_is_named(tmp_path, text):
    folder = write(tmp_path / "mine", config(), only("topk"))
    (folder / "cfg.json").write_text(text)
    with pytest.raises(ValueError, match=r"mine/cfg\.json"):
        vv.SAE.load(folder)


class Bomb:
    def __reduce__(self):
        return (exec, ("import builtins; builtins.volvelle_bomb = True",))


@pytest.mark.parametrize("suffix", [".pt", ".pth", ".bin", ".pkl", ".ckpt"])
def test_a_pickle_file_is_never_opened(tmp_path, suffix):
    import builtins

    path = tmp_path / f"ae{suffix}"
    path.write_bytes(pickle.dumps(Bomb()))
    for source in (path, str(path), tmp_path):
        with pytest.raises(ValueError, match=rf"ae{suffix} is a pickle file.*weights_only=True"):
            vv.SAE.load(source)
    assert not hasattr(builtins, "volvelle_bomb")


def test_a_folder_of_something_else_lists_what_it_holds(tmp_path):
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(ValueError, match=r"it has notes\.txt; read are cfg\.json"):
        vv.SAE.load(tmp_path)


def test_a_folder_of_several_saes_lists_them(tmp_path):
    for layer in (3, 4):
        write(tmp_path / f"layer_{layer}", config(), only("topk"))
    with pytest.raises(ValueError, match=r"several SAEs; .* subfolder=: layer_3, layer_4"):
        vv.SAE.load(tmp_path)
    assert vv.SAE.load(tmp_path, subfolder="layer_4").name == "layer_4"
    with pytest.raises(ValueError, match="there is no folder"):
        vv.SAE.load(tmp_path, subfolder="layer_5")


@pytest.mark.parametrize("source", ["nowhere", "./no/where", "/no/where/at/all"])
def test_a_folder_that_is_not_there_says_so(source):
    with pytest.raises(FileNotFoundError, match="no repository 'org/name'"):
        vv.SAE.load(source)


def test_what_is_no_source_at_all_says_what_is():
    with pytest.raises(
        TypeError, match="source is 3, expected a folder, a repository 'org/name' or a dict"
    ):
        vv.SAE.load(3)


def test_an_unknown_keyword_names_the_closest():
    with pytest.raises(TypeError, match="did you mean 'subfolder'"):
        vv.SAE.load("x", subfoldr="y")


# -- the hub ---------------------------------------------------------------------------------


@pytest.mark.parametrize("subfolder", [None, "layer_3"])
def test_a_repository_is_fetched_file_by_file_and_read(tmp_path, monkeypatch, subfolder):
    write(tmp_path / (subfolder or ""), config(), only("topk"))
    asked = {}

    def snapshot_download(**kwargs):
        asked.update(kwargs)
        return str(tmp_path)

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot_download)
    source = "org/name" if subfolder is None else f"org/name/{subfolder}"
    sae = vv.SAE.load(source, revision="v1", name="mine")
    assert sae.n_features == S
    assert (asked["repo_id"], asked["revision"]) == ("org/name", "v1")
    prefix = f"{subfolder}/" if subfolder else ""
    assert f"{prefix}sae_weights.safetensors" in asked["allow_patterns"]
    assert not any(p.endswith((".pt", ".bin")) for p in asked["allow_patterns"])


def test_a_repository_that_cannot_be_had_gives_the_hubs_reason(monkeypatch):
    from huggingface_hub.errors import LocalEntryNotFoundError

    def snapshot_download(**kwargs):
        raise LocalEntryNotFoundError("no network")

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot_download)
    with pytest.raises(ValueError, match="the hub gave no repository 'org/name': no network"):
        vv.SAE.load("org/name")


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("org/name", True),
        ("org/na.me-1/blocks.8.hook_resid_post", True),
        ("name", False),
        ("./a/b", False),
        ("../a", False),
        ("/a/b", False),
        ("a/../b", False),
        ("org/name/..", False),
        ("a b/c", False),
    ],
)
def test_a_repository_is_told_from_a_path(text, is_one):
    assert hub.is_repository(text) is is_one


@pytest.mark.parametrize("factor", [float("nan"), float("inf"), 0, -2.0, "3", True])
def test_a_scale_that_scales_nothing_is_refused(factor):
    weights = {"W_enc": np.ones((4, 6)), "W_dec": np.ones((6, 4))}
    weights |= {"b_enc": np.zeros(6), "b_dec": np.zeros(4)}
    with pytest.raises((ValueError, TypeError), match=r"norm_scaling_factor=.* must be a"):
        vv.SAE.load(weights, point="resid_post.1", norm_scaling_factor=factor)
