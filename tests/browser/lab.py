"""A JupyterLab server of its own, and a headless Chromium that reaches nothing but it.

Settings, tokens and folders are private, so nothing of a user's Jupyter leaks in and
nothing of the tests leaks out.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Self

import nbformat

BROWSERS = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
FLAGS = (
    "--disable-background-networking",
    "--disable-background-timer-throttling",
    "--disable-backgrounding-occluded-windows",
    "--disable-component-update",
    "--disable-dev-shm-usage",
    "--disable-renderer-backgrounding",
    "--disable-sync",
    "--force-color-profile=srgb",
    "--no-first-run",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    # WebGL2 in software, where there is no GPU
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--ignore-gpu-blocklist",
)
PRIVATE = (
    "JUPYTER_CONFIG_DIR",
    "JUPYTER_DATA_DIR",
    "JUPYTER_RUNTIME_DIR",
    "JUPYTERLAB_SETTINGS_DIR",
    "JUPYTERLAB_WORKSPACES_DIR",
    "IPYTHONDIR",
)
SETTINGS = {
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    "docmanager-extension/plugin": {"autosave": False},
    # cells out of view stay in the page: tests look at all of them
    "notebook-extension/tracker": {"windowingMode": "none"},
}
SECONDS_TO_START = 90.0
SECONDS_TO_ANSWER = 60.0


def chromium() -> str | None:
    """Return a browser of the system, or None for the one Playwright brings."""
    return next(filter(None, map(shutil.which, BROWSERS)), None)


def free_port() -> int:
    """Return a port of the loopback interface that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class LabServer:
    """JupyterLab on loopback, as a context manager.

    Parameters
    ----------
    python : str
        Of the environment whose JupyterLab and kernel it is.

    Attributes
    ----------
    url, token : str
        Where it listens and what it asks for.
    root : pathlib.Path
        Where its notebooks lie.
    """

    def __init__(self, python: str = sys.executable) -> None:
        self.python = python
        self.home = Path(tempfile.mkdtemp(prefix="volvelle-lab-"))
        self.root = self.home / "notebooks"
        self.root.mkdir()
        self.token, self.port = secrets.token_hex(16), free_port()
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        command = [
            *(self.python, "-m", "jupyterlab", "--no-browser", "--allow-root"),
            "--ip=127.0.0.1",
            f"--port={self.port}",
            "--ServerApp.port_retries=0",
            f"--IdentityProvider.token={self.token}",
            f"--ServerApp.root_dir={self.root}",
            "--ServerApp.iopub_data_rate_limit=1e12",
            "--ServerApp.iopub_msg_rate_limit=1e12",
            "--LabApp.expose_app_in_browser=True",
            "--LabApp.extension_manager=readonly",
        ]
        with (self.home / "server.log").open("wb") as log:
            self.process = subprocess.Popen(
                command,
                env=self._environment(),
                cwd=self.root,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # its kernels end with it
            )
        try:
            self._wait_until_it_answers()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()
        shutil.rmtree(self.home, ignore_errors=True)

    def _environment(self) -> dict[str, str]:
        env = dict(os.environ, HF_HUB_OFFLINE="1", PYTHONUNBUFFERED="1")
        env["PATH"] = os.pathsep.join([str(Path(self.python).parent), env.get("PATH", "")])
        for name in PRIVATE:
            env[name] = str(self.home / name.lower())
            Path(env[name]).mkdir()
        for plugin, body in SETTINGS.items():
            path = Path(env["JUPYTERLAB_SETTINGS_DIR"], "@jupyterlab", plugin)
            path = path.with_name(f"{path.name}.jupyterlab-settings")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(body), encoding="utf-8")
        return env

    def _wait_until_it_answers(self) -> None:
        deadline = time.monotonic() + SECONDS_TO_START
        while True:
            with contextlib.suppress(OSError):
                self.request("GET", "api/status")
                return
            if self.process.poll() is not None or time.monotonic() > deadline:
                log = (self.home / "server.log").read_text(encoding="utf-8", errors="replace")
                raise RuntimeError(f"JupyterLab did not answer:\n{log[-3000:]}")
            time.sleep(0.1)

    def request(self, method: str, path: str) -> bytes:
        """Ask the server's REST interface; what it answers."""
        request = urllib.request.Request(
            f"{self.url}/{path}", method=method, headers={"Authorization": f"token {self.token}"}
        )
        with urllib.request.urlopen(request, timeout=SECONDS_TO_ANSWER) as answer:
            return answer.read()

    def new_notebook(self) -> str:
        """Write an empty notebook; the address that opens it."""
        notebook = nbformat.v4.new_notebook()
        notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
        name = f"{secrets.token_hex(4)}.ipynb"
        nbformat.write(notebook, self.root / name)
        return f"{self.url}/lab/tree/{name}?token={self.token}&reset"  # reset: no saved workspace
