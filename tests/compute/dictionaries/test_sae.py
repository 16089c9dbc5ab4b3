import numpy as np
import pytest
import scipy.sparse as sp
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from volvelle.compute.dictionaries import encode as sae_encode
from volvelle.compute.dictionaries import topk
from volvelle.compute.dictionaries.parts import ARCHITECTURES, NORMALIZATIONS, folded
from volvelle.compute.dictionaries.sae import SparseAutoencoder
from volvelle.compute.directions.directions import Dictionary, Direction

POINT = "resid_post.3"
KINDS = list(ARCHITECTURES)


def make_weights(d=12, n=70, seed=0):
    rng = np.random.default_rng(seed)
    weights = {
        "W_enc": rng.normal(size=(d, n)),
        "W_dec": rng.normal(size=(n, d)),
        "b_dec": rng.normal(size=d),
        "threshold": rng.uniform(0.5, 2, size=n),
    }
    weights |= {b: rng.normal(size=n) for b in ("b_enc", "b_gate", "b_mag")}
    weights["r_mag"] = 0.3 * rng.normal(size=n)
    return {name: tensor.astype(np.float32) for name, tensor in weights.items()}


def make(kind="topk", k=6, d=12, n=70, seed=0, **more):
    k = k if "topk" in kind else None
    return SparseAutoencoder(make_weights(d, n, seed), kind, POINT, name="toy", k=k, **more)


def draw(n_tokens=50, d=12, seed=5):
    return np.random.default_rng(seed).normal(size=(n_tokens, d)).astype(np.float32) * 2


def by_hand(sae, x):
    """formats.md, section 1, row by row in float64."""
    w = {name: tensor.double().numpy() for name, tensor in sae.weights.items()}
    out = np.zeros((len(x), sae.n_features))
    for t, token in enumerate(x.astype(np.float64)):
        row = token
        if sae.normalize == "layer_norm":
            row = (token - token.mean()) / (token.std(ddof=1) + 1e-5)
        elif sae.normalize == "constant_norm_rescale":
            row = token * np.sqrt(len(token)) / np.linalg.norm(token)
        row = row - w["b_dec"] * sae.subtract_b_dec
        pre = row @ w["W_enc"]
        if sae.architecture == "gated":
            size = np.maximum(pre * np.exp(w["r_mag"]) + w["b_mag"], 0)
            out[t] = size * (pre + w["b_gate"] > 0)
            continue
        pre = pre + w["b_enc"]
        if sae.architecture == "standard":
            out[t] = np.maximum(pre, 0)
        elif sae.architecture == "jumprelu":
            out[t] = np.maximum(pre, 0) * (pre > w["threshold"])
        elif sae.architecture == "topk":
            best = np.argsort(pre)[-sae.k :]
            out[t, best] = np.maximum(pre[best], 0)
        else:
            best = np.argsort(np.abs(pre))[-sae.k :]
            out[t, best] = pre[best]
    return out


# -- encode ----------------------------------------------------------------------------------


def test_a_topk_sae_of_three_features_by_hand():
    weights = {
        "W_enc": np.array([[1.0, 0, 1], [0, 1, 1]]),
        "W_dec": np.eye(3)[:, :2],
        "b_enc": np.array([0.0, 0, -1]),
        "b_dec": np.array([1.0, 1]),
    }
    sae = SparseAutoencoder(weights, "topk", POINT, k=2)
    # x - b_dec = (2, 1), pre = (2, 1, 2): features 0 and 2
    assert sae.encode(np.array([[3.0, 2.0]])).tolist() == [[2, 0, 2]]
    assert sae.encode_sparse(np.array([[3.0, 2.0]])).toarray().tolist() == [[2, 0, 2]]
    assert sae.decode(np.array([[2.0, 0, 2]])).tolist() == [[3, 1]]


