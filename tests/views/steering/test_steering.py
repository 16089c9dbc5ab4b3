"""Steering: traits in, traits out, without a browser."""

import json
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest
from models import templates, tiny
from traitlets import TraitError
from views.fakes import FakeModel

import volvelle as vv
from volvelle.experiments.steering.placebos import counts_of, placebos_of
from volvelle.experiments.steering.prompts import PromptCard
from volvelle.experiments.steering.rows import Key, as_steers, as_strengths, card, plan_rows
from volvelle.experiments.steering.steered_row import SteeredRow
from volvelle.experiments.steering.steering_run import SteeringRun
from volvelle.models.work.worker import Cancelled
from volvelle.views.kit.arrays import unpack
from volvelle.views.steering.history import MOST_KEPT
from volvelle.views.steering.steering import Steering
from volvelle.views.steering.where import read_places, write_places
from volvelle.views.steering.wire import Stream

WORDS = ("one", " two", " three", " four", " five", " six")


class Chat:
    """A tokenizer with a template, of texts that are two tokens each."""

    chat_template = "{{ messages }}"

    def apply_chat_template(self, messages, **_):
        return str(messages)

    def __call__(self, text, **_):
        return {"input_ids": [0, 1]}


class SteeredModel(FakeModel):
    """Writes a word per token; a strength moves the words and the watched probability."""

    n_layers, d_model, context, remote = 4, 8, 64, False
    tokenizer = Chat()
    layout = SimpleNamespace(point=lambda text: vv.Direction(np.ones(1), "", text).point)

    def norm(self, point):
        return 10.0

    def prompt_ids(self, prompt, *, chat=False):
        return [0, 1]

    def tokens(self, ids):
        return SimpleNamespace(strings=tuple(WORDS[i % 6] for i in ids))


@pytest.fixture
def model():
    model = SteeredModel()
    yield model
    model.gate.set()
    model.worker.stop()


@pytest.fixture
def steered(monkeypatch, model):
    """Stand in for `vv.steer`; what it was called with."""
    calls = []

    def steer(_model, prompt, steers, *, strengths, placebo, watch, on_token, progress, **rest):
        mine, multiples = as_steers(steers), as_strengths(strengths)
        calls.append(SimpleNamespace(prompt=prompt, steers=mine, strengths=multiples, **rest))
        if prompt == "boom":
            raise RuntimeError("CUDA error: device-side assert")
        counts = counts_of(placebo)
        made = placebos_of(mine, counts, rest["seed"], None)
        plan = plan_rows(mine, multiples, made.first(counts.texts))
        n = rest["max_new_tokens"]
        for step in range(n):
            progress(step / n, f"{step} of {n}")
            if step == n // 2:
                model.gate.wait(5)
            for key, _ in plan:
                on_token(key, step, step + int(key.strength), -0.5, [-2.0] * len(watch))
        rows = tuple(row_of(key, n, len(watch)) for key, _ in plan)
        return SteeringRun(
            model="fake",
            prompts=(PromptCard(str(prompt), np.arange(2), ("A", " prompt")),),
            steers=tuple(card(one, model) for one in mine),
            strengths=multiples,
            watch=tuple(watch),
            rows=rows,
            norms={"resid_post.1": 10.0},
            settings={"placebo": placebo, **{k: rest[k] for k in ("seed", "temperature")}},
        )

    monkeypatch.setattr("volvelle.experiments.steering.steer.steer", steer)
    return calls


def row_of(key, n, n_watch):
    ids = np.arange(n) + int(key.strength)
    size = np.full((2, n + 2), [[abs(key.strength)], [10.0]], np.float32)
    masks = np.full((1, n + 2), key.strength != 0)
    masks[:, [0, -1]] = False
    return SteeredRow(
        kind=key.kind,
        number=key.number,
        strength=key.strength,
        sample=0,
        text="",
        ids=ids,
        strings=tuple(WORDS[i % 6] for i in ids),
        logprobs=np.full(n, -0.5, np.float32),
        base_logprobs=np.full(n, -1.5, np.float32),
        watched=np.full((n, n_watch), -2.0 - key.number, np.float32),
        masks=masks,
        sizes={"resid_post.1": size},
    )


def direction(name="joy", seed=0):
    return vv.Direction(np.random.default_rng(seed).normal(size=8), name, "resid_post.1")


@pytest.fixture
def view(model, steered):
    made = {"joy": direction(), "calm": direction("calm", 1)}
    return Steering(model, made, "A prompt", watch=[" x"], max_new_tokens=6, placebo=3).wait(5)


