"""Maps of dictionaries: beside umap-learn, a pair of the demo model, sizes, a browser.

``bench_dual_umap.py [pair] [umap] [search] [large] [browser]`` runs what is named; without names
``pair umap search``. ``large`` are 65 k x 1024 and 131 k x 2304 directions (minutes, 10 GB);
``browser`` opens 1 M points in two panels in a JupyterLab. $VOLVELLE_PEERS names a Python that
has umap-learn, jupyter-scatter and jupyterlab; without it the peers are left out.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from harness import Table

TESTS = Path(__file__).parents[1]
TURNS = 3
PEERS = os.environ.get("VOLVELLE_PEERS")
SIZE = (24_576, 768)
LARGE = ((65_536, 1024), (131_072, 2304))

# Each case runs in a new process: what a fresh kernel pays, imports and compilation included.
UMAP = """
import sys, numpy as np
x = np.load(sys.argv[1])
import umap
np.save(sys.argv[2], umap.UMAP(metric="cosine").fit_transform(x))
"""
LAYOUT = """
import sys, time, threading, numpy as np
began = time.perf_counter()
x = np.load(sys.argv[1])
from volvelle.compute.maps.umap import principal_axes, umap_layout, warm
from volvelle.compute.maps.neighbours import neighbours, unit_rows
x = unit_rows(x)
start = principal_axes(x)
print(time.perf_counter() - began)
threading.Thread(target=warm, daemon=True).start()
found = neighbours(x, 14)
np.save(sys.argv[2], umap_layout(found, start))
"""
# The layout and all that the view shows: matches, nulls, numbers, names of regions.
WHOLE = """
import sys, time, numpy as np
began = time.perf_counter()
x = np.load(sys.argv[1])
import volvelle as vv
seen = []
def paint(picture):
    if picture.epoch == 0:
        seen.append(time.perf_counter() - began)
half = len(x) // 2
pair = vv.dual_layout(x[:half], x[half:], cache=False, on_picture=paint)
np.save(sys.argv[2], np.vstack([pair.xy_a, pair.xy_b]))
print(seen[0])
print(pair.graphs[0].method, pair)
"""
PAIR = """
import time
import volvelle as vv
a, b = vv.demo_sae("a"), vv.demo_sae("b")
vv.dual_layout
began = time.perf_counter()
seen = []
def paint(picture):
    if picture.epoch == 0:
        seen.append(time.perf_counter() - began)
pair = vv.dual_layout(a, b, cache=False, on_picture=paint)
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
    basis = random.standard_normal((rank, d), dtype=np.float32) / np.float32(np.sqrt(rank))
    centres = random.standard_normal((n_clusters, rank), dtype=np.float32) @ basis
    x = centres[own]
    for i in range(0, n, 8192):
        part = x[i : i + 8192]
        part += 0.92 * random.standard_normal(part.shape, dtype=np.float32)
        part /= np.linalg.norm(part, axis=1, keepdims=True)
    return x


def fresh(
    code: str, *arguments: str, python: str = sys.executable, env: dict[str, str] | None = None
) -> tuple[float, float, float, list[str]]:
    """Run code in a new process; wall s, CPU s, peak MB, and what it printed."""
    began = time.perf_counter()
    process = subprocess.Popen(
        [python, "-W", "ignore", "-c", code, *arguments],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **(env or {})},
    )
    said = process.stdout.read()
    # of this child alone; rusage of all children keeps the peak of the largest
    _, status, used = os.wait4(process.pid, 0)
    wall = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"a case ended with {process.returncode}")
    return wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, said.split("\n")


def beside_umap(folder: Path) -> None:
    """Ours and umap-learn's fit of the same decoder, in turn, each in a new process."""
    from volvelle.compute.maps.scores import faithfulness

    data = folder / "x.npy"
    x = decoder(*SIZE)
    np.save(data, x)
    table = Table(
        f"{SIZE[0]} x {SIZE[1]} directions in a fresh process, {TURNS} turns after a warm-up",
        ("", "wall s", "CPU s", "trust", "recall", "PCA s"),
    )
    cases = {"volvelle, the layout": LAYOUT, "volvelle, as two halves with all numbers": WHOLE}
    if PEERS:
        cases = {"umap.UMAP(metric='cosine')": UMAP} | cases
    ratios = []
    for turn in range(TURNS + 1):
        spent = []
        for name, code in cases.items():
            out = folder / f"{turn}.npy"
            python = PEERS if code is UMAP and PEERS else sys.executable
            wall, cpu, _, said = fresh(code, str(data), str(out), python=python)
            spent.append((wall, cpu))
            if turn:
                score = faithfulness(x, np.load(out))
                pca = float("nan") if code is UMAP else float(said[0])
                quality = f"{score.trustworthiness:.4f}", f"{score.recall:.3f}"
                table.row(name, wall, cpu, *quality, pca)
        if turn and PEERS:
            ratios.append(np.array(spent[0]) / np.array(spent[1]))
    if ratios:
        wall, cpu = np.median(ratios, axis=0)
        print(f"  umap-learn over the layout: wall {wall:.1f}x (target 3x), CPU {cpu:.1f}x (2x)")
    else:
        print("  umap-learn is left out: $VOLVELLE_PEERS names no Python that has it")


def demo_pair(folder: Path) -> None:
    """The two demo dictionaries, first ever and with numba's disk cache."""
    table = Table(
        "demo dictionaries a and b, 2 x 4096, fresh process, target 12 CPU s",
        ("", "wall s", "CPU s", "PCA after s"),
    )
    env = {"NUMBA_CACHE_DIR": str(folder / "numba")}
    for name in ("first ever (numba compiles)", "with numba's disk cache", "again"):
        wall, cpu, _, said = fresh(PAIR, env=env)
        table.row(name, wall, cpu, float(said[0]))
    print(f"  {said[1]}")


def search_crossover() -> None:
    """Exact search in either precision, and the approximate one, warm."""
    import torch

    from volvelle.compute.maps.neighbours import bfloat16_pays, nearest, neighbours

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
    """Sizes of published dictionaries, in two halves; they must finish within 24 GB."""
    columns = ("wall s", "CPU s", "peak MB", "PCA s", "search")
    table = Table("large, fresh process, all numbers", ("", *columns))
    for n, d in LARGE:
        data = folder / "large.npy"
        np.save(data, decoder(n, d))
        wall, cpu, peak, said = fresh(WHOLE, str(data), str(folder / "out.npy"))
        table.row(f"{n} x {d}", wall, cpu, f"{peak:.0f}", float(said[0]), said[1].split()[0])


def browser(_: Path) -> None:
    """Open maps in a JupyterLab."""
    from map_in_browser import measure

    if not PEERS:
        print("  jupyter-scatter is left out: $VOLVELLE_PEERS names no Python that has it")
    measure(PEERS)


def search(_: Path) -> None:
    """Compare the ways to search."""
    search_crossover()


PARTS = {
    "pair": demo_pair,
    "umap": beside_umap,
    "search": search,
    "large": large,
    "browser": browser,
}


def main() -> None:
    """Run the parts that are named."""
    sys.path.insert(0, str(TESTS))
    asked = sys.argv[1:] or ["pair", "umap", "search"]
    print("load averages {:.1f} {:.1f} {:.1f}".format(*os.getloadavg()))
    for part in asked:
        with tempfile.TemporaryDirectory() as name:
            PARTS[part](Path(name))


if __name__ == "__main__":
    main()