@pytest.mark.parametrize("subtract", [True, False])
@pytest.mark.parametrize("normalize", NORMALIZATIONS)
@pytest.mark.parametrize("kind", KINDS)
def test_dense_sparse_and_selected_are_the_formula_written_out(kind, normalize, subtract):
    sae = make(kind, normalize=normalize, subtract_b_dec=subtract)
    x = draw()
    expected = by_hand(sae, x)
    assert (expected != 0).any()
    np.testing.assert_allclose(sae.encode(x), expected, atol=2e-5)
    codes, kth = sae.encode_sparse(x, return_kth=True)
    np.testing.assert_allclose(codes.toarray(), expected, atol=2e-5)
    chosen = [69, 3, 3, 0, 41]
    selected = sae.encode_selected(x, chosen, kth)
    np.testing.assert_allclose(selected, expected[:, chosen], atol=2e-5)
    np.testing.assert_allclose(sae.encode_selected(x, chosen), selected, atol=2e-5)


@settings(max_examples=40)
@given(
    st.sampled_from(KINDS),
    st.integers(1, 40),
    st.integers(1, 60),
    st.integers(1, 80),
    st.integers(0, 10**6),
)
def test_the_selected_path_equals_the_full_one(kind, k, n_tokens, n, seed):
    sae = make(kind, k=min(k, n), n=n, seed=seed)
    x = draw(n_tokens, seed=seed + 1)
    codes, kth = sae.encode_sparse(x, return_kth=True)
    chosen = np.random.default_rng(seed).integers(0, n, size=8)
    np.testing.assert_allclose(
        sae.encode_selected(x, chosen, kth), codes.toarray()[:, chosen], atol=1e-5
    )


def test_the_selected_path_equals_the_full_one_at_the_size_of_a_real_sae():
    sae = make("topk", k=32, d=576, n=4608)
    x = draw(600, d=576)
    codes, kth = sae.encode_sparse(x, return_kth=True)
    # every feature that is the k-th somewhere: where rounding would show
    smallest = [r.indices[r.data.argmin()] for r in (codes[[t]] for t in range(0, 600, 7))]
    full = codes[:, smallest].toarray()
    np.testing.assert_allclose(sae.encode_selected(x, smallest, kth), full, rtol=1e-4, atol=1e-3)
    assert ((sae.encode_selected(x, smallest, kth) > 0) == (full > 0)).all()


