"""Circles: known answers, invariances, and noise that must not be called a circle."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from volvelle.compute.circles.fit import fit_circle
from volvelle.compute.circles.planes import principal_components
from volvelle.compute.directions.directions import Dictionary

DAYS = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
EVEN = {day: 360 * i / 7 for i, day in enumerate(DAYS)}


def on_a_circle(degrees, d=40, noise=0.0, seed=0, radius=3.0):
    """Points of a circle in a random plane of R^d, away from the origin."""
    rng = np.random.default_rng(seed)
    axes = np.linalg.qr(rng.standard_normal((d, 2)))[0].T
    turn = np.radians(degrees)
    points = radius * np.stack([np.cos(turn), np.sin(turn)], 1) @ axes
    return points + 5 + noise * rng.standard_normal((len(turn), d)), axes


def days(**kwargs):
    return Dictionary(
        on_a_circle(list(EVEN.values()), **kwargs)[0], DAYS, "resid_post.3", "made up"
    )


def wrapped(degrees):
    return (np.asarray(degrees) + 180) % 360 - 180


def noise_dictionary(seed, n=12, d=200):
    rows = np.random.default_rng(seed).standard_normal((n, d))
    return Dictionary(rows, [f"class {i}" for i in range(n)], "resid_post.0")


NOISE_REFERENCE = {f"class {i}": 30.0 * i for i in range(12)}


@pytest.mark.parametrize("method", ["pca", "ridge"])
def test_a_clean_circle_is_found_at_its_angles(method):
    circle = fit_circle(days(), EVEN, method=method)
    assert circle.found
    assert circle.score > 0.9
    assert np.abs(wrapped(circle.angles - list(EVEN.values()))).max() < 12
    assert circle.explained == pytest.approx(1, abs=1e-6)
    assert circle.radii == pytest.approx(3, rel=0.1)


def test_a_mirrored_reference_turns_the_same_plane_over():
    mirrored = {day: -degrees for day, degrees in EVEN.items()}
    one, other = fit_circle(days(), EVEN), fit_circle(days(), mirrored)
    assert np.allclose(wrapped(one.angles + other.angles), 0, atol=1e-4)
    assert one.score == pytest.approx(other.score)


def test_without_a_reference_the_first_name_is_at_zero_and_nothing_is_claimed():
    circle = fit_circle(days(seed=3))
    assert np.abs(wrapped(circle.angles - list(EVEN.values()))).max() < 1e-3
    assert "by rule" in circle.orientation
    assert circle.null is None
    assert np.isnan(circle.score)
    assert not circle.found
    assert "nothing to test" in repr(circle)


def test_axes_given_are_the_axes_shown():
    rows, axes = on_a_circle(list(EVEN.values()))
    circle = fit_circle(Dictionary(rows, DAYS, "embed"), EVEN, method="axes", axes=axes)
    assert np.allclose(circle.plane, axes, atol=1e-6)
    assert circle.score == pytest.approx(1, abs=1e-5)
    slanted = fit_circle(
        Dictionary(rows, DAYS, "embed"), EVEN, method="axes", axes=(axes[0], axes[0] + axes[1])
    )
    assert np.allclose(slanted.plane, axes, atol=1e-6)


def test_axes_can_be_named():
    circle = fit_circle(days(), method="axes", axes=("monday", "wednesday"))
    assert wrapped(circle.angles[0]) == pytest.approx(0, abs=1e-4)


@settings(max_examples=15)
@given(st.integers(0, 10_000), st.sampled_from(["pca", "ridge"]))
def test_rotating_the_space_rotates_the_plane_and_changes_nothing_else(seed, method):
    rng = np.random.default_rng(seed)
    rows = days(noise=0.3, seed=seed).vectors.astype(np.float64)
    q = np.linalg.qr(rng.standard_normal((40, 40)))[0]
    one = fit_circle(Dictionary(rows, DAYS, "embed"), EVEN, method=method, n_null=50)
    other = fit_circle(Dictionary(rows @ q, DAYS, "embed"), EVEN, method=method, n_null=50)
    assert np.allclose(one.plane @ q, other.plane, atol=1e-4)
    assert np.allclose(wrapped(one.angles - other.angles), 0, atol=0.05)
    assert one.score == pytest.approx(other.score, abs=1e-4)
    assert one.null.limit() == pytest.approx(other.null.limit(), abs=1e-3)


@settings(max_examples=15)
@given(st.floats(0.01, 100), st.floats(-50, 50))
def test_scale_and_shift_leave_the_angles(scale, shift):
    rows = days(noise=0.3).vectors.astype(np.float64)
    one = fit_circle(Dictionary(rows, DAYS, "embed"), EVEN, n_null=1)
    other = fit_circle(Dictionary(rows * scale + shift, DAYS, "embed"), EVEN, n_null=1)
    assert np.allclose(wrapped(one.angles - other.angles), 0, atol=0.5)
    assert np.allclose(one.radii * scale, other.radii, rtol=0.02)


@pytest.mark.parametrize("method", ["pca", "ridge"])
def test_noise_is_not_called_a_circle(method):
    found = [
        fit_circle(noise_dictionary(seed), NOISE_REFERENCE, method=method, n_null=200).found
        for seed in range(100)
    ]
    # 5 of 100 expected at p < .05; more than 13 has probability < .0005
    assert sum(found) <= 13


def test_in_sample_a_supervised_fit_finds_a_circle_in_noise_and_left_out_it_does_not():
    fits = [
        fit_circle(noise_dictionary(seed), NOISE_REFERENCE, method="ridge", n_null=1)
        for seed in range(40)
    ]
    assert np.mean([fit.agreement.correlation for fit in fits]) > 0.6
    assert np.mean([fit.score for fit in fits]) < 0.1


def test_shuffled_labels_and_random_vectors_give_the_same_null_on_noise():
    for method in ("pca", "ridge"):
        null = fit_circle(noise_dictionary(1), NOISE_REFERENCE, method=method).null
        assert len(null.shuffled) == len(null.random) == 1000
        assert np.quantile(null.shuffled, 0.95) == pytest.approx(
            np.quantile(null.random, 0.95), abs=0.15
        )


def test_names_without_a_reference_are_placed_and_not_scored():
    some = {day: EVEN[day] for day in DAYS[:5]}
    circle = fit_circle(days(noise=0.1), some)
    assert circle.agreement.n == 5
    assert "of the 5 names with a reference" in repr(circle)
    assert np.abs(wrapped(circle.angles[5:] - [EVEN[d] for d in DAYS[5:]])).max() < 15


def test_the_repr_says_when_there_is_no_circle():
    circle = fit_circle(noise_dictionary(4), NOISE_REFERENCE)
    assert repr(circle).count("\n") == 0
    assert "no circle: circular correlation" in repr(circle)
    assert "95 % of shuffles below" in repr(circle)
    assert "no circle" not in repr(fit_circle(days(), EVEN))


def test_a_circle_that_only_just_beats_chance_is_called_weak():
    names = [f"class {i}" for i in range(40)]
    reference = {name: 9.0 * i for i, name in enumerate(names)}
    rows, _ = on_a_circle(list(reference.values()), d=40, noise=2.4, seed=1)
    circle = fit_circle(Dictionary(rows, names, "embed"), reference)
    assert circle.found
    assert circle.weak
    assert circle.verdict != "circular"
    assert "beats chance, but weak: circular correlation" in repr(circle)
    assert not fit_circle(days(), EVEN).weak


def test_the_direction_at_an_angle_is_a_unit_vector_that_reads_back_as_that_angle():
    circle = fit_circle(days(noise=0.2), EVEN)
    for degrees in (0, 45, 200.5, -30):
        direction = circle.direction(degrees)
        assert direction.norm == pytest.approx(1, abs=1e-5)
        assert direction.point == circle.point
        assert wrapped(circle.read(circle.mean + direction.vector) - degrees) == pytest.approx(
            0, abs=1e-3
        )


def test_projection_of_the_fitted_vectors_gives_their_angles_and_radii():
    circle = fit_circle(days(noise=0.2), EVEN)
    xy = circle.project(circle.dictionary.vectors)
    assert np.allclose(np.hypot(*xy.T), circle.radii, atol=1e-4)
    assert np.allclose(
        wrapped(circle.read(circle.dictionary.vectors) - circle.angles), 0, atol=0.01
    )
    shifted = circle.project(circle.dictionary.vectors + 7, centre="own")
    assert np.allclose(shifted, xy - xy.mean(0), atol=1e-3)


def test_arrays_of_a_circle_cannot_be_changed():
    circle = fit_circle(days(), EVEN)
    for array in (circle.angles, circle.plane, circle.mean, circle.radii):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


@pytest.mark.parametrize(
    ("given_", "error", "message"),
    [
        ({"method": "pac"}, ValueError, "did you mean 'pca'"),
        ({"method": "ridge", "reference": None}, ValueError, "give {name: degrees}"),
        ({"reference": {"Monday": 0, "tuesday": 50, "friday": 9}}, ValueError, "2 of 7 names"),
        ({"reference": {"Monday": 0, "tuesday": 50}}, ValueError, "'Monday' has"),
        ({"method": "axes"}, ValueError, "axes="),
        ({"axes": ("monday", "friday")}, ValueError, "axes= is for method 'axes'"),
        ({"n_null": 0}, ValueError, "no circle without its null"),
        ({"nul": 3}, TypeError, "did you mean 'n_null'"),
        ({"method": "axes", "axes": ("monday", "mondya")}, KeyError, "did you mean 'monday'"),
    ],
)
def test_errors_name_the_argument_and_the_way_out(given_, error, message):
    with pytest.raises(error) as raised:
        fit_circle(days(), **{"reference": EVEN, **given_})
    assert message in str(raised.value)


def test_reading_states_of_another_width_says_both_widths():
    with pytest.raises(ValueError, match=r"x has shape \(2, 30\), this circle reads 40"):
        fit_circle(days(), EVEN).project(np.zeros((2, 30)))
    with pytest.raises(TypeError, match="model="):
        fit_circle(days(), EVEN).project(["a text"])


def test_two_names_and_angles_that_are_no_numbers_are_refused():
    two = Dictionary(np.eye(2, 8), ["a", "b"], "embed")
    with pytest.raises(ValueError, match="dictionary holds 2 names, a circle needs 4"):
        fit_circle(two, {"a": 0.0, "b": 90.0})
    with pytest.raises(ValueError, match=r"reference\['monday'\]=nan must be a finite number"):
        fit_circle(days(), {**EVEN, "monday": float("nan")})


def test_vectors_without_spread_span_no_plane():
    with pytest.raises(ValueError, match="all vectors of the dictionary are the same"):
        fit_circle(Dictionary(np.ones((7, 5)), DAYS, "embed"), EVEN)


def test_components_have_signs_that_do_not_depend_on_the_solver():
    rows = np.random.default_rng(0).standard_normal((9, 20))
    scores = principal_components(rows).scores
    assert (scores[np.abs(scores).argmax(0), np.arange(9)] > 0)[:8].all()


def test_a_direction_of_the_plane_knows_the_names_it_is_made_of():
    rng = np.random.default_rng(3)
    angles = np.linspace(0, 2 * np.pi, 10, endpoint=False)
    plane = np.linalg.qr(rng.standard_normal((16, 2)))[0].T
    vectors = np.stack([np.cos(angles), np.sin(angles)], 1) @ plane
    vectors = vectors + 0.1 * rng.standard_normal(vectors.shape)
    names = [f"n{i}" for i in range(10)]
    for method in ("pca", "ridge"):
        circle = fit_circle(
            Dictionary(vectors, names, "resid_post.1"),
            dict(zip(names, np.degrees(angles), strict=True)),
            method=method, n_null=10,
        )  # fmt: skip
        direction = circle.direction(40)
        np.testing.assert_allclose(
            direction.contrast.direction(direction.contrast.labels), direction.vector, atol=1e-4
        )
        moved = direction.contrast.direction(direction.contrast.relabelled(1, 0)[0])
        assert not np.allclose(moved, direction.vector, atol=0.1)


@pytest.mark.parametrize("degrees", [float("nan"), float("inf"), -float("inf")])
def test_an_angle_that_is_none_has_no_direction_and_no_neighbour(degrees):
    rows = np.random.default_rng(0).standard_normal((6, 8))
    found = fit_circle(Dictionary(rows, list("abcdef"), "resid_post.1"), n_null=1)
    for ask in (found.direction, found.nearest):
        with pytest.raises(ValueError, match=f"degrees={degrees} "):
            ask(degrees)
    states = np.full((2, 8), degrees)
    for read in (found.project, found.read):
        with pytest.raises(ValueError, match="x\\[0, 0\\] is "):
            read(states)
