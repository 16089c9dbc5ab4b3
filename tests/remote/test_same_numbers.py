"""Every verb, here and on a real NDIF server: the same numbers."""

from __future__ import annotations

import numpy as np
import pytest

import volvelle as vv
from volvelle.experiments.circles.plan import finding
from volvelle.models.steering.steered import Steered
from volvelle.models.verbs.write import generate_rows

TEXTS = ["The man looked at the sky.", "When I woke up this morning, I felt", "No way"]
PROMPT = "When I woke up this morning, I"
CLOSE = 1e-4


def states(capture):
    return [*capture.states.values(), capture.mask, capture.outliers]


@pytest.mark.parametrize("positions", ["all", "last", "mean"])
@pytest.mark.parametrize(
    "points", ["resid_post.14", ["embed", "resid_pre.7", "mlp_out.7", "z.20", "resid_post.29"]]
)
def test_capture(both, points, positions):
    name = f"capture {positions} {len(points) if isinstance(points, list) else 1}"
    a, _, difference, job = both(name, lambda m: m.capture(TEXTS, points, positions), states)
    assert difference <= CLOSE
    # of three texts of unlike length, without their padding
    part = a.mask.mean() if positions == "all" else 1.0
    asked = part * sum(state.nbytes for state in a.states.values())
    if positions != "all":
        asked += a.mask.size * 4 * len(a.states)  # the norms, for outliers
    assert sum(request.received for request in job.requests) <= 1.2 * asked + 10_000


def test_capture_of_a_text_in_windows(both):
    text = " ".join(TEXTS) * 3
    found = both(
        "capture_windows",
        lambda m: m.capture_windows(text, "resid_post.3", window=24),
        lambda found: [found.states],
    )
    assert found[2] <= CLOSE


def test_norm(both, there):
    there.norms.clear()
    for point in ("resid_post.14", "mlp_out.3"):
        _, _, difference, job = both(f"norm {point}", lambda m, p=point: m.norm(p), lambda n: [n])
        assert difference <= 1e-3  # of about 100
    calls = [len(job.requests)]
    job = there.submit(lambda: there.norm("resid_post.2"))
    job.result()
    assert calls == [1]
    assert not job.requests


@pytest.mark.parametrize("tokens", [None, [" happy", " sad"]])
def test_next_token(both, tokens):
    name = "next_token all" if tokens is None else "next_token 2"
    a, _, difference, job = both(name, lambda m: m.next_token(TEXTS, tokens=tokens), lambda p: [p])
    assert difference <= CLOSE
    assert sum(request.received for request in job.requests) <= 1.2 * a.nbytes + 10_000


@pytest.mark.parametrize("temperature", [0.0, 0.9])
def test_generate(both, temperature):
    def verb(model):
        return model.generate(PROMPT, max_new_tokens=8, temperature=temperature, seed=3)

    a, b, difference, _ = both(f"generate t={temperature}", verb, lambda g: [g.ids, g.logprobs])
    assert difference <= CLOSE
    assert a.text == b.text


def test_unembed(both):
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((3, 576))
    a, b, difference, _ = both(
        "unembed",
        lambda m: m.unembed(vectors, k=5),
        lambda u: [u.promoted_ids, u.promoted_effects, u.suppressed_ids, u.suppressed_effects],
    )
    assert difference <= CLOSE
    assert a.promoted == b.promoted


def direction(seed=0, layer=14):
    vector = np.random.default_rng(seed).standard_normal(576)
    return vv.Direction(vector, f"v{seed}", f"resid_post.{layer}")


def clamped(target, **how):
    return vv.Steer(vv.demo_sae("a").feature(9), method="clamp", target=target, **how)


STEERS = {
    "add": lambda: vv.Steer(direction(), 0.3),
    "raw": lambda: vv.Steer(direction(), 0.5, unit="raw"),
    "orthogonal": lambda: vv.Steer(direction(), method="orthogonal", c=3.0),
    "ablate": lambda: vv.Steer(direction(), method="ablate"),
    "cap": lambda: vv.Steer(direction(), method="projection_cap", min=-0.1, max=0.1),
    "swap": lambda: vv.Steer(direction(), method="swap", target=direction(1)),
    "clamp": lambda: clamped(6.0),
    "head": lambda: vv.HeadScale(7, 2, factor=-1.5),
    "two layers": lambda: [vv.Steer(direction(1, 20), 0.2), vv.Steer(direction(2, 5), -0.2)],
    "last of prompt": lambda: at(prompt=[-1], generated="none"),
    "generated only": lambda: at(prompt="none", generated=(1, 3)),
    "by token": lambda: at(prompt={"tokens": [" I"]}, generated="none"),
    "first": lambda: at(first=True),
    "special": lambda: at(special=True),
    "when": lambda: at(when=vv.When(direction(3, 10), above=0.5)),
}


