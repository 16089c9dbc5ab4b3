import numpy as np
import pytest

from volvelle.compute.directions.directions import Dictionary, Direction, Feature
from volvelle.compute.steering.placebos import random_rotation, random_steers, shuffled_steers
from volvelle.compute.steering.steers import HeadScale, Steer
from volvelle.compute.steering.where import Where

RNG = np.random.default_rng(0)
A = Direction(RNG.standard_normal(16), "a", "resid_post.3")
B = Direction(RNG.standard_normal(16), "b", "resid_post.3")
C = Direction(RNG.standard_normal(16), "c", "resid_post.5")


class FakeSAE:
    n_features = 32
    rows = RNG.standard_normal((32, 16))

    def feature(self, i):
        return Feature(self.rows[i], f"s/{i}", "resid_post.3", a_max=8.0, sae=self, index=i)


SAE = FakeSAE()


def test_a_direction_becomes_one_part_that_adds_it():
    (part,) = Steer(A, 0.2).parts()
    assert (part.method, str(part.point), part.strength) == ("add", "resid_post.3", 0.2)
    np.testing.assert_array_equal(part.writes, A.vector)


def test_the_units_of_add_are_norm_raw_and_max_act():
    feature = SAE.feature(4)
    length = {
        unit: part.scale(norm=50.0) * np.linalg.norm(part.writes)
        for unit in ("norm", "raw", "max_act")
        for part in Steer(feature, 1.0, unit).parts()
    }
    assert length["norm"] == pytest.approx(50.0)
    assert length["raw"] == pytest.approx(feature.norm)
    assert length["max_act"] == pytest.approx(8.0 * feature.norm)


def test_neuronpedias_names_are_understood():
    assert Steer(A, method="SIMPLE_ADDITIVE").method == "add"
    assert Steer(A, method="ORTHOGONAL_DECOMP", c=0.5).method == "orthogonal"
    assert Steer(A, method="PROJECTION_CAP", max=1.0).method == "projection_cap"


def test_several_directions_act_with_one_strength():
    steer = Steer(Dictionary(np.stack([A.vector, B.vector]), ["a", "b"], A.point), 0.3)
    assert [p.strength for p in steer.parts()] == [0.3, 0.3]
    assert steer.name == "a + b"


def test_ablating_several_directions_of_a_point_ablates_their_span():
    h = RNG.standard_normal(16)
    for part in Steer([A, B, C], method="ablate").parts():
        if str(part.point) == "resid_post.3":
            h = h - (h @ part.reads) * part.reads
    assert abs(h @ A.unit) < 1e-5
    assert abs(h @ B.unit) < 1e-5


def test_ablating_the_same_direction_twice_is_one_direction():
    double = Direction(2 * A.vector, "2a", A.point)
    assert len(Steer([A, double], method="ablate").parts()) == 1


def test_swap_writes_target_minus_direction():
    (part,) = Steer(A, method="swap", target=B).parts()
    np.testing.assert_allclose(part.writes, B.unit - A.unit, atol=1e-6)


def test_features_of_one_sae_are_clamped_together():
    features = [SAE.feature(1), SAE.feature(2)]
    (part,) = Steer(features, method="clamp", target=[3, 0]).parts()
    assert part.settings["features"] == (1, 2)
    assert part.settings["level"].tolist() == [3, 0]
    (part,) = Steer(features, unit="max_act", method="clamp", target=0.5).parts()
    assert part.settings["level"].tolist() == [4, 4]


def test_a_head_is_a_part_at_z():
    (part,) = HeadScale(4, 2, factor=0.0).parts()
    assert (part.method, str(part.point), part.settings["head"]) == ("heads", "z.4", 2)


