"""The way to a server as far as none is needed: addresses, states, lines, results, errors."""

from __future__ import annotations

import io
import re

import pytest
import torch

import volvelle as vv
from volvelle.models.remote import errors as remote_errors
from volvelle.models.remote.answer import data_of, opened
from volvelle.models.remote.servers import host_of, server_of
from volvelle.models.remote.status import RemoteRequest
from volvelle.models.remote.stream import StepShape, TokenStream

# -- addresses -------------------------------------------------------------------------------


def test_an_address_is_taken_without_its_last_slash():
    assert server_of("http://localhost:8001/") == "http://localhost:8001"
    assert server_of(True) is True
    assert server_of(False) is False


@pytest.mark.parametrize(
    ("remote", "kind", "said"),
    [
        ("localhost:8001", ValueError, "'http://localhost:8001'"),
        ("ftp://somewhere", ValueError, "is no address"),
        ("http://me:word@host:1", ValueError, "NDIF_API_KEY"),
        (3, TypeError, "an address such as"),
    ],
)
def test_what_is_no_address_is_refused_with_the_way_out(remote, kind, said):
    with pytest.raises(kind, match=said):
        server_of(remote)


def test_true_is_where_nnsight_is_configured_to_go(monkeypatch):
    from nnsight import CONFIG

    monkeypatch.setattr(CONFIG.API, "HOST", "http://elsewhere:1/")
    assert host_of(True) == "http://elsewhere:1"
    assert host_of("http://here:2") == "http://here:2"


def test_dtype_and_device_are_the_servers():
    with pytest.raises(ValueError, match="are the server's"):
        vv.load("org/name", remote="http://localhost:1", dtype="float16")


# -- states ----------------------------------------------------------------------------------


def test_states_are_kept_with_their_times_and_repeats_only_move_the_place():
    request = RemoteRequest("http://h", "m")
    request.enter("RECEIVED", "received")
    request.enter("QUEUED", "Added to Queue at position 3.")
    assert request.position == 3
    assert request.text == "in the server's queue, position 3"
    request.enter("QUEUED", "Moved to position 2 in Queue.")
    assert request.position == 2
    request.enter("RUNNING")
    assert request.position is None
    assert [stage.status for stage in request.stages] == ["received", "queued", "running"]
    assert set(request.spent()) == {"received", "queued"}
    assert request.reached("queued")
    assert not request.reached("completed")


def test_the_clock_of_a_request_stops_with_it():
    request = RemoteRequest("http://h", "m")
    assert request.elapsed == 0
    request.enter("sending")
    request.enter("completed")
    stopped = request.elapsed
    assert request.elapsed == stopped


# -- tokens ----------------------------------------------------------------------------------


def test_lines_of_others_in_the_log_are_not_tokens():
    heard = []
    stream = TokenStream(lambda *step: heard.append(step), StepShape(2, 1), vocabulary=10)
    good = f"{stream.mark} 0 3 -1 -0.5 -1.0 -2 -inf"
    foreign = [
        "vv-" + "0" * 32 + " 0 3 -1 -0.5 -1.0 -2 -inf",
        good.replace(" 0 3", " 1 3"),  # a step too early
        good.replace(" 3 ", " 11 "),  # no such token
        good.replace("-0.5", "0.5"),  # no such probability
        good.replace("-0.5", "nan"),
        good.replace("-0.5", "-0.5;import"),
        good + " 1",
        "hellö",
        "",
    ]
    assert not any(stream.hear(line) for line in foreign)
    assert stream.hear(good)
    assert not stream.hear(good)
    assert heard == [(0, [3, -1], [-0.5, -1.0], [[-2.0], [float("-inf")]], [])]