def at(**where):
    return vv.Steer(direction(), 0.3, where=vv.Where(**where))


@pytest.mark.parametrize("case", STEERS)
def test_generation_with_every_method_and_where(both, case):
    steers = STEERS[case]()
    steers = steers if isinstance(steers, list) else [steers]

    def verb(model):
        ids = model.prompt_ids(PROMPT)
        steered = Steered(model, [steers, []], [ids] * 2, 5, noting=True)
        rows = generate_rows(model, [ids] * 2, steered, max_new_tokens=5, watch=[10, 20])
        return rows, steered.applied

    def numbers(found):
        rows, applied = found
        arrays = [part for row in rows for part in (row.ids, row.logprobs, row.watched)]
        for one in applied.values():
            arrays += [one.masks, *(size / 100 for size in one.sizes.values())]
        return arrays

    assert both(f"steered, {case}", verb, numbers)[2] <= CLOSE


# a chat whose answer begins with thinking, as some reasoning models' does
THINKING = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "<|im_start|>assistant\n<think>\nOne <"
)


@pytest.mark.parametrize("turns", [None, "user", "think", "answer", ("last user", "think")])
def test_turns_are_told_there_as_here(both, here, there, monkeypatch, turns):
    for model in (here, there):
        monkeypatch.setattr(model.tokenizer, "chat_template", THINKING)
    steer = at(turns=turns)

    def verb(model):
        ids = model.prompt_ids([{"role": "user", "content": "What is one and one?"}])
        steered = Steered(model, [[steer], []], [ids] * 2, 8, noting=True)
        return generate_rows(model, [ids] * 2, steered, max_new_tokens=8), steered.applied

    def numbers(found):
        rows, applied = found
        return [*(part for row in rows for part in (row.ids, row.logprobs)), applied[0].masks]

    a, _, difference, _ = both(f"turns={turns!r}", verb, numbers)
    assert difference <= CLOSE
    written = a[1][0].masks[0][len(a[0][0].prompt_ids) : -1]
    # the prompt ends within a thought, and the model writes no mark
    assert written.all() == (turns not in ("user", "answer"))


def test_steer(both):
    run = lambda m: vv.steer(  # noqa: E731
        m, PROMPT, vv.Steer(direction(), 0.2), (-1, 0, 1), {"words": 19, "texts": 2},
        max_new_tokens=6, watch=(" happy", " sad"), samples=2, temperature=0.7,
    )  # fmt: skip

    def effects(run):
        # a perplexity of 19 is compared in nats: 1e-5 of them make 2e-4 of it
        frame = run.to_pandas()
        frame["perplexity"] = np.log(frame["perplexity"])
        return [*table(frame), run.effects.placebos["random"], run.test().p_cells]

    a, _, difference, job = both("vv.steer", run, effects)
    assert difference <= CLOSE
    assert len(a.to_pandas())
    # the sweep is one request, beside the norm, the placebos' words and the scoring
    assert len(job.requests) <= 5


def table(result):
    """Every numeric column of a result, or of its table."""
    frame = result.to_pandas() if hasattr(result, "to_pandas") else result
    return [frame[name].to_numpy() for name in frame if frame[name].dtype.kind in "fi"]


def test_dose(both):
    how = {"strengths": (0, 1), "answers": (" happy", " sad"), "placebo": 2}
    found = both(
        "vv.dose", lambda m: vv.dose(m, "I feel", vv.Steer(direction(), 0.2), **how), table
    )
    assert found[2] <= CLOSE


