"""Every kind of result: kept whole, refused where damaged, said in a cell."""

from __future__ import annotations

import json
import random
import struct
from dataclasses import replace

import numpy as np
import pytest
from models.tiny import wrapped
from safetensors.numpy import load as tensors_of
from safetensors.numpy import save as bytes_of

import volvelle as vv
from volvelle.archive.file import HEADER, checksum
from volvelle.experiments.circles.check_circle import Check, Checks
from volvelle.experiments.circles.wheel import Text, Wheel
from volvelle.experiments.result import Result

POINT = "resid_post.1"


def toy(seed, n=40, d=32):
    generator = np.random.default_rng(seed)
    decoder = generator.standard_normal((n, d)).astype(np.float32)
    decoder /= np.linalg.norm(decoder, axis=1, keepdims=True)
    weights = {"W_enc": decoder.T.copy(), "W_dec": decoder}
    weights |= {"b_enc": np.zeros(n, np.float32), "b_dec": np.zeros(d, np.float32)}
    return vv.SAE.load(weights, point=POINT, k=4, name="toy")


def circle():
    rows = np.random.default_rng(2).standard_normal((8, 32))
    names = [f"n{i}" for i in range(8)]
    reference = {name: 45.0 * i for i, name in enumerate(names)}
    return vv.fit_circle(vv.Dictionary(rows, names, POINT, "toy"), reference, n_null=20)


def steer():
    return vv.Steer(vv.Direction(np.random.default_rng(1).standard_normal(32), "joy", POINT), 0.2)


def wheel():
    draw = np.random.default_rng(3).standard_normal
    texts = tuple(
        Text("circle", 0.1, float(a), "p", 0, "t", 1.0, 0.5, 0.1, {"valence": 1.0})
        for a in (0, 90, 180)
    )
    return Wheel(
        "tiny",
        ("a", "b", "c", "d"),
        np.array([0.0, 90.0, 180.0, 270.0]),
        np.zeros(4, bool),
        np.array([0.0, 90.0, 180.0]),
        np.array([0.1]),
        ("p", "q"),
        draw((1, 3, 2, 4)).astype(np.float32),
        draw((2, 4)).astype(np.float32),
        {"random": draw((2, 1, 3, 2, 4)).astype(np.float32)},
        texts,
        ("two words",),
        {"seed": 0},
    )


MADE = {
    "Circle": circle,
    "Wheel": wheel,
    "Checks": lambda: Checks("t", (Check("a", "b", 0.5, float("nan"), 3),), {"seed": 0}),
    "Activations": lambda: vv.encode(wrapped("llama"), ["hello <b>&", "é"], toy(0)),
    "SteeringRun": lambda: vv.steer(
        wrapped("llama"),
        "hello",
        steer(),
        strengths=(1,),
        placebo=1,
        max_new_tokens=2,
        watch=["a"],
    ),
    "Dose": lambda: vv.dose(
        wrapped("llama"), "is it? ", steer(), (0, 1), ("y", "n"), placebo=2, max_new_tokens=2
    ),
    "DualLayout": lambda: vv.dual_layout(toy(0), toy(5), n_epochs=3, cache=False),
}


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """One result of every kind, and its file."""
    folder = tmp_path_factory.mktemp("results")
    results = {kind: make() for kind, make in MADE.items()}
    return {kind: (one, one.save(folder / kind)) for kind, one in results.items()}


def every_result(cls=Result):
    for sub in cls.__subclasses__():
        yield from every_result(sub)
        if sub.__module__.startswith("volvelle."):
            yield sub


def test_every_kind_of_result_is_tested_here(kept):
    assert {cls.__name__ for cls in every_result()} == set(MADE)
    assert {cls.file_format.kind for cls in every_result()} == set(MADE)


def used(result):
    """Do with a result what a cell does, and return all that it says."""
    table = result.to_pandas()
    return repr(result), result.summary(), result._repr_html_(), table.to_csv()


@pytest.mark.parametrize("kind", MADE)
def test_what_is_saved_loads_and_says_the_same(kept, kind):
    result, path = kept[kind]
    again = type(result).load(path)
    assert used(again) == used(result)
    copy = again.save(path.with_name(f"{kind}-again"))
    assert copy.read_bytes() == path.read_bytes()


@pytest.mark.parametrize("kind", MADE)
def test_what_a_cell_shows_is_no_html_of_a_stranger(kept, kind):
    result, _ = kept[kind]
    image = "<img src=x onerror=alert(1)>"
    if kind == "Circle":
        changes = {"dictionary": replace_name(result.dictionary, image)}
    elif kind == "DualLayout":
        changes = {"a": replace(result.a, name=image)}
    else:
        changes = {{"Wheel": "title", "Checks": "title"}.get(kind, "model"): image}
    shown = replace(result, **changes)._repr_html_()
    assert "<img" not in shown
    # what a cell does not show needs no escape
    assert "&lt;img" in shown or kind in ("SteeringRun", "Dose")
    assert result._repr_html_().startswith(f"<p><b>{kind}</b>: ")