def test_marks_of_steered_tokens_must_fit_the_tokens_that_were_read():
    heard = []
    stream = TokenStream(lambda *step: heard.append(step[-1]), StepShape(1, 0, 5), vocabulary=10)
    start = f"{stream.mark} 0 3 -0.5 "
    assert not any(stream.hear(start + said) for said in ("", "20", "013", "-1", "0x1", "g"))
    assert not stream.hear(start.strip())
    assert stream.hear(start + "13")
    assert not stream.hear(f"{stream.mark} 1 3 -0.5 2")
    assert stream.hear(f"{stream.mark} 1 3 -0.5 1")
    assert heard == [[[True, False, False, True, True]], [[True]]]


def test_two_streams_have_two_marks():
    one, other = (TokenStream(print, StepShape(1), 10) for _ in range(2))
    assert one.mark != other.mark


def test_what_a_trace_prints_is_what_a_stream_hears(capsys):
    from volvelle.models.traces import write as trace

    heard = []
    stream = TokenStream(lambda *step: heard.append(step), StepShape(2, 2, 9), vocabulary=10)
    watched = [[-2.0, -3.5], [-4.0, -5.0]]
    marks = [[n in (0, 4, 8) for n in range(9)], [False] * 9]
    steps = [
        (0, [3, -1], [-0.5, -1.25], watched, marks),
        (1, [2, -1], [-0.5, -1.25], watched, [[True], [False]]),
    ]
    for step in steps:
        trace.tell(stream.mark, *step)
        assert stream.hear(capsys.readouterr().out)
    assert heard == steps


# -- results ---------------------------------------------------------------------------------


class Harm:
    def __reduce__(self):
        return (exec, ("raise SystemExit('ran')",))


def saved(value):
    buffer = io.BytesIO()
    torch.save(value, buffer)
    return buffer.getvalue()


def test_a_result_is_read_as_data_and_nothing_of_it_runs():
    found = data_of(saved({"x": [torch.ones(2)], "y": (1, "a", None)}), compressed=False)
    assert found["y"] == (1, "a", None)
    with pytest.raises(ValueError, match=r".+"):
        data_of(saved({"x": Harm()}), compressed=False)
    with pytest.raises(ValueError, match="unreadable status"):
        opened(True, saved(Harm()))


def test_a_status_with_its_result_is_opened_as_the_server_writes_it():
    from nnsight.schema.response import ResponseModel

    sent = ResponseModel(id="a", status="COMPLETED", data=b"abc", meta={"runtime": 1.0})
    found = opened(True, sent.pickle())
    assert (found.id, found.status.value, found.data) == ("a", "COMPLETED", b"abc")
    assert found.meta == {"runtime": 1.0}


@pytest.mark.parametrize("binary", [True, False])
def test_a_damaged_frame_is_refused(binary):
    with pytest.raises(ValueError, match=r".+"):
        opened(binary, b"no frame")


# -- errors ----------------------------------------------------------------------------------

TRACEBACK = "Traceback (most recent call last):\n  File x, line 1\nValueError: no such thing\n"


@pytest.mark.parametrize(
    ("reached", "said", "kind"),
    [
        ("running", TRACEBACK, "code"),
        ("running", "Your job exceeded the execution timeout of 5s.", "too large"),
        ("queued", "Replica was evicted while processing your request.", "busy"),
        ("deploying", "OSError: x is not a local folder and is not a valid model", "model"),
        ("running", "Your request payload could not be read (ModuleNotFoundError: a)", "version"),
    ],
)
def test_an_error_of_the_server_is_one_sentence_with_its_own_words_attached(reached, said, kind):
    request = RemoteRequest("http://h", "m", id="abc")
    request.enter(reached)
    error = remote_errors.failed(request, said)
    assert error.kind == kind
    assert "\n" not in str(error)
    assert error.remote_traceback == said
    assert error.request is request


def test_a_key_that_a_server_repeats_is_taken_out():
    said = remote_errors.without("my-key", "Invalid API key format: 'my-key'.")
    assert said == "Invalid API key format: '<your key>'."
    assert remote_errors.without(None, "x") == "x"


