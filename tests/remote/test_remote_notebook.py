"""The notebook on remote models, from top to bottom against the real server."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from notebooks.test_notebooks import NOTEBOOKS, executed, needs_a_server

THERE = [path for path in NOTEBOOKS if needs_a_server(path)]


def test_there_is_one():
    assert [path.name for path in THERE] == ["05_remote.ipynb"]


@pytest.mark.timeout(600)
def test_it_runs_and_shows_what_its_text_says(tmp_path, monkeypatch):
    notebook = executed(THERE[0], tmp_path, monkeypatch)
    outputs = [out for cell in notebook.cells for out in cell.get("outputs", [])]
    said = "".join(out.text for out in outputs if out.get("name") == "stderr")
    assert not re.search("warning|error", said, re.IGNORECASE), said
    shown = "\n".join(str(out.get("data", {}).get("text/plain", "")) for out in outputs)
    for view in ("Jobs of smollm2", "FeatureActivations: smollm2", "Steering: smollm2"):
        assert f"{view}" in shown
    assert "(failed)" not in shown
    printed = "".join(out.text for out in outputs if out.get("name") == "stdout")
    assert "no server answers at http://127.0.0.1:9" in printed
    assert "reads" in printed
    text = Path(THERE[0]).read_text(encoding="utf-8")
    assert text.count("NDIF_HOST") == 2  # in the prose, and in the one line to change
