"""Maps of dictionaries: layout beside umap-learn's own, a pair of the demo model, sizes.

``--large`` adds 65 k x 1024 and 131 k x 2304 directions (minutes, 10 GB). ``--browser`` opens
1 M points in two panels in a JupyterLab, beside jupyter-scatter's linked pair where
$VOLVELLE_PEERS names a Python that has it and JupyterLab.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from harness import Table

TESTS = Path(__file__).parents[1]
TURNS = 3
SIZE = (24_576, 768)
LARGE = ((65_536, 1024), (131_072, 2304))

# Each case runs in a new process: what a fresh kernel pays, imports and compilation included.
UMAP = """
import sys, numpy as np
x = np.load(sys.argv[1])
import umap
np.save(sys.argv[2], umap.UMAP(metric="cosine").fit_transform(x))
"""
OURS = """
import sys, time, threading, numpy as np
began = time.perf_counter()
x = np.load(sys.argv[1])
from volvelle.compute.layout import principal_axes, umap_layout, warm
from volvelle.compute.neighbours import neighbours, unit_rows
x = unit_rows(x)
start = principal_axes(x)
print(time.perf_counter() - began)
threading.Thread(target=warm, daemon=True).start()
found = neighbours(x, 14)
np.save(sys.argv[2], umap_layout(found, start))
print(found.method)
"""
PAIR = """
import time
import volvelle as vv
from volvelle.experiments.dual_layout import dual_layout
began = time.perf_counter()
a, b = vv.demo_sae("a"), vv.demo_sae("b")
seen = []
def paint(picture):
    if picture.epoch == 0:
        seen.append(time.perf_counter() - began)
pair = dual_layout(a, b, cache=False, on_picture=paint)
print(seen[0])
print(pair)
"""


def decoder(n: int, d: int, seed: int = 0) -> np.ndarray:
    """Return directions as decoders have them: clusters of Zipf sizes, low rank, noise."""
    random = np.random.default_rng(seed)
    n_clusters = n // 24
    weight = 1 / np.arange(1, n_clusters + 1) ** 0.6
    own = random.choice(n_clusters, n, p=weight / weight.sum())
    rank = d // 4
    basis = random.standard_normal((rank, d), dtype=np.float32) / np.sqrt(rank)
    centres = random.standard_normal((n_clusters, rank), dtype=np.float32) @ basis
    x = centres[own]
    for i in range(0, n, 8192):
        x[i : i + 8192] += 0.92 * random.standard_normal(x[i : i + 8192].shape, dtype=np.float32)
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def fresh(code: str, *arguments: str, env: dict[str, str] | None = None):
    """Run code in a new process; wall s, CPU s, peak MB, and what it printed."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, *arguments],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, **(env or {})},
    )
    wall = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return wall, cpu, after.ru_maxrss / 1024, done.stdout.split("\n")


def beside_umap(folder: Path) -> None:
    """Ours and umap-learn's fit of the same decoder, in turn, each in a new process."""
    from volvelle.compute.map_scores import faithfulness

    data = folder / "x.npy"
    x = decoder(*SIZE)
    np.save(data, x)
    table = Table(
        f"{SIZE[0]} x {SIZE[1]} directions in a fresh process, {TURNS} turns after a warm-up",
        ("", "wall s", "CPU s", "trust", "recall", "PCA s"),
    )
    ratios = []
    for turn in range(TURNS + 1):
        found = {}
        for name, code in (("umap.UMAP(metric='cosine')", UMAP), ("volvelle", OURS)):
            out = folder / f"{turn}.npy"
            wall, cpu, _, said = fresh(code, str(data), str(out))
            found[name] = (wall, cpu)
            if turn:
                score = faithfulness(x, np.load(out))
                pca = float(said[0]) if name == "volvelle" else float("nan")
                table.row(
                    name, wall, cpu, f"{score.trustworthiness:.4f}", f"{score.recall:.3f}", pca
                )
        theirs, ours = found.values()
        if turn:
            ratios.append((theirs[0] / ours[0], theirs[1] / ours[1]))
    wall, cpu = np.median(ratios, axis=0)
    print(f"  ratio: wall {wall:.1f}x (target 3x), CPU {cpu:.1f}x (target 2x)")


def demo_pair(folder: Path) -> None:
    """The two demo dictionaries, first ever and with numba's disk cache."""
    table = Table(
        "demo dictionaries a and b, 2 x 4096, fresh process, target 12 CPU s",
        ("", "wall s", "CPU s", "PCA s"),
    )
    env = {"NUMBA_CACHE_DIR": str(folder / "numba")}
    for name in ("first ever (numba compiles)", "with numba's disk cache", "again"):
        wall, cpu, _, said = fresh(PAIR, env=env)
        table.row(name, wall, cpu, float(said[0]))
    print(f"  {said[1]}")


def search_crossover() -> None:
    """Exact search in either precision, and the approximate one, warm."""
    import torch

    from volvelle.compute.neighbours import bfloat16_pays, nearest, neighbours

    table = Table("search of 14 neighbours, d = 768, warm, wall s", ("n", "float32", "bfloat16"))
    torch.set_num_threads(2)
    for n in (4096, 16_384, SIZE[0]):
        x = decoder(n, 768)
        seconds = []
        for low in (False, True):
            began = time.perf_counter()
            nearest(x, None, 14, bfloat16=low)
            seconds.append(time.perf_counter() - began)
        table.row(str(n), *seconds)
    began = time.perf_counter()
    neighbours(x, 14, method="approximate")
    print(f"  approximate at {n}, compilation included: {time.perf_counter() - began:.1f} s")
    print(f"  this CPU multiplies bfloat16 itself: {bfloat16_pays()}")


def large(folder: Path) -> None:
    """Sizes of published dictionaries; they must finish within 24 GB."""
    table = Table("large, fresh process", ("", "wall s", "CPU s", "peak MB", "search"))
    for n, d in LARGE:
        data = folder / "large.npy"
        np.save(data, decoder(n, d))
        wall, cpu, peak, said = fresh(OURS, str(data), str(folder / "out.npy"))
        table.row(f"{n} x {d}", wall, cpu, f"{peak:.0f}", said[1])


def main() -> None:
    sys.path.insert(0, str(TESTS))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        demo_pair(folder)
        beside_umap(folder)
        search_crossover()
        if "--large" in sys.argv:
            large(folder)
    if "--browser" in sys.argv:
        from map_in_browser import measure

        print(json.dumps(measure(), indent=1))


if __name__ == "__main__":
    main()