@pytest.mark.parametrize("kind", KINDS)
def test_blocks_give_what_one_block_gives(kind, monkeypatch):
    sae, x = make(kind), draw(333)
    whole, kth = sae.encode_sparse(x, return_kth=True)
    selected = sae.encode_selected(x, [1, 2], kth)
    monkeypatch.setattr(sae_encode, "BLOCK_TOKENS", (10, 10))
    parts, kth_of_parts = sae.encode_sparse(x, return_kth=True)
    np.testing.assert_allclose(whole.toarray(), parts.toarray(), atol=1e-5)
    np.testing.assert_allclose(sae.encode_selected(x, [1, 2], kth), selected, atol=1e-5)
    if kth is not None:
        np.testing.assert_allclose(kth, kth_of_parts, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_torch_in_gives_torch_out_and_the_same_numbers(kind):
    sae, x = make(kind), draw()
    z = sae.encode(torch.as_tensor(x))
    assert isinstance(z, torch.Tensor)
    np.testing.assert_array_equal(z.numpy(), sae.encode(x))
    np.testing.assert_array_equal(
        sae.encode_sparse(torch.as_tensor(x)).toarray(), sae.encode_sparse(x).toarray()
    )
    decoded = sae.decode(z)
    assert isinstance(decoded, torch.Tensor)
    np.testing.assert_array_equal(decoded.numpy(), sae.decode(z.numpy()))


@pytest.mark.parametrize("dtype", [np.float16, np.float64, ">f4", np.int64])
def test_any_number_type_is_read_as_float32(dtype):
    sae = make()
    x = np.round(draw())
    z = sae.encode(x.astype(dtype))
    assert z.dtype == np.float32
    np.testing.assert_allclose(z, sae.encode(x), atol=1e-5)
    np.testing.assert_allclose(
        sae.encode_sparse(x.astype(dtype)).toarray(), sae.encode(x), atol=1e-5
    )


def test_bfloat16_tensors_and_read_only_arrays_are_read():
    sae, x = make(), np.round(draw())
    np.testing.assert_allclose(
        sae.encode(torch.as_tensor(x).bfloat16()).numpy(), sae.encode(x), atol=1e-5
    )
    x.flags.writeable = False
    sae.encode_sparse(x)


def test_leading_axes_are_kept():
    sae, x = make(), draw(24)
    z = sae.encode(x.reshape(2, 3, 4, 12))
    assert z.shape == (2, 3, 4, 70)
    np.testing.assert_allclose(z.reshape(24, 70), sae.encode(x), atol=1e-5)
    assert sae.encode(x[0]).shape == (70,)
    assert sae.decode(z).shape == (2, 3, 4, 12)


def test_gradients_flow_through_encode_and_decode():
    sae = make()
    x = torch.as_tensor(draw(3)).requires_grad_()
    sae.decode(sae.encode(x)).sum().backward()
    assert x.grad is not None
    assert (x.grad != 0).any()


@pytest.mark.parametrize("kind", KINDS)
def test_no_tokens_give_no_rows(kind):
    codes, kth = make(kind).encode_sparse(np.zeros((0, 12), np.float32), return_kth=True)
    assert codes.shape == (0, 70)
    assert kth is None or kth.shape == (0,)
    assert make(kind).encode_selected(np.zeros((0, 12), np.float32), [1]).shape == (0, 1)
    assert make(kind).decode(codes).shape == (0, 12)


def test_every_token_has_k_features_where_enough_are_positive():
    sae = make("topk", k=6, n=400)
    assert set(np.diff(sae.encode_sparse(draw(100)).indptr)) == {6}
    assert set(np.diff(make("abstopk", k=6).encode_sparse(draw(100)).indptr)) == {6}


def test_codes_are_small_csr_with_ascending_columns():
    codes = make().encode_sparse(draw())
    assert isinstance(codes, sp.csr_array)
    assert codes.dtype == np.float32
    assert codes.indices.dtype == codes.indptr.dtype == np.int32
    assert codes.has_canonical_format


def test_features_turned_with_the_space_encode_the_same():
    sae, x = make(), draw()
    q, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(12, 12)))
    turned = SparseAutoencoder(
        {
            "W_enc": q.T @ sae.W_enc.numpy(),
            "W_dec": sae.W_dec.numpy() @ q,
            "b_enc": sae.b_enc,
            "b_dec": sae.b_dec.numpy() @ q,
        },
        "topk",
        POINT,
        k=6,
    )
    np.testing.assert_allclose(turned.encode(x @ q), sae.encode(x), atol=1e-4)


def test_encoding_is_of_each_token_by_itself():
    sae, x = make(), draw()
    order = np.random.default_rng(1).permutation(len(x))
    np.testing.assert_allclose(sae.encode(x[order]), sae.encode(x)[order], atol=1e-5)


def test_the_sparse_encode_never_holds_all_tokens_by_all_features(monkeypatch):
    sizes = []
    real = topk.largest

    def counted(pre, k, *, by_size):
        sizes.append(pre.numel() * 4)
        return real(pre, k, by_size=by_size)

    monkeypatch.setattr(topk, "largest", counted)
    monkeypatch.setattr(sae_encode, "BLOCK_BYTES", 2**20)
    make("topk", n=1024).encode_sparse(draw(2000))
    assert max(sizes) == 2**20
    assert sum(sizes) == 2000 * 1024 * 4


def test_a_device_other_than_the_cpu_is_asked_once_for_the_weights():
    sae = make()
    here = torch.device("meta")
    assert sae.weights_on(here) is sae.weights_on(here)
    assert sae.weights_on(torch.device("cpu")) is sae.weights