def test_times_multiplies_the_strength_and_nothing_else():
    steer = Steer(A, 0.2, unit="raw").times(-3)
    assert (steer.strength, steer.unit) == (pytest.approx(-0.6), "raw")
    assert HeadScale(0, 0, strength=2).times(0.5).strength == 1


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Steer(A, method="ad"), "did you mean 'add'"),
        (lambda: Steer(A, unit="norms"), "did you mean 'norm'"),
        (lambda: Steer(Direction(np.zeros(4), "0", A.point)), "is zero"),
        (lambda: Steer(A, float("nan")), "strength=nan must be a finite number"),
        (lambda: Steer(A, "much"), "strength=.much. must be a number"),
        (lambda: Steer(A, c=0.5), "belongs to method orthogonal"),
        (lambda: Steer(A, method="orthogonal"), "1 is neutral"),
        (lambda: Steer(A, unit="max_act"), "only SAE features carry"),
        (lambda: Steer(A, method="ablate", unit="max_act"), "for add and clamp"),
        (lambda: Steer(A, method="clamp", target=1), "plain direction"),
        (lambda: Steer(SAE.feature(0), method="clamp"), "needs target="),
        (lambda: Steer(SAE.feature(0), method="clamp", target=[1, 2]), "not one finite"),
        (lambda: Steer(A, method="swap", target=3.0), "the Direction to swap in"),
        (lambda: Steer(A, method="projection_cap", min=1, max=0), "above max"),
        (lambda: Steer(A.vector), r"vv\.Direction\(vector"),
        (lambda: Steer("happy.gguf"), r"ControlVector\.load"),
        (lambda: Steer([]), "at least one"),
        (lambda: Steer(A, where="all"), r"vv\.Where"),
        (lambda: HeadScale(-1, 0), "counted from 0"),
    ],
)
def test_what_cannot_steer_is_refused_with_the_way_out(make, message):
    with pytest.raises((TypeError, ValueError), match=message):
        make()


def test_a_vector_with_holes_is_no_direction():
    with pytest.raises(ValueError, match=r"\[1\] is nan"):
        Direction([1.0, float("nan")], "x", A.point)


def test_a_random_rotation_keeps_lengths_and_angles_and_turns_away():
    rows = RNG.standard_normal((3, 400))
    rows[2] = rows[0] + 0.1 * rows[1]
    turned = random_rotation(rows, np.random.default_rng(1))
    np.testing.assert_allclose(turned @ turned.T, rows @ rows.T, rtol=1e-4)
    cosine = turned[0] @ rows[0] / np.linalg.norm(rows[0]) ** 2
    assert abs(cosine) < 0.25


def test_a_random_steer_reads_the_same_and_writes_elsewhere_by_as_much():
    # the ablation comes first: it reads nothing that the other writes
    steers = [Steer(C, 0.2), Steer(A, method="ablate"), HeadScale(1, 2)]
    placebo = random_steers(steers, np.random.default_rng(0), n_heads=9)
    for real, fake in zip(steers[:2], placebo[:2], strict=True):
        (r,), (f,) = real.parts(), fake.parts()
        assert np.linalg.norm(f.writes) == pytest.approx(np.linalg.norm(r.writes), rel=1e-5)
        assert not np.allclose(f.writes, r.writes)
        assert (r.reads is None) == (f.reads is None)
    np.testing.assert_array_equal(steers[1].parts()[0].reads, placebo[1].parts()[0].reads)
    assert placebo[2].layer == 1
    assert placebo[2].head != 2


def test_steers_that_read_what_they_write_are_turned_whole():
    layers = [Direction(A.vector, "a", f"resid_post.{layer}") for layer in range(4)]
    for steers in (
        [Steer(layers, method="ablate")],
        [Steer(A, 0.3), Steer(A, method="orthogonal", c=3.0)],
        [Steer(A, method="swap", target=B), Steer(C, method="projection_cap", max=1.0)],
    ):
        fakes = random_steers(steers, np.random.default_rng(99))
        for real, fake in zip(steers, fakes, strict=True):
            for r, f in zip(real.parts(), fake.parts(), strict=True):
                assert np.linalg.norm(f.writes) == pytest.approx(np.linalg.norm(r.writes), rel=1e-5)
                if r.reads is not None:
                    assert abs(float(f.reads @ r.reads)) < 0.9
                    # as they lie to what is written, so they lie turned
                    assert f.reads @ f.writes == pytest.approx(r.reads @ r.writes, abs=1e-4)


def test_heads_are_replaced_by_as_many_others_and_never_by_themselves():
    steers = [HeadScale(1, 0), HeadScale(1, 1), HeadScale(2, 0)]
    for seed in range(30):
        fakes = random_steers(steers, np.random.default_rng(seed), n_heads=4)
        assert [f.layer for f in fakes] == [1, 1, 2]
        assert fakes[0].head != fakes[1].head
        assert {fakes[0].head, fakes[1].head} != {0, 1}
        assert fakes[2].head != 0


