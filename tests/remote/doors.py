"""A second door to the same server: its own API process, to be stopped, killed and misled."""

from __future__ import annotations

import os
import signal
import subprocess
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

SECONDS = 240  # for an API process to import what it needs and to answer
WORK = Path(os.environ.get("NDIF_WORK", "."))


class Door:
    """One API process of the running deployment, on a port of its own."""

    def __init__(self, port, **env):
        self.port, self.env = port, env
        self.address = f"http://127.0.0.1:{port}"
        self.process = None

    def open(self):
        venv = Path(os.environ["NDIF_VENV"]).resolve()
        env = os.environ | {
            "PATH": f"{venv}/bin:{os.environ['PATH']}",
            "NDIF_HOME": str(WORK / "home"),
            "NDIF_REDIS_URL": "redis://127.0.0.1:16379",
            "NDIF_OBJECT_STORE_URL": "http://127.0.0.1:19000",
            "NDIF_API_URL": self.address,
            "NDIF_RAY_ADDRESS": "ray://127.0.0.1:20001",
        }
        # its own queue worker would take requests from the first one's hands
        command = [
            str(venv / "bin" / "uvicorn"),
            "ndif.services.api.app:app",
            "--host=127.0.0.1",
            f"--port={self.port}",
        ]
        with (WORK / f"door-{self.port}.log").open("w") as log:
            self.process = subprocess.Popen(
                command, env=env | self.env, stdout=log, stderr=log, start_new_session=True
            )
        until = time.monotonic() + SECONDS
        while time.monotonic() < until:
            try:
                urllib.request.urlopen(f"{self.address}/ping", timeout=2)
            except OSError:
                time.sleep(0.2)
            else:
                return self
        raise TimeoutError(f"the API on port {self.port} did not come up")

    def kill(self):
        self._send(signal.SIGKILL)
        self.process.wait()

    def freeze(self):
        self._send(signal.SIGSTOP)

    def _send(self, number):
        os.killpg(self.process.pid, number)


@contextmanager
def door(port, **env):
    """Open a second door and close it again, whatever happened to it."""
    opened = Door(port, **env).open()
    try:
        yield opened
    finally:
        if opened.process.poll() is None:
            opened.kill()