# -- decode ----------------------------------------------------------------------------------


def test_decoding_sparse_and_dense_agree():
    sae, x = make(), draw()
    codes = sae.encode_sparse(x)
    np.testing.assert_allclose(sae.decode(codes), sae.decode(codes.toarray()), atol=1e-4)
    np.testing.assert_allclose(
        sae.decode(codes), codes.toarray() @ sae.W_dec.numpy() + sae.b_dec.numpy(), atol=1e-4
    )


@pytest.mark.parametrize("normalize", ["layer_norm", "constant_norm_rescale"])
def test_decode_brings_back_the_scale_of_each_input(normalize):
    d = 12
    eye = {
        "W_enc": np.concatenate([np.eye(d), -np.eye(d)], 1),
        "W_dec": np.concatenate([np.eye(d), -np.eye(d)]),
        "b_enc": np.zeros(2 * d),
        "b_dec": np.zeros(d),
    }
    sae = SparseAutoencoder(eye, "standard", POINT, normalize=normalize)
    x = draw() * 100 + 7
    np.testing.assert_allclose(sae.decode(sae.encode(x), x), x, rtol=1e-3, atol=1e-2)
    np.testing.assert_allclose(sae.decode(sae.encode_sparse(x), x), x, rtol=1e-3, atol=1e-2)
    with pytest.raises(ValueError, match=rf"trained on {normalize} inputs.*decode\(z, x\)"):
        sae.decode(sae.encode(x))


@pytest.mark.parametrize("kind", ["topk", "abstopk"])
def test_folding_the_decoder_norm_is_sae_lenss_rescaling(kind):
    w = {name: torch.as_tensor(tensor) for name, tensor in make_weights().items()}
    norm = w["W_dec"].norm(dim=1)
    x = torch.as_tensor(draw())
    pre = ((x - w["b_dec"]) @ w["W_enc"] + w["b_enc"]) * norm
    score = pre.abs() if kind == "abstopk" else pre
    best = score.topk(6).indices
    kept = pre.gather(1, best)
    kept = kept if kind == "abstopk" else kept.relu()
    z = torch.zeros_like(pre).scatter(1, best, kept)
    sae = SparseAutoencoder(folded(w, by_decoder_norm=True), kind, POINT, k=6)
    np.testing.assert_allclose(sae.encode(x), z, atol=1e-4)
    np.testing.assert_allclose(sae.decode(z), (z / norm) @ w["W_dec"] + w["b_dec"], atol=1e-4)
    np.testing.assert_allclose(sae.W_dec.norm(dim=1), 1, atol=1e-5)


def test_a_decoder_row_of_zeros_folds_without_nan():
    w = {name: torch.as_tensor(tensor) for name, tensor in make_weights().items()}
    w["W_dec"][3] = 0
    sae = SparseAutoencoder(folded(w, by_decoder_norm=True), "topk", POINT, k=6)
    assert np.isfinite(sae.encode(draw())).all()


def test_folding_the_inputs_scale_is_scaling_the_input():
    w = {name: torch.as_tensor(tensor) for name, tensor in make_weights().items()}
    x = draw()
    plain = SparseAutoencoder(w, "topk", POINT, k=6)
    scaled = SparseAutoencoder(folded(w, input_scale=0.25), "topk", POINT, k=6)
    np.testing.assert_allclose(scaled.encode(x), plain.encode(x * 0.25), atol=1e-4)
    z = plain.encode(x * 0.25)
    np.testing.assert_allclose(scaled.decode(z), plain.decode(z) / 0.25, atol=1e-3)


# -- what it is ------------------------------------------------------------------------------