# -- the key ---------------------------------------------------------------------------------

KEY = "a-key-that-nobody-may-see-4711"


def verbose(error):
    """What IPython prints after ``%xmode Verbose``: every frame with its locals."""
    from IPython.core.ultratb import VerboseTB

    drawn = VerboseTB().text(type(error), error, error.__traceback__)
    return re.sub(r"\x1b\[[\d;]*m", "", drawn)


@pytest.fixture(scope="module")
def nobody():
    return vv.load("smollm2", remote="http://127.0.0.1:9")


@pytest.mark.parametrize("detached", [False, True])
def test_a_verbose_traceback_shows_frames_and_no_key(nobody, monkeypatch, detached):
    monkeypatch.setenv("NDIF_API_KEY", KEY)
    job = nobody.submit(lambda: nobody.norm("resid_post.3"), detached=detached)
    with pytest.raises(vv.RemoteFailure) as caught:
        job.result(60)
    shown = verbose(caught.value)
    assert "no server answers" in shown
    assert "remote/backend.py" in shown
    assert "ExitTracingException:" not in shown  # nnsight's way out of a block
    assert KEY not in shown


def test_the_walk_through_frames_would_find_a_key(monkeypatch):
    # what the test above looks for is there where nobody took care
    monkeypatch.setenv("NDIF_API_KEY", KEY)

    def careless():
        headers = {"ndif-api-key": KEY}
        raise ValueError(len(headers))

    with pytest.raises(ValueError, match="1") as caught:
        careless()
    assert KEY in verbose(caught.value)


@pytest.mark.parametrize("key", ["two\nlines", "schlüssel"])
def test_a_key_that_can_be_none_is_refused_without_being_repeated(nobody, monkeypatch, key):
    monkeypatch.setenv("NDIF_API_KEY", key)
    with pytest.raises(vv.RemoteFailure, match="holds characters no key has") as caught:
        nobody.norm("resid_post.3")
    assert caught.value.kind == "key"
    for part in key.split("\n"):
        assert part not in str(caught.value)


def test_space_around_a_key_is_not_sent(monkeypatch):
    from volvelle.models.remote.backend import api_key

    monkeypatch.setenv("NDIF_API_KEY", f" {KEY}\n")
    key = api_key(RemoteRequest("http://h", "m"))
    assert key == KEY
    assert KEY not in repr(key)
    assert KEY not in repr({"ndif-api-key": key})
    monkeypatch.setenv("NDIF_API_KEY", "")
    monkeypatch.setattr("nnsight.CONFIG.API.APIKEY", "")
    assert api_key(RemoteRequest("http://h", "m")) is None


# -- in a cell -------------------------------------------------------------------------------

CELLS = """
import volvelle as vv
model = vv.load("smollm2", remote="http://127.0.0.1:9")
#---
x = 1
model.norm("resid_post.3")
#---
%tb
"""


def test_a_cell_shows_its_line_and_one_sentence_and_the_rest_when_asked():
    import nbformat
    from nbclient import NotebookClient

    book = nbformat.v4.new_notebook()
    book.cells = [nbformat.v4.new_code_cell(cell.strip()) for cell in CELLS.split("#---")]
    NotebookClient(book, timeout=120, allow_errors=True, kernel_name="python3").execute()
    outputs = [cell.outputs for cell in book.cells]
    ((said,), (asked,)) = outputs[1:]
    assert said.ename == "RemoteFailure"
    shown = [re.sub(r"\x1b\[[\d;]*m", "", line) for line in said.traceback]
    assert shown[0] == '----> 2 model.norm("resid_post.3")'
    assert shown[1].startswith("RemoteFailure: no server answers at http://127.0.0.1:9")
    assert shown[2].startswith("(%tb shows the full traceback")
    assert len(shown) == 3
    whole = "".join(asked.get("traceback") or asked["text"])
    assert "remote/backend.py" in whole
    assert "ConnectionRefusedError" in whole