def test_features_that_are_ablated_together_are_replaced_by_others():
    steer = Steer([SAE.feature(1), SAE.feature(2)], method="ablate")
    (shuffled,) = shuffled_steers([steer], np.random.default_rng(0))
    own = np.stack([part.writes for part in steer.parts()])
    other = np.stack([part.writes for part in shuffled.parts()])
    np.testing.assert_allclose(other @ other.T, np.eye(2), atol=1e-5)
    assert np.linalg.svd(own @ other.T)[1].max() < 0.999
    np.testing.assert_allclose(shuffled.parts()[0].reads, steer.parts()[0].reads)


def test_a_dictionary_without_enough_other_features_has_nothing_to_shuffle():
    everything = Steer([SAE.feature(i) for i in range(SAE.n_features)])
    assert shuffled_steers([everything], np.random.default_rng(0)) is None


def test_random_steers_are_drawn_from_their_generator():
    first, again, other = (
        random_steers([Steer(A)], np.random.default_rng(seed))[0].parts()[0].writes
        for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, other)


def test_the_norm_unit_of_a_placebo_is_the_norm_of_the_real_steer():
    (fake,) = random_steers([Steer(A, 0.1)], np.random.default_rng(0))
    (part,) = fake.times(2).parts()
    assert part.scale(70.0) * np.linalg.norm(part.writes) == pytest.approx(70.0)
    assert part.strength == pytest.approx(0.2)


def test_shuffled_steers_write_other_features_at_the_same_length():
    steer = Steer([SAE.feature(1), SAE.feature(2)], method="clamp", target=5)
    (shuffled,) = shuffled_steers([steer], np.random.default_rng(0))
    (part,) = shuffled.parts()
    (real,) = steer.parts()
    np.testing.assert_allclose(
        np.linalg.norm(part.writes, axis=1), np.linalg.norm(real.writes, axis=1), rtol=1e-5
    )
    rows = SAE.rows / np.linalg.norm(SAE.rows, axis=1, keepdims=True)
    unit = part.writes / np.linalg.norm(part.writes, axis=1, keepdims=True)
    nearest = (unit @ rows.T).argmax(axis=1)
    assert not set(nearest) & {1, 2}
    assert part.settings["features"] == (1, 2)


def test_without_an_sae_there_is_nothing_to_shuffle():
    assert shuffled_steers([Steer(A), HeadScale(0, 0)], np.random.default_rng(0)) is None


@pytest.mark.parametrize(
    ("bounds", "said"),
    [
        ({"min": float("nan")}, "min=nan "),
        ({"max": float("nan")}, "max=nan "),
        ({"min": float("inf")}, "min=inf "),
        ({"max": -float("inf")}, "max=-inf "),
    ],
)
def test_a_cap_between_no_numbers_is_refused(bounds, said):
    direction = Direction(np.ones(4), "joy", "resid_post.1")
    with pytest.raises(ValueError, match=said):
        Steer(direction, method="projection_cap", **bounds)
    assert Steer(direction, method="projection_cap", min=-np.inf).bounds == (-np.inf, np.inf)


@pytest.mark.parametrize("a_max", [float("nan"), float("inf"), -1.0])
def test_a_largest_activation_that_is_none_is_refused(a_max):
    with pytest.raises(ValueError, match=f"a_max={a_max} "):
        Direction(np.ones(4), "joy", "resid_post.1", a_max=a_max)


def test_nothing_is_counted_in_a_largest_activation_of_0():
    never = Direction(np.ones(4), "joy", "resid_post.1", a_max=0.0)
    with pytest.raises(ValueError, match="never seen active"):
        Steer(never, unit="max_act")


def test_a_multiplied_steer_knows_by_how_much():
    steer = Steer(Direction(np.ones(4), "joy", "resid_post.1"), 0.5)
    assert (steer.times(4).times(2).multiplier, steer.times(4).times(2).strength) == (8, 4)


@pytest.mark.parametrize("token", [float("nan"), 1.9, None])
def test_a_token_that_is_no_id_is_refused(token):
    with pytest.raises(TypeError, match="tokens of prompt are ids"):
        Where(prompt={"tokens": [token]})