def small_sae(n=24, which="a"):
    """Some features of a demo dictionary, as an SAE of its own: so few that it may be sent."""
    whole = vv.demo_sae(which)
    weights = {
        "W_enc": whole.W_enc[:, :n],
        "W_dec": whole.W_dec[:n],
        "b_enc": whole.b_enc[:n],
        "b_dec": whole.b_dec,
    }
    return vv.SAE(weights, "topk", whole.point, name=f"small {which}", k=4)


ENCODED = {
    "brought back": (
        lambda: vv.demo_sae("a"),
        TEXTS,
        "are brought back and read here",
    ),
    "there": (small_sae, TEXTS * 40, "are read there"),
}


# few features of a dictionary explain little, which the verb rightly says
@pytest.mark.filterwarnings("ignore:.*does not seem to fit")
@pytest.mark.parametrize("way", ENCODED)
def test_encode_by_whichever_way_moves_fewer_bytes(both, way):
    make, texts, said = ENCODED[way]
    sae = make()
    a, b, _, job = both(
        f"vv.encode, {way}", lambda m: vv.encode(m, texts, sae), lambda e: [e.codes.data]
    )
    np.testing.assert_allclose(a.codes.toarray(), b.codes.toarray(), atol=CLOSE)
    np.testing.assert_array_equal(a.outliers, b.outliers)
    assert b.fve == pytest.approx(a.fve, abs=1e-5)
    (detail,) = job.details
    assert said in detail
    (request,) = job.requests
    states = sum(map(len, a.tokens)) * sae.d_model * 4
    moved = request.sent + request.received
    if way == "there":
        assert moved < 0.7 * states
        asked = a.codes.nnz * 8 + 8 * len(a.left_out)
        assert request.received <= 1.2 * asked + 10_000
    else:
        assert request.received <= 1.2 * states + 10_000


def test_a_dictionary_is_projected_on_by_whichever_way_moves_fewer_bytes(both):
    from volvelle.experiments.maps.reading import read
    from volvelle.experiments.maps.sides import side

    rows = vv.demo_sae("a").W_dec
    small = vv.Dictionary(rows[:20], [f"s{i}" for i in range(20)], "resid_post.14", "small")
    large = vv.Dictionary(rows[:900], [f"l{i}" for i in range(900)], "resid_post.9", "large")
    texts = TEXTS * 10
    sides = [side(small, "a"), side(large, "b")]
    a, b, _, job = both(
        "projections", lambda m: m.call(lambda: read(m, texts, sides, lambda *_: None)),
        lambda found: [x for one in found for x in (one.codes.toarray() / 100, one.scored)],
    )  # fmt: skip
    for one, other in zip(a, b, strict=True):
        np.testing.assert_allclose(
            one.codes.toarray(), other.codes.toarray(), rtol=1e-4, atol=CLOSE
        )
    assert ["are read there" in said for said in job.details] == [True, False]
    n = sum(len(one) for one in a[0].tokens)
    assert job.requests[0].received <= 1.2 * n * 20 * 4 + 10_000
    assert job.requests[1].received <= 1.2 * n * 576 * 4 + 10_000


def test_states_are_unembedded_where_the_unembedding_is(both):
    from volvelle.experiments.readouts.top_tokens import TopTokens

    points = ["resid_post.14", "resid_post.29"]
    a, b, _, job = both(
        "top tokens",
        lambda m: m.observe(TEXTS, {p: [TopTokens.of(m.layout, 5)] for p in points}),
        lambda found: [x for p in points for x in found[p][0]],
    )
    for point in points:
        np.testing.assert_array_equal(a[point][0].ids[:, 0], b[point][0].ids[:, 0])
    assert "are read there" in job.details[0]
    assert len(job.requests) == 1


@pytest.mark.filterwarnings("ignore:.*does not seem to fit")
def test_an_sae_reads_for_a_map_where_the_model_is(both):
    from volvelle.experiments.maps.reading import read
    from volvelle.experiments.maps.sides import side

    a, b, _, job = both(
        "codes of a map",
        lambda m: m.call(lambda: read(m, TEXTS * 20, [side(small_sae(), "a")], lambda *_: None)),
        lambda found: [found[0].scored],
    )
    np.testing.assert_allclose(a[0].codes.toarray(), b[0].codes.toarray(), atol=CLOSE)
    assert "are read there" in job.details[0]
    assert len(job.requests) == 1


