"""The emotion circle of the demo model: the issue's targets, each beside its null.

Run with ``-s`` to see what was measured. Words, prompts and situations that a plane has not seen
are only ever scored here; nothing is tuned on them.
"""

import time

import numpy as np
import pytest

from volvelle.compute.circles.angles import circular_correlation
from volvelle.compute.circles.planes import principal_components, unit_circle
from volvelle.compute.stats.permutation import p_value
from volvelle.experiments.circles.check_circle import check_circle
from volvelle.experiments.circles.emotion_circle import emotion_circle
from volvelle.experiments.circles.lexicons import wave_of_texts
from volvelle.experiments.circles.steer_around import steer_around

LAYER = 14  # hidden_states[15]


def told(what, target, value, null=""):
    print(f"{what}: {value} (target {target}{'; ' + null if null else ''})")


@pytest.fixture(scope="module")
def circle(model, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VOLVELLE_CACHE", str(tmp_path_factory.mktemp("cache")))
        before = time.process_time()
        found = emotion_circle(model)
        told("emotion_circle from scratch", "60 CPU-s", f"{time.process_time() - before:.0f} CPU-s")
        before = time.process_time()
        again = emotion_circle(model, layer=found.layer)
        told("again, from the cache", "-", f"{time.process_time() - before:.1f} CPU-s")
    assert np.array_equal(again.plane, found.plane)
    return found


@pytest.fixture(scope="module")
def checks(model, circle):
    return check_circle(model, circle)


@pytest.fixture(scope="module")
def wheel(model, circle):
    return steer_around(model, circle, placebo={"random": 10, "span": 3})


def test_the_layer_found_is_near_the_middle_and_survives_the_correction(circle):
    told("layer", "14 +- 2", circle.layer, f"corrected p = {circle.null.p:.3g}")
    assert abs(circle.layer - LAYER) <= 2
    assert circle.null.n_tried == 30
    assert circle.null.p <= 0.01
    assert circle.found


def test_emotions_lie_on_a_circle_in_the_middle_of_the_model(circle):
    there = circle.at(LAYER)
    limit = there.null.limit()
    told("circular correlation", ">= .70", f"{there.score:.2f}", f"95 % of null {limit:.2f}")
    assert there.score >= 0.70
    assert limit <= 0.25


def test_the_order_of_emotions_is_more_than_four_groups_and_is_not_shown_to_close(circle):
    there = circle.at(LAYER)
    blocks = there.null.blocks
    told("shuffled within quadrants, 95 %", ".675", f"{blocks.limit():.2f}", f"p = {blocks.p:.2g}")
    assert blocks.median == pytest.approx(0.56, abs=0.05)
    assert blocks.limit() == pytest.approx(0.68, abs=0.04)
    assert blocks.p <= 0.005
    assert there.verdict == "ordered"
    told("closed against open, nats", "-", f"{there.closure.closed - there.closure.opened:.1f}")


def test_the_first_two_components_are_valence_and_arousal(circle):
    there = circle.at(LAYER)
    targets = unit_circle(np.radians(there.reference))
    parts = principal_components(there.dictionary.vectors).scores
    rng = np.random.default_rng(0)

    def r(k, axis, order=slice(None)):
        return abs(np.corrcoef(parts[:, k], targets[order, axis])[0, 1])

    for k, name, target in ((0, "valence", 0.85), (1, "arousal", 0.70)):
        null = np.quantile([r(k, k, rng.permutation(25)) for _ in range(1000)], 0.95)
        told(f"PC{k + 1}-{name} |r|", f">= {target}", f"{r(k, k):.2f}", f"95 % null {null:.2f}")
        assert r(k, k) >= target


def test_angles_hold_when_each_word_is_left_out(circle):
    left = circle.at(LAYER).agreement
    told(
        "left out, per word",
        "-",
        f"{left.leave_one_out:.2f}, axes {np.round(left.axes_left_out, 2)}",
    )
    assert left.leave_one_out >= 0.6
    assert left.axes_left_out[0] >= 0.85
    assert left.axes_left_out[1] >= 0.70


def test_early_layers_hold_no_circle(circle):
    table = circle.profile().set_index("point")
    early = table.loc[[f"resid_post.{layer}" for layer in range(9)], "score"]
    told("layers 0...8, largest score", "<= .45", f"{early.max():.2f}")
    assert early.max() <= 0.45


def test_the_embedding_holds_much_valence_little_arousal_and_no_circle(circle):
    table = circle.profile().set_index("point")
    row = table.loc["embed"]
    told(
        "embedding: score, valence, arousal (left out)",
        "-",
        f"{row.score:.2f}, {row.valence_left_out:.2f}, {row.arousal_left_out:.2f}",
        f"95 % null {row.valence_shuffles_95:.2f}, {row.arousal_shuffles_95:.2f}",
    )
    assert row.score < 0.45
    assert row.valence_left_out > 0.8
    assert row.arousal_left_out < table.loc[f"resid_post.{LAYER}", "arousal_left_out"] - 0.15


def test_bootstrap_arcs_are_narrow_against_the_circle(circle):
    width = circle.to_pandas()[["below", "above"]].sum(axis=1)
    told("median width of the bootstrap arcs", "-", f"{width.median():.0f} degrees")
    assert width.median() < 40


def test_sentences_that_name_no_emotion_are_read_by_the_same_plane(checks):
    for measure, target in (
        ("valence r", 0.80),
        ("arousal r", 0.60),
        ("circular correlation", 0.65),
    ):
        row = checks["situations, mean", measure]
        told(
            f"situations, mean: {measure}",
            f">= {target}",
            f"{row.value:.2f}",
            f"95 % null {row.limit:.2f}",
        )
        assert row.value >= target > row.limit


def test_words_left_out_of_the_fit_fall_into_place(checks):
    half = checks["half of the words", "circular correlation"]
    unseen = checks["unseen words", "in their quadrant"]
    told("other half of the words", "-", f"{half.value:.2f}", f"95 % null {half.limit:.2f}")
    told("unseen words read, quadrant", "-", f"{unseen.value:.2f}", f"95 % null {unseen.limit:.2f}")
    assert half.value > half.limit
    assert unseen.value > unseen.limit


def test_words_peak_where_the_model_is_turned_to(wheel):
    limits = {kind: np.quantile(s[:, 0], 0.95) for kind, s in wheel.placebo_scores.items()}
    told(
        "peaks at .15 of the norm",
        ">= .65",
        f"{wheel.score[0]:.2f}, R {wheel.resultant[0]:.2f}, error {wheel.error[0]:.0f} degrees",
        ", ".join(f"95 % {kind} {limit:.2f}" for kind, limit in limits.items()),
    )
    assert wheel.score[0] >= 0.65
    assert limits["random"] <= 0.25
    assert wheel.error[0] <= 25


def test_unseen_words_peak_in_their_quadrant(wheel):
    told("unseen words' quadrant", ">= .65", f"{wheel.quadrants[0]:.2f}", "chance .25")
    assert wheel.held_out.sum() == 38
    assert wheel.quadrants[0] >= 0.65


def test_the_response_is_a_single_wave(wheel):
    r2 = wheel.harmonics.r2[0, wheel.scored]
    amplitude = wheel.harmonics.amplitude[0, wheel.scored].mean()
    told("median R2 of the first harmonic", "-", f"{np.median(r2):.2f}, {amplitude:.2f} nats")
    assert np.median(r2) > 0.8


def test_an_early_layer_does_not_turn_the_model(model, circle):
    early = steer_around(model, circle.at(8), placebo=0)
    told("layer 8, peaks", "<= .45", f"{early.score[0]:.2f}")
    assert early.score[0] <= 0.45


def test_texts_are_written_around_the_wheel_and_without_it(model, circle):
    wheel = steer_around(
        model, circle, "I feel", angles=(0, 120, 240), placebo=0, samples=1, max_new_tokens=4
    )
    table = wheel.texts_table()
    assert len(table) == 1 + 3
    assert table.strength.tolist() == [0.0, 0.15, 0.15, 0.15]
    assert np.isnan(table.angle[0])
    assert (table.nll > 0).all()
    assert table.text.map(len).gt(0).all()
    same = steer_around(
        model,
        circle,
        "I feel",
        angles=(0, 120, 240),
        strengths=0.0,
        placebo=0,
        samples=1,
        max_new_tokens=4,
        text_placebo=2,
    )
    assert len(set(same.texts_table().text)) == 1
    planes = same.texts_table()[["plane", "drawn"]].drop_duplicates().values.tolist()
    assert planes == [["circle", 0], ["span", 0], ["span", 1]]


@pytest.mark.nightly
def test_words_peak_further_around_the_circle_than_around_planes_of_the_span(model, circle):
    wheel = steer_around(model, circle, placebo={"span": 25})
    scores = wheel.placebo_scores["span"][:, 0]
    told("peaks, 25 planes of the span", "p <= .05", f"{wheel.score[0]:.2f}, {scores.max():.2f}")
    assert p_value(float(wheel.score[0]), scores) <= 0.05


@pytest.mark.nightly
def test_valence_of_texts_follows_the_circle_further_than_planes_of_the_span(model, circle):
    wheel = steer_around(model, circle, placebo=0, samples=1, text_placebo=True)
    wave = wheel.valence_wave()
    told("VADER around the wheel", "p <= .05", repr(wave))
    assert wave.n_texts == 48
    assert wave.tests["span"].p <= 0.05
    assert abs((wave.peak + 180) % 360 - 180) < 30
    angles = [text.angle for text in wheel.texts if (text.plane, text.drawn) == ("span", 0)]
    alone = [
        wave_of_texts(
            angles,
            [t.valence for t in wheel.texts if (t.plane, t.drawn) == ("span", number)],
        ).p
        for number in range(20)
    ]
    told("planes of the span that pass shuffled angles", "-", sum(p <= 0.05 for p in alone))
    # which is why that is no test: by chance it would be one in twenty
    assert sum(p <= 0.05 for p in alone) >= 3


def test_texts_and_states_are_read_alike(model, circle):
    good, bad = "They laughed and danced all night.", "They wept at the grave all night."
    xy = circle.project([good, bad], model=model)
    states = model.capture([good, bad], [circle.point], positions="mean")[circle.point]
    assert np.allclose(xy, circle.project(states), atol=1e-3)
    assert xy[0, 0] > xy[1, 0]
    capture = model.capture([good, "Ah."], circle.point)
    read = circle.project(capture)
    assert np.allclose(np.nanmean(read[0], axis=0), xy[0], atol=1e-3)
    assert np.isnan(read).all(-1).tolist() == (~capture.usable).tolist()
    trail = circle.project(good, model=model, positions="all")
    assert trail.shape == (len(model.tokens(good)), 2)


def test_a_direction_of_the_circle_steers(model, circle):
    import volvelle as vv

    steer = vv.Steer(circle.direction(0), 0.15)
    plain, glad = (
        model.next_token("I feel", steers=s, tokens=[" sad", " happy"])[0] for s in ((), steer)
    )
    assert glad[1] - glad[0] > plain[1] - plain[0] + 0.5


def test_the_picked_score_is_the_correlation_of_the_angles_shown(circle):
    again = abs(circular_correlation(np.radians(circle.angles), np.radians(circle.reference)))
    assert circle.score == pytest.approx(float(again))
    assert circle.score == pytest.approx(circle.layers.score[circle.layers.picked])
