"""What `import volvelle` and loading the demo model cost, beside their heavy dependencies."""

from __future__ import annotations

import subprocess
import sys
from statistics import median

from harness import REPETITIONS, Table

MEASURE = "import time; t = time.process_time(); {}; print(time.process_time() - t)"
CASES = {
    "import volvelle": "import volvelle",
    "a view (anywidget, numpy)": "import volvelle; volvelle.FeatureActivations",
    "volvelle.load": "import volvelle; volvelle.load",
    "import torch, transformers, nnsight": "import torch, transformers, nnsight",
}
TARGET_MS = 300
LOAD = (
    "import torch, transformers, nnsight, volvelle; "
    "from transformers import AutoModelForCausalLM, AutoTokenizer; "
    "t = time.process_time(); volvelle.load('smollm2')"
)
LOAD_MS = 3000


def cpu_seconds(statement: str) -> float:
    """Return the CPU seconds of a statement in a fresh interpreter."""
    command = [sys.executable, "-c", MEASURE.format(statement)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main() -> None:
    table = Table(
        f"import, CPU ms in a fresh process, medians of {REPETITIONS}", ("", "ms", "target")
    )
    turns = [{n: cpu_seconds(s) for n, s in CASES.items()} for _ in range(REPETITIONS)]
    for name in CASES:
        target = f"< {TARGET_MS}" if name == "import volvelle" else ""
        table.row(name, 1e3 * median(turn[name] for turn in turns), target)
    cpu_seconds(LOAD)  # converts, where that was not done yet
    loads = [cpu_seconds(LOAD) for _ in range(REPETITIONS)]
    table.row("vv.load('smollm2') beyond these", 1e3 * median(loads), f"< {LOAD_MS}")


if __name__ == "__main__":
    main()
