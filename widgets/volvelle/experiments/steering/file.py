"""A steering run as one safetensors file: arrays as tensors, the rest as JSON in the header."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from volvelle.experiments.steering.steering_run import SteeringRun

KIND = "volvelle.SteeringRun"
VERSION = 1
ROW = ("kind", "number", "strength", "sample", "text", "strings", "ended")


def save(run: SteeringRun, path: str | Path) -> Path:
    """Write a run; rows lie behind each other along the token axis."""
    from safetensors.numpy import save_file

    file = named(path)
    rows = run.rows
    tensors: dict[str, np.ndarray] = {
        "prompt_ids": run.prompt_ids,
        "ids": np.concatenate([row.ids for row in rows]),
        "lengths": np.array([len(row.ids) for row in rows]),
        "logprobs": np.concatenate([row.logprobs for row in rows]),
        "base_logprobs": np.concatenate([row.base_logprobs for row in rows]),
        "watched": np.concatenate([row.watched for row in rows]),
        "masks": np.concatenate([row.masks for row in rows], axis=1).astype(np.uint8),
    }
    for point in rows[0].sizes:
        tensors[f"sizes.{point}"] = np.concatenate([row.sizes[point] for row in rows], axis=1)
    tensors |= {f"vectors.{name}": vector for name, vector in run.vectors.items()}
    described = {
        "model": run.model,
        "prompt": run.prompt,
        "prompt_strings": run.prompt_strings,
        "steers": [asdict(steer) for steer in run.steers],
        "strengths": run.strengths,
        "watch": run.watch,
        "spellings": run.spellings,
        "norms": run.norms,
        "settings": run.settings,
        "rows": [{name: getattr(row, name) for name in ROW} for row in rows],
    }
    header = {"kind": KIND, "version": str(VERSION), "run": json.dumps(described)}
    # safetensors refuses views and other orders
    packed = {name: np.ascontiguousarray(array) for name, array in tensors.items()}
    save_file(packed, str(file), metadata=header)
    return file


def load(path: str | Path) -> SteeringRun:
    """Read a run."""
    from volvelle.experiments.steering.rows import SteerCard
    from volvelle.experiments.steering.steered_row import SteeredRow
    from volvelle.experiments.steering.steering_run import SteeringRun

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
    return SteeringRun(
        model=said["model"],
        prompt=said["prompt"],
        prompt_ids=tensors["prompt_ids"],
        prompt_strings=tuple(said["prompt_strings"]),
        steers=tuple(
            SteerCard(**{**steer, "points": tuple(steer["points"])}) for steer in said["steers"]
        ),
        strengths=tuple(said["strengths"]),
        watch=tuple(said["watch"]),
        spellings=tuple(tuple(each) for each in said.get("spellings", ())),
        rows=tuple(rows),
        norms=said["norms"],
        settings=said["settings"],
        vectors={
            name.removeprefix("vectors."): array
            for name, array in tensors.items()
            if name.startswith("vectors.")
        },
    )


def named(path: str | Path) -> Path:
    """Return where a result is written: with a suffix, in a folder that is there."""
    file = Path(path)
    if not file.suffix:
        file = file.with_suffix(".safetensors")
    if not file.parent.is_dir():
        raise FileNotFoundError(f"there is no folder {file.parent} to save {file.name} in")
    return file


def open_file(file: Path, kind: str, version: int) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Return tensors and header of a result's file, or say what it is instead."""
    from safetensors import SafetensorError, safe_open

    if not file.suffix and not file.exists():
        file = file.with_suffix(".safetensors")
    if not file.is_file():
        raise FileNotFoundError(f"there is no file {file}")
    try:
        with safe_open(str(file), "numpy"):
            pass
    except SafetensorError as error:
        what = kind.removeprefix("volvelle.")
        raise ValueError(f"{file.name} is no file that {what}.save wrote: {error}") from error
    with safe_open(str(file), "numpy") as content:
        header = content.metadata() or {}
        if header.get("kind") != kind:
            found = header.get("kind", "something else")
            raise ValueError(f"{file.name} holds {found}, not a {kind.removeprefix('volvelle.')}")
        if int(header["version"]) > version:
            raise ValueError(
                f"{file.name} was written by a newer volvelle (layout {header['version']}, "
                f"this one reads {version}); update volvelle"
            )
        return {name: content.get_tensor(name) for name in content.keys()}, header  # noqa: SIM118