# -- damaged files ---------------------------------------------------------------------------

BAD = [None, True, -1, 0, 1e308, "x", "", [], {}, [None], {"a": 1}, [[1]], 10**400, float("nan")]


def taken_apart(path):
    """Return what the header says, and the tensors."""
    raw = path.read_bytes()
    (n,) = struct.unpack("<Q", raw[:8])
    header = json.loads(raw[8 : 8 + n])["__metadata__"][HEADER]
    return json.loads(header.partition(" ")[2]), tensors_of(raw)


def forged(told, tensors):
    """Return a file whose checksum is right, whatever it holds: one of a stranger."""
    text = told if isinstance(told, str) else json.dumps(told)
    return bytes_of(tensors, {HEADER: f"{checksum(text, tensors)} {text}"})


def places(node, at=()):
    """Yield the way to every value of a JSON tree."""
    items = node.items() if isinstance(node, dict) else enumerate(node)
    for key, value in items:
        yield (*at, key)
        if isinstance(value, (dict, list)) and len(at) < 4:
            yield from places(value, (*at, key))


def changed(tree, way, value):
    """Return a copy of a JSON tree with one value exchanged."""
    copy = json.loads(json.dumps(tree))
    node = copy
    for key in way[:-1]:
        node = node[key]
    if value is ...:
        del node[way[-1]]
    else:
        node[way[-1]] = value
    return copy


def replace_name(dictionary, name):
    names = [name, *dictionary.names[1:]]
    return vv.Dictionary(dictionary.vectors, names, dictionary.point, dictionary.source)


def damaged_bytes(raw, draw):
    """Yield files that were cut, or whose bits were flipped."""
    yield b""
    for k in range(1, 12):
        yield raw[: len(raw) * k // 12]
    for k in range(60):
        at = draw.randrange(min(len(raw), 3000 if k % 2 else len(raw)))
        yield raw[:at] + bytes([raw[at] ^ (1 << draw.randrange(8))]) + raw[at + 1 :]


def damaged_fields(path, draw, n):
    """Yield files of a stranger: every kind of wrong value, with a right checksum."""
    told, tensors = taken_apart(path)
    ways = [way for way in places(told) for _ in range(2)]
    for way in draw.sample(ways, min(n, len(ways))):
        yield forged(changed(told, way, draw.choice([*BAD, ...])), tensors)
    for text in ("", "{", "null", "[]", "3", "[" * 100_000):
        yield forged(text, tensors)
    for key in told:
        for value in BAD:
            yield forged({**told, key: value}, tensors)


def damaged_tensors(path):
    """Yield files whose numbers were dropped, cut, or pushed to their ends."""
    header, tensors = taken_apart(path)
    for name, array in tensors.items():
        yield forged(header, {key: one for key, one in tensors.items() if key != name})
        others = [array.ravel()[:-1], np.zeros(0, array.dtype), array.astype(np.complex64).real]
        if array.dtype.kind in "iu":
            others += [np.full_like(array, np.iinfo(array.dtype).max)]
        if array.dtype.kind == "i":
            others += [np.full_like(array, -5)]
        if array.dtype.kind == "f":
            others += [np.full_like(array, np.nan), np.full_like(array, np.inf)]
        for other in others:
            yield forged(header, {**tensors, name: np.ascontiguousarray(other)})


def outcome(cls, path, content):
    """Return "refused" in a sentence, "ok", or what went wrong and where."""
    path.write_bytes(content)
    try:
        found = cls.load(path)
    except ValueError as error:
        own = path.name in str(error) and type(error) is ValueError
        return "refused" if own else f"raw: {error!r}"
    except Exception as error:  # noqa: BLE001
        return f"raw: {error!r}"
    try:
        with np.errstate(all="ignore"):
            used(found)
    except Exception as error:  # noqa: BLE001
        return f"later: {error!r}"
    return "ok"


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("kind", MADE)
def test_a_damaged_file_is_refused_in_a_sentence_or_can_be_used(kept, kind, tmp_path):
    result, path = kept[kind]
    draw = random.Random(7)
    files = [
        *damaged_bytes(path.read_bytes(), draw),
        *damaged_fields(path, draw, 150),
        *damaged_tensors(path),
    ]
    found = [outcome(type(result), tmp_path / "x.safetensors", content) for content in files]
    assert [one for one in found if one not in ("refused", "ok")] == []
    assert found.count("refused") > len(files) / 2


@pytest.mark.parametrize("kind", MADE)
def test_no_flipped_bit_goes_unseen(kept, kind, tmp_path):
    result, path = kept[kind]
    cls, raw, draw = type(result), path.read_bytes(), random.Random(1)
    said = used(result)
    for _ in range(60):
        at = draw.randrange(len(raw))
        file = tmp_path / "x.safetensors"
        file.write_bytes(raw[:at] + bytes([raw[at] ^ (1 << draw.randrange(8))]) + raw[at + 1 :])
        try:
            again = cls.load(file)
        except ValueError:
            continue
        assert used(again) == said  # a blank of the header
