"""Texts of strangers in every field of every view: they stay texts, and the state stays JSON."""

import json
import re

import numpy as np
import pytest
from house.tree import views
from hypothesis import given, settings
from hypothesis import strategies as st
from traitlets import Dict, List, Unicode
from views import strange
from views.kit.test_export import written
from views.test_page_messages import made  # noqa: F401  (every view, made once)

import volvelle as vv
from volvelle.arguments.texts import clean
from volvelle.views.kit import texts as kit
from volvelle.views.kit.numbers import finite
from volvelle.views.kit.view import HOST_TRAITS

INLINE = re.compile(r'<script type="application/json".*?</script>', re.DOTALL)
ROOMY = st.text(st.characters(), min_size=1, max_size=40) | st.sampled_from(
    [*strange.ODD, *strange.INJECTIONS, "\ud800" * 1000, "x\u202e\ud83d\0" * 25_000]
)


def every_text(value):
    """All texts of a JSON value, names too."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from (key, *every_text(item))
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from every_text(item)


def strict(state):
    """JSON as browsers read it, in UTF-8."""
    text = json.dumps(state, ensure_ascii=False, allow_nan=False, default=lambda _buffer: None)
    return text.encode()


def state_of(view):
    return {k: v for k, v in view.get_state().items() if k not in HOST_TRAITS}


def test_every_view_is_filled_here():
    assert set(strange.MAKERS) == set(views())


@pytest.mark.parametrize("texts", [strange.INJECTIONS, strange.ODD], ids=["injections", "odd"])
@pytest.mark.parametrize("name", list(views()))
def test_a_page_of_strange_texts_holds_them_as_texts(name, texts, tmp_path):
    view = strange.MAKERS[name](texts)
    strict(state_of(view))
    for title in texts:
        text, state = written(view, tmp_path, title=title)
        assert text.count("</script>") == 3
        outside = INLINE.sub("", text)
        assert "alert(" not in re.sub(r"<title>[^<]*</title>", "", outside)
    assert (view.error, view.status) == ("", "idle")
    held = {*every_text(state)}
    assert clean(texts[0]) in held
    assert not any(0xD800 <= ord(letter) < 0xE000 for one in held for letter in one)
    view.close()


@given(text=ROOMY)
@settings(max_examples=60)
def test_whatever_a_text_holds_its_doors_take_it_and_the_page_shows_it(text, tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    shown = clean(text)
    view = vv.FeatureActivations.from_values([text, "b"], [1, 2], [text], query=text)
    _, state = written(view, folder, title=text)
    assert (state["query"], state["_labels"]["0"]) == (shown, shown)
    assert bytes(state["_token_blob"]["data"]).decode().startswith(shown)
    turned = vv.Steering(None, {text: vv.Direction(np.ones(4), text, "resid_post.1")}, text)
    turned.watch = [text, [text, "b"]]
    turned.strengths, turned.units = {text: 0.5}, {shown: "raw"}
    turned.messages = [{"role": "user", "content": text}]
    _, state = written(turned, folder)
    assert (state["prompt"], state["strengths"]) == (shown, {shown: 0.5})
    assert state["watch"] == [shown, [shown, "b"]]
    assert state["messages"][0]["content"] == state["_rows"][0]["name"] == shown
    view.close()
    turned.close()


@pytest.mark.parametrize("name", list(views()))
def test_every_text_of_a_view_goes_through_the_door_of_the_kit(made, name):  # noqa: F811
    for trait in made[name].traits(sync=True).values():
        if (trait.name or "") in HOST_TRAITS | {"tabbable", "tooltip"}:
            continue
        inner = trait._trait if isinstance(trait, List) else trait
        for plain, own in ((Unicode, kit.WholeText), (Dict, kit.Dict)):
            assert not isinstance(inner, plain) or isinstance(inner, own), trait.name


@pytest.mark.parametrize("name", list(views()))
def test_every_state_is_json_whatever_numbers_are_in_it(made, name):  # noqa: F811
    view = made[name]
    bad = {"a": np.nan, "b": [np.inf, {"c": np.float32(-np.inf)}], "d": np.int64(3)}
    before = {}
    for trait in view.traits(sync=True).values():
        if isinstance(trait, Dict) and trait.name.startswith("_") and trait.name != "_request":
            before[trait.name] = getattr(view, trait.name)
    with view.hold_trait_notifications(), view._quietly():
        for trait in before:
            view.set_trait(trait, bad)
    try:
        strict(state_of(view))
        assert all(view.get_state(trait)[trait] == finite(bad) for trait in before)
    finally:
        for trait, value in before.items():
            view.set_trait(trait, value)


def test_a_number_that_is_none_has_one_spelling():
    assert finite({"a": np.nan, "b": (np.inf, 1.0)}) == {"a": None, "b": [None, 1.0]}
    assert finite(np.float16(np.nan)) is None
    assert finite([np.bool_(1), np.int8(2), "NaN"]) == [True, 2, "NaN"]


def test_halves_of_characters_of_a_page_are_replaced_and_it_is_shown_so(monkeypatch):
    view = vv.Steering(None, {"joy": vv.Direction(np.ones(4), "joy", "resid_post.1")}, "a")
    sent = []
    monkeypatch.setattr(view, "send_state", lambda key=None: sent.append(key))
    message = {"prompt": "x\ud800", "messages": [{"role": "user", "content": "\udc00"}], "seed": 3}
    view.set_state(message)
    assert (view.error, view.prompt, view.seed) == ("", "x\ufffd", 3)
    assert view.messages[0]["content"] == "\ufffd"
    assert sent[-1] == ["prompt", "messages"]
    sent.clear()
    view.set_state({"prompt": "x\udfff"})  # for Python nothing changes, for the page it does
    assert sent == [["prompt"]]


@pytest.mark.parametrize(
    ("traits", "message"),
    [
        ({"temperature": np.inf}, "'temperature'.*a finite number, not the float inf"),
        ({"where": {"above": np.nan}}, "where: above=nan is no threshold"),
        ({"strengths": {"joy": np.inf}}, "strengths: 'joy' is inf, expected a finite number"),
        ({"settings": {"joy": {"c": np.inf}}}, "settings.*'c'.* is inf, expected a finite number"),
        ({"settings": {"joy": {"min": np.inf}}}, "'min'.* is inf, expected a finite number"),
        ({"settings": {"joy": {"max": -np.inf}}}, "'max'.* is -inf, expected a finite number"),
        ({"multiples": [np.nan]}, "'multiples'.*finite number"),
    ],
)
def test_a_setting_that_is_no_number_is_refused_and_the_rest_is_exported(traits, message, tmp_path):
    joy = {"joy": vv.Direction(np.ones(4), "joy", "resid_post.1")}
    with pytest.raises(Exception, match=message):
        vv.Steering(None, joy, "a", **traits)
    view = vv.Steering(None, joy, "a")
    before = written(view, tmp_path)
    view.set_state(finite_not(traits))
    assert re.search(next(iter(traits)), view.error)
    assert written(view, tmp_path) == before


def finite_not(traits):
    """The message of a page that sends them."""
    return {k: {**vv.Steering().where, **v} if k == "where" else v for k, v in traits.items()}


@pytest.mark.parametrize(
    ("bounds", "kept"),
    [
        ({"min": -np.inf, "max": np.inf}, {"min": None, "max": None}),
        ({"min": -1.0, "max": np.inf}, {"min": -1.0, "max": None}),
        ({"max": 2.0}, {"min": None, "max": 2.0}),
        ({}, {"min": None, "max": None}),
    ],
)
def test_a_bound_that_is_infinite_is_none_and_the_cap_stays_what_it_was(bounds, kept, tmp_path):
    joy = vv.Direction(np.ones(4), "joy", "resid_post.1")
    steer = vv.Steer(joy, method="projection_cap", **bounds)
    view = vv.Steering(None, [steer], "a")
    assert view.settings == {"joy": kept}
    assert view.steers()[0].bounds == steer.bounds
    _, state = written(view, tmp_path)
    assert state["settings"] == {"joy": kept}
    view.settings = {"joy": bounds}  # as given, from Python
    view.settings = json.loads(json.dumps(view.settings))  # as a page sends it back
    assert view.steers()[0].bounds == (steer.bounds if bounds else (-np.inf, 0.0))


def test_an_export_that_fails_leaves_the_earlier_file(tmp_path, monkeypatch):
    view = vv.FeatureActivations.from_values(["a"], [1])
    path = view.to_html(tmp_path / "view.html")
    before = path.read_bytes()
    monkeypatch.setattr(view, "export_state", lambda: {"text": "\ud800"})
    with pytest.raises(UnicodeEncodeError):
        view.to_html(path)
    monkeypatch.setattr(view, "export_state", lambda: {"text": np.nan})
    with pytest.raises(ValueError, match="not JSON compliant"):
        view.to_html(path)
    assert path.read_bytes() == before
    assert [one.name for one in tmp_path.iterdir()] == ["view.html"]
