"""A steering run as one safetensors file: arrays as tensors, the rest as JSON in the header."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from volvelle.archive import named, open_file
from volvelle.experiments.steering.rows import SteerCard
from volvelle.experiments.steering.steered_row import SteeredRow

if TYPE_CHECKING:
    from collections.abc import Mapping

KIND = "volvelle.SteeringRun"
VERSION = 1
ROW = ("kind", "number", "strength", "sample", "text", "strings", "ended")


def write(run: Mapping[str, Any], path: str | Path) -> Path:
    """Write the fields of a run; rows lie behind each other along the token axis."""
    from safetensors.numpy import save_file

    file = named(path)
    rows: tuple[SteeredRow, ...] = run["rows"]
    tensors: dict[str, np.ndarray] = {
        "prompt_ids": run["prompt_ids"],
        "ids": np.concatenate([row.ids for row in rows]),
        "lengths": np.array([len(row.ids) for row in rows]),
        "logprobs": np.concatenate([row.logprobs for row in rows]),
        "base_logprobs": np.concatenate([row.base_logprobs for row in rows]),
        "watched": np.concatenate([row.watched for row in rows]),
        "masks": np.concatenate([row.masks for row in rows], axis=1).astype(np.uint8),
    }
    for point in rows[0].sizes:
        tensors[f"sizes.{point}"] = np.concatenate([row.sizes[point] for row in rows], axis=1)
    tensors |= {f"vectors.{name}": vector for name, vector in run["vectors"].items()}
    described = {
        "model": run["model"],
        "prompt": run["prompt"],
        "prompt_strings": run["prompt_strings"],
        "prompt_turns": run["prompt_turns"],
        "steers": [asdict(steer) for steer in run["steers"]],
        "strengths": run["strengths"],
        "watch": run["watch"],
        "spellings": run["spellings"],
        "norms": run["norms"],
        "settings": run["settings"],
        "rows": [{name: getattr(row, name) for name in ROW} for row in rows],
    }
    header = {"kind": KIND, "version": str(VERSION), "run": json.dumps(described)}
    # safetensors refuses views and other orders
    packed = {name: np.ascontiguousarray(array) for name, array in tensors.items()}
    save_file(packed, str(file), metadata=header)
    return file


def read(path: str | Path) -> dict[str, Any]:
    """Return the fields of a run."""
    tensors, header = open_file(Path(path), KIND, VERSION)
    said = json.loads(header["run"])
    n_prompt = len(tensors["prompt_ids"])
    rows = []
    start = wide = 0
    for row, n in zip(said["rows"], tensors["lengths"].tolist(), strict=True):
        here, whole = slice(start, start + n), slice(wide, wide + n_prompt + n)
        start, wide = here.stop, whole.stop
        rows.append(
            SteeredRow(
                **{**row, "strings": tuple(row["strings"])},
                ids=tensors["ids"][here],
                logprobs=tensors["logprobs"][here],
                base_logprobs=tensors["base_logprobs"][here],
                watched=tensors["watched"][here],
                masks=tensors["masks"][:, whole].astype(bool),
                sizes={
                    name.removeprefix("sizes."): array[:, whole]
                    for name, array in tensors.items()
                    if name.startswith("sizes.")
                },
            )
        )
    return {
        "model": said["model"],
        "prompt": said["prompt"],
        "prompt_ids": tensors["prompt_ids"],
        "prompt_strings": tuple(said["prompt_strings"]),
        "prompt_turns": tuple(said.get("prompt_turns", ())),
        "steers": tuple(
            SteerCard(**{**steer, "points": tuple(steer["points"])}) for steer in said["steers"]
        ),
        "strengths": tuple(said["strengths"]),
        "watch": tuple(said["watch"]),
        "spellings": tuple(tuple(each) for each in said.get("spellings", ())),
        "rows": tuple(rows),
        "norms": said["norms"],
        "settings": said["settings"],
        "vectors": {
            name.removeprefix("vectors."): array
            for name, array in tensors.items()
            if name.startswith("vectors.")
        },
    }
