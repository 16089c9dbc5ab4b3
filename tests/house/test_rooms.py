"""Who may import whom, as pyproject.toml says it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from house.tree import PACKAGE, ROOT


def lint_imports(folder):
    """Run import-linter with our contracts on the `volvelle` package in `folder`."""
    program = Path(sys.executable).with_name("lint-imports")
    return subprocess.run(
        [program, "--config", ROOT / "pyproject.toml", "--no-cache", "--no-logo"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_every_room_imports_only_lower_rooms():
    result = lint_imports(PACKAGE.parent)
    assert result.returncode == 0, result.stdout + result.stderr


HINT = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import {}"
FORBIDDEN = {
    "a lower floor imports a higher one": {"compute.maps.umap": "volvelle.models.model"},
    "archive knows what it keeps": {"archive": "volvelle.compute.circles.circle"},
    "two rooms of one floor": {"models.model": "volvelle.formats.sae"},
    "two subjects of compute": {"compute.circles.fit": "volvelle.compute.maps.scores"},
    "stats knows who tests": {"compute.stats.closure": "volvelle.compute.circles.planes"},
    "two subjects of experiments": {
        "experiments.activations.encode": "volvelle.experiments.circles.wheel"
    },
    "a view's wire from another subject": {"views.maps.wire": "volvelle.views.jobs.wire"},
    "the kit knows a subject": {"views.kit.view": "volvelle.views.jobs.wire"},
    "a verb knows the model": {"models.verbs.read": "volvelle.models.model"},
    "a server's side knows the engine": {"models.remote.run": "volvelle.models.engine.running"},
    "what travels reaches names": {"models.traces.sites": "volvelle.names"},
    "a formula reaches numpy": {"formulas.encoder": "numpy"},
    "nnsight in a verb of experiments": {"experiments.steering.steer": "nnsight"},
    "a widget in compute": {"compute.maps.umap": "anywidget"},
    "two files import each other": {
        "compute.maps.umap": "volvelle.compute.maps.epochs",
        "compute.maps.epochs": "volvelle.compute.maps.umap",
    },
}


@pytest.fixture(scope="module")
def hollow(tmp_path_factory):
    """The package's files, all empty."""
    folder = tmp_path_factory.mktemp("hollow")
    for path in PACKAGE.rglob("*.py"):
        empty = folder / path.relative_to(PACKAGE.parent)
        empty.parent.mkdir(parents=True, exist_ok=True)
        empty.touch()
    assert lint_imports(folder).returncode == 0
    return folder


PLAIN = "import {}"


# a type hint is the import that is missed most easily; a plain one is caught where it is
@pytest.mark.parametrize(
    ("what", "how"), [*((what, HINT) for what in FORBIDDEN), ("two files import each other", PLAIN)]
)
def test_a_forbidden_import_is_caught(hollow, what, how):
    files = {
        hollow / "volvelle" / f"{module.replace('.', '/')}.py": line
        for module, line in FORBIDDEN[what].items()
    }
    for path, imported in files.items():
        path.write_text(how.format(imported) + "\n", encoding="utf-8")
    result = lint_imports(hollow)
    for path in files:
        path.write_text("", encoding="utf-8")
    assert result.returncode != 0
    assert "BROKEN" in result.stdout
