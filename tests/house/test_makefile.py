"""`make` says what there is, and how long the suites took however they end."""

import os
import re
import shutil
import subprocess

import pytest
from house.tree import ROOT

MAKEFILE = (ROOT / "Makefile").read_text("utf-8")
TIMED = ("check", "test", "test-remote", "test-nightly")
SOME = f"""
include {ROOT}/Makefile
good:
	$(call timed,quiet)
bad:
	$(call timed,broken)
quiet:
	@sleep 1.1
broken:
	@exit 3
"""

pytestmark = pytest.mark.skipif(not shutil.which("make"), reason="no make on PATH")


def make(folder, *arguments):
    """Run make as if nothing had been called from a make."""
    env = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MAKELEVEL", "BEGAN")}
    return subprocess.run(
        ["make", *arguments], cwd=folder, env=env, capture_output=True, text=True, check=False
    )


@pytest.fixture
def folder(tmp_path):
    """A folder with a Makefile that has a good and a bad target of the timed kind."""
    (tmp_path / "Makefile").write_text(SOME, encoding="utf-8")
    return tmp_path


def said(result):
    """The seconds that each timed target printed, after what it was asked for."""
    found = re.findall(r"^make (.*): (\d+) min (\d+) s$", result.stdout, re.MULTILINE)
    return [(goals, 60 * int(minutes) + int(seconds)) for goals, minutes, seconds in found]


def test_help_lists_what_a_contributor_runs():
    listed = dict(line.split(maxsplit=1) for line in make(ROOT, "help").stdout.splitlines())
    assert {"help", "demo", "surface", "bench", *TIMED} <= listed.keys()
    assert set(re.findall(r"^([a-z-]+):[^#\n]*##", MAKEFILE, re.MULTILINE)) == listed.keys()


@pytest.mark.parametrize("target", TIMED)
def test_a_suite_is_timed(target):
    assert re.search(rf"^{target}:.*\n\t\$\(call timed,", MAKEFILE, re.MULTILINE)


def test_the_minutes_are_counted_from_the_first_of_several_targets(folder):
    result = make(folder, "good", "bad")
    assert result.returncode != 0
    (first, second) = said(result)
    assert first[0] == second[0] == "good bad"
    assert 1 <= first[1] <= second[1]


def test_a_suite_that_fails_says_its_minutes_and_fails(folder):
    result = make(folder, "bad", "good")
    assert result.returncode != 0
    assert [goals for goals, _ in said(result)] == ["bad good"]
