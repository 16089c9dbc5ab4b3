"""Odd values for every parameter of every public call: a right answer, or an error that helps.

`odd` has the values, ``calls_<floor>`` the calls with arguments that work, `judged` what an answer
may be. `make test` tries a slice of the values by a fixed rule (`tried`), other ones for each
parameter; `make test-nightly` tries all.
"""

from __future__ import annotations

import functools
import inspect
import re

import numpy as np
import pytest
from arguments import judged, tried
from arguments.odd import NUMBERS, ODD, TEXTS
from house.test_keywords import CALLABLES, takes_arguments
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import volvelle as vv
from volvelle.arguments import plain

# What calls may take of memory beyond what is held: an array for 10**9 is refused, not made.
SPARE = 3 * 2**30

PARAMETERS = [pytest.param(*one, id=f"{one[0].name}({one[1]})") for one in tried.PARAMETERS]
TRAITS = [pytest.param(*one, id=f"{one[0].name}.{one[1]}") for one in tried.TRAITS]


@pytest.fixture(autouse=True, scope="module")
def bounded():
    """Hold memory down for the time of these tests, where the system can."""
    if not _is_linux():
        yield
        return
    import resource

    before = resource.getrlimit(resource.RLIMIT_AS)
    with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123
        held = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (held + SPARE, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


def _is_linux() -> bool:
    import sys

    return sys.platform == "linux"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """Run in an empty folder, with empty caches and no hub."""
    import huggingface_hub.constants as hub

    monkeypatch.setattr(hub, "HF_HUB_OFFLINE", True)
    monkeypatch.setenv("VOLVELLE_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)


def hold(faults):
    assert not faults, f"{len(faults)} faults\n{tried.told(faults)}"


@pytest.mark.parametrize(("row", "name"), PARAMETERS)
def test_some_odd_arguments_are_taken_or_refused_by_name(row, name):
    hold(tried.given(row, name, tried.slice_of(row, name)))


@pytest.mark.parametrize(("row", "name"), TRAITS)
def test_a_view_lives_through_some_odd_values_of_its_traits(row, name):
    hold(tried.set_to(row, name, tried.slice_of_trait(row, name)))


@pytest.mark.nightly
@pytest.mark.parametrize(("row", "name"), PARAMETERS)
def test_every_odd_argument_is_taken_or_refused_by_name(row, name):
    hold(tried.given(row, name, ODD))


@pytest.mark.nightly
@pytest.mark.parametrize(("row", "name"), TRAITS)
def test_a_view_lives_through_every_odd_value_of_its_traits(row, name):
    hold(tried.set_to(row, name, ODD))


# -- drawn values -----------------------------------------------------------------------------

LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(), max_size=20)
    | st.sampled_from(sorted(NUMBERS | TEXTS)).map(lambda name: ODD[name]())
)
DRAWN = st.recursive(
    LEAVES,
    lambda inside: (
        st.lists(inside, max_size=4)
        | st.tuples(inside, inside)
        | st.dictionaries(st.text(st.characters(), max_size=4), inside, max_size=3)
    ),
    max_leaves=8,
)
# a drawn host may be any server there is
QUICK = [
    row
    for row in tried.ROWS
    if row.cost == "quick" and row.parameters and row.of != "remote_models"
]


@pytest.mark.parametrize("row", [pytest.param(row, id=row.name) for row in QUICK])
@settings(
    max_examples=min(settings.default.max_examples // 5, 400),
    suppress_health_check=list(HealthCheck),
    derandomize=True,
    database=None,
)
@given(data=st.data())
def test_drawn_arguments_are_taken_or_refused_by_name(row, data):
    name = data.draw(st.sampled_from(row.parameters))
    value = data.draw(DRAWN)
    if any(value is made or value == odd for odd, made in row.without.get(name, {}).items()):
        return
    names = (name, *row.also.get(name, ()))
    assert not judged.fault(lambda: row(**row.base() | {name: value}), names, ANYWHERE)


# A drawn value may be NaN by itself; the listed ones tell whether it may be held.
ANYWHERE = None


# -- the table --------------------------------------------------------------------------------


def test_every_public_callable_has_a_row():
    covered = {_code(row.function) for row in tried.ROWS}
    covered |= {_code(CALLABLES[name]) for name in tried.EXCEPT}
    missing = {
        name: str(inspect.signature(function))
        for name, function in CALLABLES.items()
        if takes_arguments(function) or hasattr(function, "class_traits")
        if _code(function) not in covered
    }
    assert missing == {}, "add a row to calls_<floor>.py: arguments that work"


def test_every_exception_is_of_a_public_callable():
    assert [name for name in tried.EXCEPT if name not in CALLABLES] == []


@pytest.mark.parametrize("row", [pytest.param(row, id=row.name) for row in tried.WORK])
def test_base_arguments_work(row):
    made = row(**row.base())
    if row.is_view or row.makes_view:
        judged.of_view(made).close()


@pytest.mark.parametrize("row", [pytest.param(row, id=row.name) for row in tried.REFUSED])
def test_base_arguments_are_refused_where_there_is_no_server_or_job(row):
    with pytest.raises((ValueError, LookupError, vv.RemoteFailure)):
        row(**row.base())


def test_every_odd_value_is_in_the_slice_of_some_parameter():
    quick, slow = set(), set()
    for row, name in tried.PARAMETERS:
        (quick if row.cost == "quick" else slow).update(tried.slice_of(row, name))
    traits = {value for row, name in tried.TRAITS for value in tried.slice_of_trait(row, name)}
    assert quick == slow == traits == set(ODD)


def _code(function):
    """Return what tells a function from others, whatever class it is looked up in."""
    function = inspect.unwrap(getattr(function, "__func__", function))
    return getattr(function, "__module__", ""), function.__qualname__


# -- the judge --------------------------------------------------------------------------------


def raising(error):
    raise error


WRONG = {
    "raw TypeError": lambda: len(3),
    "RecursionError": lambda: raising(RecursionError("depth")),
    "NaN in result": lambda: np.full(2, np.nan),
    "RuntimeWarning": lambda: np.float64(1) / np.float64(0),
    "raw ValueError": lambda: bool(np.ones(2)),
    "raw FileNotFoundError": lambda: open("/nonexistent/x"),  # noqa: PTH123, SIM115
    "does not name it": lambda: vv.spellings(3),
    "characters": lambda: plain.text(3, "x" * 1000),
}


@pytest.mark.parametrize("said", WRONG)
def test_the_judge_finds_a_fault(said):
    assert re.search(said, judged.fault(WRONG[said], ("path",)))


@pytest.mark.parametrize("call", [lambda: 1, functools.partial(vv.spellings, 3)])
def test_the_judge_lets_pass_what_is_right(call):
    assert not judged.fault(call, ("word",))


def test_the_judge_ends_what_hangs(monkeypatch):
    import time

    monkeypatch.setattr(judged, "LIMIT_S", 0.2)
    assert "hangs" in judged.fault(lambda: time.sleep(30), ("x",))
