"""What users type changes on purpose: as recorded, and said in the changelog by the same commit."""

from __future__ import annotations

import difflib
import re
import subprocess

import pytest
from house import surface
from house.tree import ROOT

RECORDED = surface.RECORDED.relative_to(ROOT).as_posix()
CHANGELOG = "CHANGELOG.md"


def test_the_public_surface_is_the_recorded_one():
    recorded, found = surface.RECORDED.read_text("utf-8"), surface.surface()
    if found != recorded:
        lines = recorded.splitlines(), found.splitlines()
        diff = "\n".join(difflib.unified_diff(*lines, "recorded", "found", n=0, lineterm=""))
        pytest.fail(
            f"{diff}\n\nThe public surface is not the recorded one. If that is meant: `make "
            f"surface`, and a line in {CHANGELOG} in the same commit.",
            pytrace=False,
        )


def test_the_surface_names_nothing_of_the_machine():
    text = surface.RECORDED.read_text("utf-8")
    assert re.findall(r"0x[0-9a-f]{4,}|[\w./]*/site-packages|volvelle\.\w+", text) == []


def git(folder, *arguments):
    return subprocess.run(
        ["git", "-C", folder, *arguments], check=True, capture_output=True, text=True
    ).stdout


def unsaid(folder):
    """Commits of a repository, or "uncommitted", that change the surface and not the changelog."""
    log = git(
        folder, "log", "--no-merges", "--format=*%h", "--numstat", "--full-diff", "--", RECORDED
    )
    changes = [one.splitlines() for one in log.split("*")[1:]]
    changes.append(["uncommitted", *git(folder, "diff", "HEAD", "--numstat").splitlines()])
    found = []
    for commit, *files in changes:
        added = {path: lines for lines, _, path in (line.split("\t") for line in files if line)}
        if RECORDED in added and added.get(CHANGELOG, "0") == "0":
            found.append(commit)
    return found


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="not a git checkout")
def test_a_commit_that_changes_the_surface_adds_a_line_to_the_changelog():
    if git(ROOT, "rev-parse", "--is-shallow-repository").strip() == "true":
        pytest.skip("a shallow clone shows no commit's own changes")
    assert unsaid(ROOT) == [], f"these change {RECORDED} and add no line to {CHANGELOG}"


def test_a_change_that_is_not_said_is_found(tmp_path):
    def commit(subject, **texts):
        for path, text in ((RECORDED, texts.get("surface")), (CHANGELOG, texts.get("changelog"))):
            if text is not None:
                (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
                (tmp_path / path).write_text(text, encoding="utf-8")
        git(tmp_path, "add", ".")
        git(tmp_path, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", subject)
        return git(tmp_path, "rev-parse", "--short", "HEAD").strip()

    git(tmp_path, "init", "-q")
    commit("said", surface="one\n", changelog="first\n")
    commit("of the changelog alone", changelog="first\nsecond\n")
    assert unsaid(tmp_path) == []
    silent = commit("not said", surface="two\n")
    less = commit("a line less", surface="three\n", changelog="first\n")
    assert unsaid(tmp_path) == [less, silent]
    (tmp_path / RECORDED).write_text("four\n", encoding="utf-8")
    assert unsaid(tmp_path) == [less, silent, "uncommitted"]
