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


@pytest.mark.parametrize(
    ("module", "line", "broken"),
    [
        ("compute/upward.py", "import volvelle.models", "compute.upward -> volvelle.models"),
        ("models/across.py", "import volvelle.formats", "models.across -> volvelle.formats"),
        ("compute/notebook.py", "import anywidget", "compute.notebook -> anywidget"),
        ("experiments/trace.py", "import nnsight", "experiments.trace -> nnsight"),
    ],
)
def test_a_forbidden_import_is_caught(tmp_path, module, line, broken):
    package = tmp_path / "volvelle"
    for room in ("views", "experiments", "models", "formats", "compute", "formulas"):
        (package / room).mkdir(parents=True)
        (package / room / "__init__.py").touch()
    for name in ("__init__.py", "cache.py", "names.py"):
        (package / name).touch()
    assert lint_imports(tmp_path).returncode == 0
    (package / module).write_text(f"{line}\n", encoding="utf-8")
    result = lint_imports(tmp_path)
    assert result.returncode != 0
    assert broken in result.stdout