def ran(view, **strengths):
    view.strengths = strengths
    return view.run().wait(5)


def shown(view):
    return next(run for run in view._runs if run["serial"] == view._shown)


def test_it_is_a_public_name():
    assert vv.Steering is Steering


def test_a_strength_reaches_the_verb_and_the_result_comes_back(view, steered):
    ran(view, joy=0.3)
    assert isinstance(view.result, SteeringRun)
    assert [(s.name, s.strength, s.unit) for s in steered[0].steers] == [("joy", 0.3, "norm")]
    assert steered[0].strengths == (0.0, 1.0)
    assert view.strengths == {"joy": 0.3, "calm": 0.0}
    assert (view.status, view.error) == ("idle", "")
    assert len(view.to_pandas()) == len(view.result.rows)


def test_bare_directions_start_at_zero_and_then_only_the_baseline_is_written(view, steered):
    view.run().wait(5)
    assert steered[0].strengths == (0.0,)
    assert len(shown(view)["columns"]) == 1


def test_the_unsteered_column_comes_first_whatever_the_multiples(view):
    view.multiples = [2, -1, 0, 1]
    assert view.multiples == [-1, 1, 2]
    ran(view, joy=0.3)
    assert [c["strength"] for c in shown(view)["columns"]] == [0, -1, 1, 2]


def test_a_column_carries_probabilities_masks_sizes_and_the_placebo_band(view):
    ran(view, joy=0.3)
    column = shown(view)["columns"][1]
    assert unpack(column["steered"]).tolist() == [1, 1, 1, 1, 1, 0]
    assert unpack(column["logprobs"])[0] == -0.5
    assert unpack(column["base_logprobs"])[0] == -1.5
    assert unpack(column["ratios"])[0] == pytest.approx(0.1, abs=1e-3)
    band = unpack(column["bands"]["random"])
    assert band.shape == (6, 1, 3)
    # placebos 0, 1, 2 have exp(-2), exp(-3), exp(-4)
    assert band[0, 0, 1] == pytest.approx(np.exp(-3))
    assert unpack(shown(view)["prompt_steered"]).tolist() == [0, 1]
    assert shown(view)["placebos"] == {"random": 3, "shuffled": 0}


def test_what_travels_is_json_and_buffers(view):
    ran(view, joy=0.3)

    def plain(value):
        if isinstance(value, dict):
            return {k: plain(v) for k, v in value.items() if not isinstance(v, bytes)}
        return [plain(v) for v in value] if isinstance(value, (list, tuple)) else value

    json.dumps(plain(view.get_state()["_runs"]), allow_nan=False)


def test_tokens_stream_while_the_model_writes(view, model):
    frames = []
    view.observe(lambda change: frames.append(change["new"]), "_stream")
    model.gate.clear()
    view.strengths = {"joy": 1.0}
    view.run()
    deadline = time.monotonic() + 5
    while not any(f.get("columns") for f in frames) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert view._stream["columns"][0]["strings"][0] == "one"
    assert view._stream["sizes"] == [{"strength": 1.0, "unit": "norm", "method": "add"}]
    model.gate.set()
    view.wait(5)
    assert view._stream == {}


def test_a_stop_in_mid_stream_keeps_what_was_written_and_the_last_result(view, model):
    ran(view, joy=0.3)
    before = view.result
    model.gate.clear()
    view.strengths = {"joy": 0.9}
    view.run()
    while not view._stream.get("columns"):
        time.sleep(0.01)
    view.set_state({"_request": {"serial": 5, "kind": "stop"}})
    model.gate.set()
    view.wait(5)
    model.submit(lambda: None).result(5)
    assert view.status == "idle"
    assert view.result is before
    assert view._stream["columns"]


def test_two_hundred_moves_end_in_the_last_one(view, steered, model):
    errors = []
    threading.excepthook, hook = errors.append, threading.excepthook
    try:
        for i in range(200):
            state = {"strengths": {"joy": i / 200, "calm": 0.0}}
            view.set_state(state | {"_request": {"serial": i + 1, "kind": "run"}})
        view.wait(20)
    finally:
        threading.excepthook = hook
    assert errors == []
    assert (view.status, view.error) == ("idle", "")
    assert view.result.steers[0].strength == 199 / 200
    assert shown(view)["controls"]["strengths"]["joy"] == 199 / 200
    assert view._answered == 200


