"""One file that holds all it needs, and nothing that can get out of it."""

import base64
import json
import re

import numpy as np
import pytest
from views.fakes import activations

from volvelle.views.activations.feature_activations import FeatureActivations
from volvelle.views.activations.shown import from_activations

HOSTILE = "</script><img src=x onerror=alert(1)><!--"


def written(view, tmp_path, title=None):
    path = view.to_html(tmp_path / "view.html", title)
    text = path.read_text(encoding="utf-8")
    state = re.search(r'<script type="application/json" id="state">(.*?)</script>', text, re.DOTALL)
    return text, revived(json.loads(state.group(1), parse_constant=refuse))


def refuse(word):
    raise AssertionError(f"{word} is no JSON")


def revived(packed):
    """The state with its buffers where they belong, as js/src/export/shim.ts puts them."""
    for place, data in packed["buffers"]:
        held = packed["state"]
        for name in place[:-1]:
            held = held[name]
        held[place[-1]] = base64.b64decode(data)
    return packed["state"]


def unpacked(wire):
    return np.frombuffer(wire["data"], wire["dtype"]).reshape(wire["shape"])


@pytest.fixture
def shown():
    view = FeatureActivations()
    view._show(from_activations(activations(["one two three four five six"])))
    return view


def test_the_file_asks_nothing_of_a_network(shown, tmp_path):
    text, _ = written(shown, tmp_path)
    assert "default-src 'none'" in text
    assert not re.search(r'(src|href)\s*=\s*["\']https?:', text)
    assert not re.search(r'\bimport\s*\(?\s*["\']https?:', text)


def test_several_texts_are_written_without_a_complaint(tmp_path, caplog):
    view = FeatureActivations(texts=[])
    view._show(from_activations(activations(["one two", "three"])))
    with view._quietly():
        view.texts = ["one two", "three"]
    _, state = written(view, tmp_path)
    assert state["texts"] == ["one two", "three"]
    assert (state["error"], state["status"]) == ("", "idle")
    assert caplog.text == ""


def test_text_cannot_end_its_script_element(tmp_path):
    view = FeatureActivations.from_values([HOSTILE, "b"], [1, 2], [HOSTILE])
    text, state = written(view, tmp_path)
    assert "onerror" not in re.sub(
        r'<script type="application/json".*?</script>', "", text, flags=re.DOTALL
    )
    assert text.count("</script>") == 3
    assert state["_labels"]["0"] == HOSTILE


def test_the_title_is_escaped(tmp_path):
    view = FeatureActivations.from_values(["a"], [1])
    view.to_html(tmp_path / "v.html", title=HOSTILE)
    assert HOSTILE not in (tmp_path / "v.html").read_text()


def test_arrays_travel_as_base64(shown, tmp_path):
    _, state = written(shown, tmp_path)
    assert unpacked(state["_token_flags"]).tolist() == [2, 0, 0, 0, 0, 0]


def test_the_file_knows_that_no_kernel_answers(shown, tmp_path):
    assert written(shown, tmp_path)[1]["_live"] is False
    assert shown._live is True


def test_the_file_holds_every_listed_feature_and_its_label(shown, tmp_path):
    _, state = written(shown, tmp_path)
    listed, held = unpacked(state["_list_features"]), unpacked(state["_columns"])
    assert set(listed.tolist()) <= set(held.tolist())
    assert {str(i) for i in listed.tolist()} <= state["_labels"].keys()
    assert len(held) > len(shown._columns)


def test_exporting_leaves_the_view_as_it_was(shown, tmp_path):
    before = (shown.selected_features, shown._columns.tolist(), dict(shown._labels))
    written(shown, tmp_path)
    assert before == (shown.selected_features, shown._columns.tolist(), dict(shown._labels))


def test_an_empty_view_can_be_exported(tmp_path):
    text, _ = written(FeatureActivations(), tmp_path)
    assert "<title>" in text


def test_a_folder_is_refused_with_an_example(shown, tmp_path):
    with pytest.raises(IsADirectoryError, match=r"is a folder, expected .* such as view\.html"):
        shown.to_html(tmp_path)
