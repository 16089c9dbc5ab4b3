"""Dual layouts as files: one safetensors file, names and scores in its header."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from volvelle.compute.maps.matching import Matching
from volvelle.compute.maps.neighbours import Neighbours
from volvelle.compute.maps.scores import Faithfulness, Mixing, Region
from volvelle.experiments.maps.half import Half

if TYPE_CHECKING:
    from collections.abc import Mapping

# Version 1 knows no families and no twins; it is read as it was written.
FORMATS = ("volvelle.dual_layout/1", "volvelle.dual_layout/2")
FORMAT = FORMATS[-1]
HALF_ARRAYS = ("xy", "densities", "cluster", "own", "own_cosine", "other", "other_score")
PAIR_ARRAYS = ("a", "b", "score", "rank_a", "rank_b", "mutual", "above")
PAIR_NUMBERS = (
    *("threshold", "null_median", "n_null", "compared_a", "compared_b", "n_expected"),
    "apart_threshold",
)
PLAIN = (
    *("mode", "match", "unit", "n_rows", "disparity"),
    *("seed", "n_neighbors", "n_epochs", "seconds"),
)


def write(layout: Mapping[str, Any], path: str | Path) -> Path:
    """Write the fields of a layout to one safetensors file."""
    from safetensors.numpy import save_file

    arrays = {f"pairs.{name}": getattr(layout["pairs"], name) for name in PAIR_ARRAYS}
    if layout["pairs"].apart is not None:
        arrays["pairs.apart"] = layout["pairs"].apart
    about: dict[str, Any] = {"format": FORMAT}
    for name in PAIR_NUMBERS:
        about[f"pairs.{name}"] = getattr(layout["pairs"], name)
    for which, half in (("a", layout["a"]), ("b", layout["b"])):
        arrays |= {f"{which}.{name}": getattr(half, name) for name in HALF_ARRAYS}
        for name in ("name", "point", "model", "labels", "promoted", "left_out"):
            about[f"{which}.{name}"] = getattr(half, name)
    for i, (graph, start) in enumerate(zip(layout["graphs"], layout["starts"], strict=True)):
        arrays |= {f"graph{i}.indices": graph.indices, f"graph{i}.cosines": graph.cosines}
        arrays[f"graph{i}.start"] = start
        about[f"graph{i}.method"] = graph.method
    for name in ("mixing", "faithfulness_a", "faithfulness_b"):
        value = layout[name]
        about[name] = None if value is None else asdict(value)
    about["regions"] = [asdict(region) for region in layout["regions"]]
    for name in PLAIN:
        about[name] = layout[name]
    target = Path(path).expanduser()
    contiguous = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    save_file(contiguous, target, {"volvelle": json.dumps(about, default=float)})
    return target


def read(path: str | Path) -> dict[str, Any]:
    """Return the fields that `write` wrote.

    Raises
    ------
    ValueError
        For a file of another kind, and of a newer volvelle.
    """
    from safetensors import safe_open

    with safe_open(Path(path).expanduser(), framework="numpy") as opened:
        about = json.loads((opened.metadata() or {}).get("volvelle", "{}"))
        if about.get("format") not in FORMATS:
            told = str(about.get("format", "no format"))
            if told.startswith(FORMAT.partition("/")[0]):
                raise ValueError(
                    f"{path} was written by a newer volvelle ({told}, this one reads up to "
                    f"{FORMAT})"
                )
            raise ValueError(f"{path} is no dual layout ({told})")
        arrays = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
    halves = {}
    for which in ("a", "b"):
        texts = {name: about[f"{which}.{name}"] for name in ("name", "point", "model", "left_out")}
        for name in ("labels", "promoted"):
            texts[name] = tuple(about[f"{which}.{name}"])
        halves[which] = Half(**{n: arrays[f"{which}.{n}"] for n in HALF_ARRAYS}, **texts)
    pairs = Matching(
        **{name: arrays[f"pairs.{name}"] for name in PAIR_ARRAYS},
        apart=arrays.get("pairs.apart"),
        # older files lack what was not measured then
        **{name: about.get(f"pairs.{name}", float("nan")) for name in PAIR_NUMBERS},
    )
    n_graphs = sum(name.endswith(".start") for name in arrays)
    graphs = tuple(
        Neighbours(
            arrays[f"graph{i}.indices"],
            arrays[f"graph{i}.cosines"],
            about[f"graph{i}.method"],
        )
        for i in range(n_graphs)
    )
    return {
        "a": halves["a"],
        "b": halves["b"],
        "pairs": pairs,
        "graphs": graphs,
        "starts": tuple(arrays[f"graph{i}.start"] for i in range(n_graphs)),
        "mixing": None if about["mixing"] is None else Mixing(**about["mixing"]),
        "faithfulness_a": Faithfulness(**about["faithfulness_a"]),
        "faithfulness_b": Faithfulness(**about["faithfulness_b"]),
        "regions": tuple(Region(**region) for region in about["regions"]),
        **{name: about[name] for name in PLAIN},
    }
