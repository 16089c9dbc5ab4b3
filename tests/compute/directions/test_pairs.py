import numpy as np
import pytest

from volvelle.compute.directions.pairs import pair_direction

RNG = np.random.default_rng(0)
AXIS = np.eye(12)[3]


def states(n=20, gap=4.0, spread=1.0):
    base = RNG.standard_normal((n, 12))
    amount = gap + spread * RNG.standard_normal((n, 1))
    noise = 0.05 * RNG.standard_normal((2, n, 12))
    return base + amount * AXIS / 2 + noise[0], base - amount * AXIS / 2 + noise[1]


@pytest.mark.parametrize("method", ["mean_diff", "pca_diff", "pca_center"])
def test_the_axis_of_the_contrast_is_found_with_its_sign(method):
    a, b = states()
    found = pair_direction(a, b, method)
    assert found @ AXIS / np.linalg.norm(found) > 0.95
    swapped = pair_direction(b, a, method)
    np.testing.assert_allclose(swapped, -found, atol=1e-5)


def test_mean_diff_keeps_its_length_and_takes_unpaired_texts():
    a, b = states(gap=4.0)
    found = pair_direction(a, b[:7])
    assert found.shape == (12,)
    assert np.linalg.norm(pair_direction(a, b)) == pytest.approx(4, abs=0.6)


@pytest.mark.parametrize("method", ["pca_diff", "pca_center"])
def test_principal_components_have_length_one(method):
    assert np.linalg.norm(pair_direction(*states(), method)) == pytest.approx(1, abs=1e-6)


def test_the_directions_turn_with_the_states():
    a, b = states()
    q, _ = np.linalg.qr(RNG.standard_normal((12, 12)))
    for method in ("mean_diff", "pca_diff", "pca_center"):
        np.testing.assert_allclose(
            pair_direction(a @ q, b @ q, method), pair_direction(a, b, method) @ q, atol=1e-5
        )


def test_pca_diff_looks_around_the_mean_difference_as_repeng_does():
    base = RNG.standard_normal((30, 12))
    other = np.eye(12)[7]
    wobble = np.linspace(-1, 1, 30)[:, None] * other
    a, b = base + 10 * AXIS + wobble, base
    assert abs(pair_direction(a, b, "pca_diff") @ other) > 0.99
    assert abs(pair_direction(a, b, "pca_center") @ AXIS) > 0.99


@pytest.mark.parametrize(
    ("a", "b", "method", "message"),
    [
        (np.ones((2, 3)), np.ones((3, 3)), "pca_diff", "2 positive and 3 negative"),
        (np.ones((1, 3)), np.zeros((1, 3)), "pca_diff", "at least two pairs"),
        (np.ones((3, 3)), np.ones((3, 3)), "mean_diff", "same mean"),
        (np.ones((3, 3)), np.zeros((3, 3)), "pca_diff", "same vector"),
        (np.ones((3, 3)), np.zeros((3, 3)), "pca_dif", "did you mean 'pca_diff'"),
    ],
)
def test_what_has_no_direction_is_refused(a, b, method, message):
    with pytest.raises(ValueError, match=message):
        pair_direction(a, b, method)