def test_an_error_in_the_model_is_shown_with_the_way_out_and_the_result_stays(view):
    ran(view, joy=0.3)
    before = view.result
    view.prompt = "boom"
    view.run().wait(5)
    assert view.status == "failed"
    assert "device-side assert" in view.error
    assert "Run again" in view.error
    assert view.result is before
    view.prompt = "A prompt"
    assert view.run().wait(5).error == ""


def test_an_interrupt_while_waiting_stops_the_run(view, model, monkeypatch):
    model.gate.clear()
    view.strengths = {"joy": 1.0}
    view.run()

    def interrupt(_timeout=None):
        raise KeyboardInterrupt

    settled = view._work._settled
    monkeypatch.setattr(view._work, "_settled", SimpleNamespace(wait=interrupt, set=settled.set))
    with pytest.raises(KeyboardInterrupt):
        view.wait()
    assert view.status == "idle"
    model.gate.set()
    assert model.submit(lambda: 7).result(5) == 7


def test_a_view_closed_while_it_runs_ends_its_work_quietly(view, model, caplog):
    model.gate.clear()
    view.strengths = {"joy": 1.0}
    view.run()
    job = view._work.job
    view.close()
    model.gate.set()
    with pytest.raises((Cancelled, TimeoutError)):
        job.result(5)
    assert model.submit(lambda: 7).result(5) == 7
    assert caplog.records == []


def test_history_keeps_runs_restores_one_and_forgets_the_oldest(view):
    for i in range(MOST_KEPT + 2):
        ran(view, joy=float(i + 1))
    assert list(view.history) == list(range(3, MOST_KEPT + 3))
    view.seed = 9
    view.set_state({"_request": {"serial": 1, "kind": "restore", "number": 4}})
    assert view.strengths["joy"] == 4.0
    assert view.seed == 0
    assert view.result is view.history[4]
    with pytest.raises(KeyError, match="run 1 is not in the history"):
        view.restore(1)


def test_a_run_is_restored_without_the_directions_that_are_gone(view):
    view.muted = ["calm"]
    ran(view, joy=0.5, calm=0.2)
    view.remove("calm")
    view.restore(1)
    assert view.strengths == {"joy": 0.5}
    assert view.muted == []


def test_steers_bring_their_own_strength_unit_method_and_place(model, steered):
    steer = vv.Steer(
        direction(), 0.5, unit="raw", method="orthogonal", c=0.0, where=vv.Where(prompt=[-1])
    )
    view = Steering(model, steer, "A prompt").wait(5)
    assert view.strengths == {"joy": 0.5}
    assert view.settings == {"joy": {"c": 0.0}}
    assert view.where["prompt"] == "-1"
    view.run().wait(5)
    assert steered[0].steers[0].method == "orthogonal"
    assert steered[0].steers[0].where == vv.Where(prompt=[-1])


def test_muting_moving_and_swapping_reach_the_steers(view):
    view.strengths = {"joy": 1.0, "calm": 2.0}
    view.muted = ["calm"]
    view.points = {"joy": "blocks.2.hook_resid_post"}
    assert view.points == {"joy": "resid_post.2"}
    (steer,) = view.steers()
    assert str(steer.directions[0].point) == "resid_post.2"
    view.muted, view.methods = [], {"joy": "swap"}
    assert view.steers()[0].target.name == "calm"
    view.methods = {"joy": "projection_cap"}
    view.settings = {"joy": {"min": -1.0}}
    assert view.steers()[0].bounds == (-1.0, np.inf)


def test_a_condition_names_a_direction(view):
    view.strengths = {"joy": 1.0}
    view.where = {"when": "calm", "above": 2.0}
    when = view.steers()[0].where.when
    assert (when.feature.name, when.above) == ("calm", 2.0)
    view.where = vv.Where(when=vv.When(direction("odd"), above=1.0))
    assert view.where["when"] == "odd"
    assert view.steers()[0].where.when.feature.name == "odd"
    for refused, said in (({"when": "nobody"}, "unknown direction"), ({"above": np.nan}, "above")):
        with pytest.raises(TraitError, match=said):
            view.where = refused
    assert view.where["when"] == "odd"


def test_what_would_break_every_later_run_is_refused_when_it_is_set(view):
    for name, value in {"seed": -1, "placebo": 10**9, "max_new_tokens": True}.items():
        before = getattr(view, name)
        with pytest.raises(TraitError):
            setattr(view, name, value)
        view.set_state({name: value})
        assert getattr(view, name) == before
        assert name in view.error
    view.watch = ["a", "b", "a"]
    assert view.watch == ["a", "b"]


