"""Paths: what is none is refused in a sentence, what cannot be opened is never waited for."""

import os
import socket
from pathlib import Path

import numpy as np
import pytest

import volvelle as vv
from volvelle.archive.paths import file_to_read, file_to_write, path_of
from volvelle.archive.whole import written_whole
from volvelle.experiments.circles.lexicons import read_norms
from volvelle.experiments.maps.result import DualLayout

# an opened pipe waits for its other end: a test that hangs says so soon
pytestmark = pytest.mark.timeout(60)

JOY = vv.Direction(np.ones(4), "joy", "resid_post.1")
VIEW = vv.FeatureActivations.from_values(["a"], [1])
LOADERS = {
    "Activations": vv.Activations.load,
    "Circle": vv.Circle.load,
    "Wheel": vv.Wheel.load,
    "SteeringRun": vv.SteeringRun.load,
    "Dose": vv.Dose.load,
    "DualLayout": DualLayout.load,
    "SAE": vv.SAE.load,
    "ControlVector": vv.ControlVector.load,
    "norms": read_norms,
    "model": vv.load,
}
SAVERS = {
    "to_html": VIEW.to_html,
    "ControlVector": vv.ControlVector([JOY]).save,
    "Circle": lambda path: circle().save(path),
}


def circle():
    vectors = np.random.default_rng(0).normal(size=(5, 4))
    return vv.fit_circle(vv.Dictionary(vectors, list("abcde"), "resid_post.1"), n_null=2)


@pytest.fixture(params=["a named pipe", "a device", "a socket", "a folder"])
def odd(request, tmp_path):
    """What is no file, and its name in a sentence."""
    path = tmp_path / "odd"
    if request.param == "a named pipe":
        os.mkfifo(path)
    elif request.param == "a device":
        path.symlink_to(os.devnull)
    elif request.param == "a socket":
        with socket.socket(socket.AF_UNIX) as bound:
            bound.bind(os.path.relpath(path))
    else:
        path.mkdir()
    return path, request.param


@pytest.mark.parametrize("verb", [*LOADERS])
def test_what_is_no_file_is_named_at_once_and_never_opened(odd, verb):
    path, kind = odd
    if kind == "a folder" and verb in ("SAE", "model"):
        pytest.skip("which a folder is for")
    with pytest.raises(OSError, match=rf"odd is {kind}, expected ") as refused:
        LOADERS[verb](path)
    assert str(path) in str(refused.value)


@pytest.mark.parametrize("verb", [*SAVERS])
def test_what_is_no_file_is_not_written_to_or_replaced(odd, verb):
    path, kind = odd
    before = path.lstat().st_mode, Path(os.devnull).stat().st_mode
    with pytest.raises(OSError, match=f"odd is {kind}"):
        SAVERS[verb](path)
    assert (path.lstat().st_mode, Path(os.devnull).stat().st_mode) == before


def test_a_writer_that_goes_around_the_door_replaces_no_device(odd):
    with pytest.raises(OSError, match=r"is (a|the) "), written_whole(odd[0]) as part:
        part.write_text("1")


@pytest.mark.parametrize("name", ["cfg.json", "labels.json", "config.json", "tokenizer.json"])
@pytest.mark.parametrize("verb", ["SAE", "model"])
def test_a_pipe_inside_a_folder_is_named_at_once(tmp_path, verb, name):
    os.mkfifo(tmp_path / name)
    with pytest.raises(OSError, match=rf"{name} is a named pipe, expected a file"):
        LOADERS[verb](tmp_path)


@pytest.mark.parametrize("verb", [*LOADERS, *(f"save {name}" for name in SAVERS)])
@pytest.mark.parametrize(
    ("given", "error"),
    [
        (3, TypeError),
        (None, TypeError),
        (b"a", TypeError),
        (["a"], TypeError),
        ("", ValueError),
        ("a\0b", ValueError),
        ("a\ud800", ValueError),
        ("x" * 100_000, ValueError),
        ("~nobody-of-that-name/a", ValueError),
    ],
    ids=["int", "None", "bytes", "list", "empty", "NUL", "half", "long", "home"],
)
def test_what_is_no_path_is_refused_in_a_sentence(verb, given, error):
    call = SAVERS[verb[5:]] if verb.startswith("save ") else LOADERS[verb]
    with pytest.raises(error, match=r"^(path|source|name|vad)( is |=)") as refused:
        call(given)
    assert "os.PathLike" not in str(refused.value)
    assert "expected a" in str(refused.value)
    assert len(str(refused.value)) < 400


@pytest.mark.parametrize("verb", [*SAVERS])
def test_a_missing_folder_is_named_by_every_writer(tmp_path, verb):
    with pytest.raises(FileNotFoundError, match=r"no folder .*there to write a"):
        SAVERS[verb](tmp_path / "there" / "a")


def test_a_missing_file_is_named_with_its_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no file .*there.a\.gguf.*no folder .*there"):
        vv.ControlVector.load(tmp_path / "there" / "a.gguf")


def test_what_is_a_path_is_one(tmp_path, monkeypatch):
    class Named:
        def __fspath__(self):
            return "~/a"

    monkeypatch.setenv("HOME", str(tmp_path))
    assert path_of(Named(), "a file") == file_to_write("~/a", "a file") == tmp_path / "a"
    (tmp_path / "a").write_text("1")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    assert file_to_read(tmp_path / "b", "a file") == tmp_path / "b"
    assert file_to_read(str(tmp_path / "a"), "a file") == tmp_path / "a"
