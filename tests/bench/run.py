"""Run every bench of this folder, each in a process of its own, and print the machine."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path


def main() -> int:
    """Return how many benches failed."""
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    failed = 0
    for bench in sorted(Path(__file__).parent.glob("bench_*.py")):
        failed += subprocess.run([sys.executable, bench], check=False).returncode != 0
    return failed


if __name__ == "__main__":
    sys.exit(main())