def test_a_direction_is_added_and_removed_with_all_that_is_said_of_it(view):
    view.add(direction("rage", 3), strength=0.2)
    assert view.names == ["joy", "calm", "rage"]
    assert view.strengths["rage"] == 0.2
    view.muted = ["rage"]
    view.set_state({"_request": {"serial": 1, "kind": "remove", "name": "rage"}})
    assert view.names == ["joy", "calm"]
    assert view.muted == []
    with pytest.raises(ValueError, match="named 'joy' already"):
        view.add(direction())


def test_a_search_finds_features_whose_label_holds_every_word(model, steered):
    sae = vv.demo_sae("a")
    view = Steering(model, None, "A prompt", sae=sae)
    view.query = "Snow winter"
    labels = [each["label"] for each in view._found]
    assert labels
    assert all("snow" in label.lower() and "winter" in label.lower() for label in labels)
    feature = view._found[0]["feature"]
    view.set_state({"_request": {"serial": 1, "kind": "add", "feature": feature}})
    assert view._rows[0]["feature"] == feature
    assert view._rows[0]["units"]["add"] == ["norm", "raw", "max_act"]


def test_nothing_to_steer_says_how_to_add_a_direction(model, steered):
    view = Steering(model, None, "A prompt")
    view.set_state({"_request": {"serial": 1, "kind": "run"}})
    assert "w.add(direction)" in view.error


def test_a_chat_goes_to_the_verb_as_messages(model, steered):
    messages = [{"role": "user", "content": "Hello"}]
    view = Steering(model, direction(), messages, strengths={"joy": 1.0}).wait(5)
    view.run().wait(5)
    assert steered[0].prompt == messages
    assert view.prompt == ""


def test_turns_are_words_between_commas(model):
    view = Steering(model, direction())
    assert view.where["turns"] == ""
    assert view.steers() == []
    view.strengths = {"joy": 0.5}
    assert view.steers()[0].where.turns is None
    view.where = view.where | {"turns": " last  user,think "}
    assert view.where["turns"] == "last user, think"
    assert view.steers()[0].where == vv.Where(turns=("last user", "think"))
    view.where = vv.Where(turns="system", special=True)
    assert view.where["turns"] == "system"
    assert view.steers()[0].where == vv.Where(turns="system", special=True)
    view.set_state({"where": view.where | {"turns": "usr"}})
    assert view.error == "where: unknown turn 'usr'; did you mean 'user'?"
    assert view.where["turns"] == "system"


def test_a_chat_goes_to_the_page_with_whose_its_tokens_are():
    hf = tiny.hf("llama", vocab_size=300)
    small = vv.wrap(hf, templates.tokenizer("chatml default", tiny.tokenizer()), name="chat")
    joy = vv.Direction(np.ones(tiny.WIDTH), "joy", "resid_post.1")
    view = Steering(small, vv.Steer(joy, 0.5), "Hi", chat=True, placebo=0, max_new_tokens=3)
    pictures = []
    view.observe(lambda change: pictures.append(change["new"]), "_stream")
    view.run().wait(60)
    (run,) = view._runs
    strings, whose = run["prompt_strings"], run["prompt_turns"]
    said = {
        name: "".join(s for s, w in zip(strings, whose, strict=True) if w == name)
        for name in set(whose)
    }
    assert said["user"] == "Hi"
    assert said["hidden"] == "You are the user's kind assistant."
    steered = unpack(run["prompt_steered"])
    assert [w for w, on in zip(whose, steered, strict=True) if on] == ["user", "user"]
    assert next(picture for picture in pictures if picture)["prompt_turns"] == whose
    view.where = vv.Where(turns="user")
    view.run().wait(60)
    assert not view.result.row(1).masks[0][len(strings) :].any()


def test_live_is_off_and_refused_for_a_model_elsewhere(model, steered):
    model.remote = True
    view = Steering(model, direction(), "A prompt")
    assert view.live is False
    assert view.status == "idle"  # nothing ran by itself
    with pytest.raises(TraitError, match="press Run"):
        view.live = True
    with pytest.raises(TraitError, match="at most 128"):
        view.max_new_tokens = 500