def test_a_feature_is_its_decoder_row_with_a_name_and_its_largest_activation():
    sae = make(label_tokens=[(" joy", "joy", " the", "\n", "x")] * 70, a_max=np.arange(70.0))
    feature = sae.feature(5)
    assert isinstance(feature, Direction)
    assert feature.name == "toy/5 joy · the · ↵"
    assert feature.a_max == 5.0
    assert (feature.sae, feature.index) == (sae, 5)
    np.testing.assert_array_equal(feature.vector, sae.W_dec[5])
    assert make().feature(5).name == "toy/5"
    assert make().feature(5).a_max is None


@pytest.mark.parametrize("index", [-1, 70])
def test_a_feature_outside_is_refused(index):
    with pytest.raises(IndexError, match=rf"feature {index} is outside toy's 0\.\.\.69"):
        make().feature(index)
    with pytest.raises(IndexError, match=rf"feature {index} is outside toy's 0\.\.\.69"):
        make().encode_selected(draw(), [0, index])


def test_labels_are_the_tokens_a_feature_fires_on():
    sae = make(label_tokens=[(" joy", "joy", "  ", "\n"), ("<img src=x>",)] + [()] * 68)
    assert sae.labels is not None
    assert sae.labels[:3] == ["joy · ␣␣ · ↵", "<img src=x>", ""]
    assert make().labels is None


def test_the_decoder_is_a_dictionary_of_all_features_in_order():
    sae = make()
    assert isinstance(sae.decoder, Dictionary)
    assert len(sae.decoder) == 70
    assert sae.decoder.point == sae.point
    np.testing.assert_array_equal(sae.decoder[7].vector, sae.feature(7).vector)
    assert sae.decoder[7].name == sae.feature(7).name


def test_it_says_what_it_is():
    assert repr(make()) == "SAE('toy', 70 features, topk, k=6, resid_post.3, d_model=12)"
    assert repr(make("jumprelu")) == "SAE('toy', 70 features, jumprelu, resid_post.3, d_model=12)"
    assert make("abstopk").signed
    assert not make().signed


def test_it_cannot_be_changed():
    with pytest.raises(AttributeError):
        make().k = 3


def test_vectors_of_another_width_are_refused_with_both_widths():
    with pytest.raises(ValueError, match=r"toy reads 12-dimensional vectors, x has shape \(2, 9\)"):
        make().encode(np.zeros((2, 9)))


@pytest.mark.parametrize("kind", KINDS)
def test_nan_in_the_input_is_refused(kind):
    x = draw()
    x[7, 3] = np.nan
    with pytest.raises(ValueError, match="NaN or infinity in 1 of 50 rows, first in row 7"):
        make(kind).encode_sparse(x)


def test_unknown_architectures_and_normalizations_name_what_exists():
    with pytest.raises(ValueError, match="unknown architecture 'topkk'; did you mean 'topk'"):
        SparseAutoencoder(make_weights(), "topkk", POINT)
    with pytest.raises(ValueError, match="did you mean 'layer_norm'"):
        make(normalize="layernorm")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e30])
@pytest.mark.parametrize("verb", ["encode", "encode_sparse", "encode_selected"])
def test_what_is_no_number_is_not_encoded(value, verb):
    sae = make()
    x = np.ones((3, sae.d_model), dtype=np.float32)
    x[1, 2] = value
    more = ([0],) if verb == "encode_selected" else ()
    with pytest.raises(ValueError, match=r"x holds NaN or infinity in 1 of 3 rows|as large as 1e"):
        getattr(sae, verb)(x, *more)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_no_number_is_not_decoded(value):
    sae = make()
    z = np.zeros((2, sae.n_features), dtype=np.float32)
    z[1, 3] = value
    for codes in (z, sp.csr_array(z)):
        with pytest.raises(ValueError, match="z holds NaN or infinity"):
            sae.decode(codes)


def test_weights_that_are_no_numbers_make_no_sae():
    weights = {name: tensor.clone() for name, tensor in make().weights.items()}
    weights["W_enc"][0, 0] = float("nan")
    with pytest.raises(ValueError, match="W_enc holds NaN or infinity in 1 of"):
        SparseAutoencoder(weights, "topk", POINT, k=6)