def test_a_text_on_the_dial_and_the_origin_it_is_read_against(both, circle):
    from volvelle.views.circles.reading import neutral_centre, trail_of

    text = " ".join(TEXTS) * 12

    def verb(model):
        centre = neutral_centre(model, circle)
        return trail_of(model, circle, [text], centre, lambda *_: None)

    a, _, difference, job = both("text on the dial", verb, lambda trail: [trail.xy, trail.means])
    assert difference <= CLOSE
    asked = [576 * 4, len(a.xy) * 3 * 4]
    for request, size in zip(job.requests, asked, strict=True):
        assert request.received <= 1.2 * size + 10_000


@pytest.fixture(scope="module")
def circle(both):
    found = both(
        "emotion_circle",
        lambda m: vv.emotion_circle(m, layer=14, n_null=20, cache=False),
        lambda c: [np.cos(np.radians(c.angles)), np.sin(np.radians(c.angles)), c.radii],
    )
    a, _, difference, job = found
    assert difference <= CLOSE
    np.testing.assert_allclose(a.vectors.means, found[1].vectors.means, atol=1e-3)  # of about 10
    assert a.details["split_half"] == pytest.approx(found[1].details["split_half"], abs=CLOSE)
    np.testing.assert_allclose(a.spread, found[1].spread, atol=0.1)  # degrees
    # what the circle holds of every layer: means, and each inner product of texts once
    asked = a.vectors.means.nbytes + len(a.vectors.points) * 4 * products(a.vectors)
    (request,) = job.requests
    assert request.received <= 1.2 * asked + 10_000
    assert "are read there" in job.details[0]
    # and what a view says beforehand that it will be
    plan = finding(len(a), 12, 30, 576)
    assert request.received / 2 <= plan.received <= 2 * request.received
    assert request.sent / 2 <= plan.sent <= 2 * request.sent
    return a


def products(vectors):
    from volvelle.experiments.readouts.class_means import ClassMeans

    return ClassMeans(vectors.owner, paired=vectors.paired, grams=True).n_products


def test_checks_of_a_circle_bring_back_means_of_words(both, circle):
    from volvelle.experiments.circles.check_circle import _class_states
    from volvelle.experiments.circles.stimuli import read_stimuli

    read = read_stimuli("situations", circle.names)
    _, _, difference, job = both(
        "check_circle, situations",
        lambda m: m.call(lambda: _class_states(m, circle, read, "mean")),
        lambda means: [means],
    )
    assert difference <= CLOSE
    assert job.requests[0].received <= 1.2 * len(circle) * 576 * 4 + 10_000


def test_emotion_circle_and_the_wheel(both, circle):
    def numbers(wheel):
        # a peak in degrees has no scale of its own: where a word hardly answers it is anywhere.
        # What was fitted is a wave, and its two coefficients are in nats
        frame = wheel.to_pandas()
        peak, amplitude = np.radians(frame["peak"]), frame["amplitude"]
        wave = [(amplitude * np.cos(peak)).to_numpy(), (amplitude * np.sin(peak)).to_numpy()]
        return [*table(frame.drop(columns="peak")), *wave]

    found = both(
        "steer_around",
        lambda m: vv.steer_around(m, circle, ["I feel"], range(0, 360, 120), placebo=2),
        numbers,
    )
    assert found[2] <= CLOSE


def test_matching_by_activations(both, here):
    a, b = small_sae(900, "a"), small_sae(900, "b")
    found = both(
        "dual_layout activations",
        lambda m: vv.dual_layout(
            a, b, model=m, texts=TEXTS * 3, match="activation", n_epochs=2, cache=False
        ),
        lambda d: [
            np.asarray(d.matches.to_numpy() if hasattr(d.matches, "to_numpy") else d.matches)
        ],
    )
    assert found[2] <= CLOSE
    # the texts once for both, and the labels of each dictionary: ids of five tokens a feature
    states, *labels = found[3].requests
    n = sum(len(here.tokens(text)) for text in TEXTS * 3)
    assert states.received <= 1.2 * n * 576 * 4 + 10_000
    for request, half in zip(labels, (found[0].a, found[0].b), strict=True):
        assert request.received <= 1.2 * len(half.promoted) * 5 * 4 + 10_000
    assert found[0].a.promoted == found[1].a.promoted