@pytest.mark.parametrize(
    ("trait", "value", "message"),
    [
        ("strengths", {"joi": 1.0}, "did you mean 'joy'"),
        ("strengths", {"joy": float("nan")}, "expected a finite number"),
        ("units", {"joy": "max_act"}, "SAE features"),
        ("methods", {"joy": "ad"}, "did you mean 'add'"),
        ("points", {"joy": "resid_posst.2"}, "points of 'joy'"),
        ("settings", {"joy": {"d": 1}}, "unknown key 'd'"),
        ("multiples", [0], "1...6 finite numbers"),
        ("placebo", -1, "placebo=-1 must be a finite number, 0 or more"),
        ("max_new_tokens", 0, "must be a finite number, 1 or more"),
        ("where", {"promt": "all"}, "did you mean 'prompt'"),
        ("where", {"prompt": "last"}, "'last' names no tokens"),
        ("where", {"prompt": "none", "generated": "none"}, "steer nothing"),
    ],
)
def test_what_cannot_be_is_refused_by_name(view, trait, value, message):
    before = getattr(view, trait)
    with pytest.raises(TraitError, match=message):
        setattr(view, trait, value)
    assert getattr(view, trait) == before


def test_a_control_refused_in_the_browser_is_not_told_as_a_failure_of_the_model(view):
    view.set_state({"where": view.where | {"prompt": "the end"}})
    assert view.error.startswith("where: prompt: 'the end' names no tokens")
    assert view.where["prompt"] == "all"


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("all", "all"),
        ("0, 3, -1", {"positions": [0, 3, -1]}),
        ("2:8", {"window": (2, 8)}),
        ("-5:", {"window": (-5, None)}),
        ('" cat", #284', {"tokens": [" cat", 284]}),
        ("not 0, not 4:6", {"exclude_positions": [0], "exclude_window": (4, 6)}),
    ],
)
def test_places_are_read_as_typed_and_written_back(text, read):
    assert read_places(text, "prompt") == read
    assert write_places(read, "prompt") == text


def test_a_stream_shows_the_quantiles_of_the_placebos():
    pictures = []
    stream = Stream(lambda ids: tuple(map(str, ids)), pictures.append, [" x"])
    stream(Key("steered", -1, 1.0), 0, 5, -0.25, [np.log(0.5)])
    for number in range(3):
        stream(Key("random", number, 1.0), 0, 5, -1.0, [np.log(0.1 * (number + 1))])
    (column,) = stream.picture()["columns"]
    assert column["strings"] == ["5"]
    assert column["watched"] == pytest.approx([0.5])
    assert column["bands"]["random"][0][1] == pytest.approx(0.2)
    assert len(pictures) == 1  # the others came within a frame


def test_a_stream_marks_what_was_steered_as_it_is_read_and_keeps_what_is_measured_once():
    stream = Stream(
        lambda ids: tuple(map(str, ids)), lambda _: None, [[" yes", "Yes"], "of course"], ["A", "b"]
    )
    key, base = Key("steered", -1, 1.0), Key("steered", -1, 0.0)
    nan = float("nan")
    for step, (touched, whole) in enumerate((([0, 1], -2.0), ([1], nan), ([0], nan))):
        stream.mark(base, step, [False] * len(touched))
        stream.mark(key, step, [bool(on) for on in touched])
        stream.mark(Key("random", 0, 1.0), step, [True] * len(touched))
        for one in (base, key):
            stream(one, step, 7 + step, -0.5, [-1.0 - step, whole])
    picture = stream.picture()
    assert picture["watch"] == [" yes", "of course"]
    assert picture["once"] == [False, True]
    assert (picture["prompt_strings"], picture["prompt_steered"]) == (["A", "b"], [0, 1])
    unsteered, steered = picture["columns"]
    assert unsteered["steered"] == [0, 0]
    # the newest token is not read yet
    assert steered["steered"] == [1, 0]
    assert steered["strings"] == ["7", "8", "9"]
    assert steered["watched"] == pytest.approx([np.exp(-3), np.exp(-2)])


@pytest.mark.parametrize(
    ("value", "said"),
    [([""], "an answer is a text"), ([[]], "without a spelling"), ([3], "holds 3")],
)
def test_what_is_no_answer_is_refused_where_it_is_set(view, value, said):
    with pytest.raises(TraitError, match=said):
        view.watch = value
    view.watch = [" x", ("yes", "Yes")]
    assert view.watch == [" x", ["yes", "Yes"]]


def test_a_strength_that_nobody_chose_starts_gently(model):
    def starts(steer):
        return Steering(model, {"v": steer}).strengths["v"]

    v = vv.Direction(np.ones(8), "v", "resid_post.1")
    assert starts(vv.Steer(v)) == 0.2
    assert starts(vv.Steer(v, 0.7)) == 0.7
    assert starts(vv.Steer(v, unit="raw")) == 1.0
    assert starts(v) == 0.0
