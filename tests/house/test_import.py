"""`import volvelle` is light, and every public name leads somewhere."""

import json
import subprocess
import sys

import pytest
from house.tree import views

import volvelle

HEAVY = ("torch", "umap", "nnsight", "transformers", "anywidget", "numpy", "pandas", "scipy")
MEASURE = """
import sys, time
started = time.process_time()
import volvelle
dir(volvelle)
seconds = time.process_time() - started
import json
print(json.dumps([seconds, sorted(sys.modules)]))
"""


BEFORE_IT_IS_NEEDED = ("torch", "scipy", "nnsight", "transformers", "umap", "numba", "sklearn")
EMPTY = """
import json, sys
import volvelle as vv
getattr(vv, {name!r})()
print(json.dumps(sorted(sys.modules)))
"""


def import_in_a_fresh_process():
    result = subprocess.run(
        [sys.executable, "-c", MEASURE], check=True, capture_output=True, text=True
    )
    seconds, modules = json.loads(result.stdout)
    return seconds, modules


def test_importing_volvelle_loads_nothing_heavy():
    _, modules = import_in_a_fresh_process()
    assert [name for name in HEAVY if name in modules] == []


def test_importing_volvelle_takes_less_than_300_ms_of_cpu():
    assert min(import_in_a_fresh_process()[0] for _ in range(5)) < 0.3


@pytest.mark.parametrize("name", sorted(views()))
def test_a_view_loads_nothing_heavy_before_it_has_something_to_do(name):
    result = subprocess.run(
        [sys.executable, "-c", EMPTY.format(name=name)], check=True, capture_output=True, text=True
    )
    modules = json.loads(result.stdout)
    assert [heavy for heavy in BEFORE_IT_IS_NEEDED if heavy in modules] == []


@pytest.mark.parametrize("name", volvelle.__all__)
def test_a_public_name_resolves(name):
    assert getattr(volvelle, name) is not None


def test_an_unknown_public_name_suggests_the_closest():
    with pytest.raises(AttributeError, match="did you mean 'encode'"):
        volvelle.encod  # noqa: B018


def test_public_names_are_listed():
    assert set(volvelle.__all__) <= set(dir(volvelle))
