"""A steering run as one safetensors file: arrays as tensors, the rest as JSON in the header."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from volvelle.archive import named, open_file
from volvelle.experiments.steering.effects import Effects
from volvelle.experiments.steering.placebos import Relabelled
from volvelle.experiments.steering.prompts import PromptCard
from volvelle.experiments.steering.rows import SteerCard
from volvelle.experiments.steering.steered_row import SteeredRow

if TYPE_CHECKING:
    from collections.abc import Mapping

KIND = "volvelle.SteeringRun"
# 1 knew one prompt, and of the answers what was written.
VERSION = 2
ROW = ("kind", "number", "strength", "sample", "prompt", "text", "strings", "ended")


def write(run: Mapping[str, Any], path: str | Path) -> Path:
    """Write the fields of a run; rows lie behind each other along the token axis."""
    from safetensors.numpy import save_file

    file = named(path)
    rows: tuple[SteeredRow, ...] = run["rows"]
    tensors: dict[str, np.ndarray] = {
        "prompt_ids": np.concatenate([prompt.ids for prompt in run["prompts"]]),
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
    effects: Effects | None = run["effects"]
    if effects is not None:
        tensors |= {
            "effects.baseline": effects.baseline,
            "effects.steered": effects.steered,
            **{f"placebos.{kind}": array for kind, array in effects.placebos.items()},
        }
    described = {
        "model": run["model"],
        "prompts": [
            {
                "text": prompt.text,
                "n": len(prompt.ids),
                "strings": prompt.strings,
                "turns": prompt.turns,
            }
            for prompt in run["prompts"]
        ],
        "steers": [asdict(steer) for steer in run["steers"]],
        "strengths": run["strengths"],
        "watch": run["watch"],
        "spellings": run["spellings"],
        "norms": run["norms"],
        "settings": run["settings"],
        "labels": None if effects is None else asdict(effects.labels),
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
    prompts = _prompts(tensors["prompt_ids"], said)
    rows = []
    start = wide = 0
    for row, n in zip(said["rows"], tensors["lengths"].tolist(), strict=True):
        n_prompt = len(prompts[row.get("prompt", 0)].ids)
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
        "prompts": prompts,
        "steers": tuple(
            SteerCard(**{**steer, "points": tuple(steer["points"])}) for steer in said["steers"]
        ),
        "strengths": tuple(said["strengths"]),
        "watch": tuple(said["watch"]),
        "spellings": tuple(tuple(each) for each in said.get("spellings", ())),
        "rows": tuple(rows),
        "effects": _effects(tensors, said) or _of_rows(rows, said),
        "norms": said["norms"],
        "settings": said["settings"],
        "vectors": {
            name.removeprefix("vectors."): array
            for name, array in tensors.items()
            if name.startswith("vectors.")
        },
    }


def _prompts(ids: np.ndarray, said: Mapping[str, Any]) -> tuple[PromptCard, ...]:
    if "prompts" not in said:
        return (PromptCard(said["prompt"], ids, tuple(said["prompt_strings"])),)
    found: list[PromptCard] = []
    start = 0
    for prompt in said["prompts"]:
        stop = start + prompt["n"]
        strings, turns = tuple(prompt["strings"]), tuple(prompt.get("turns", ()))
        found.append(PromptCard(prompt["text"], ids[start:stop], strings, turns))
        start = stop
    return tuple(found)


def _effects(tensors: Mapping[str, np.ndarray], said: Mapping[str, Any]) -> Effects | None:
    if "effects.baseline" not in tensors:
        return None
    return Effects(
        watch=tuple(said["watch"]),
        strengths=tuple(s for s in said["strengths"] if s != 0),
        baseline=tensors["effects.baseline"],
        steered=tensors["effects.steered"],
        placebos={
            name.removeprefix("placebos."): array
            for name, array in tensors.items()
            if name.startswith("placebos.")
        },
        labels=Relabelled(**said["labels"]),
    )


def _of_rows(rows: list[SteeredRow], said: Mapping[str, Any]) -> Effects | None:
    """Return what layout 1 holds of the answers: the first words of what was written."""
    strengths = tuple(s for s in said["strengths"] if s != 0)
    first = {
        (row.kind, row.number, row.strength): row.watched[0]
        for row in rows
        if row.sample == 0 and len(row.watched)
    }
    who = [(k, n) for k, n, _ in first if n >= 0 and all((k, n, z) in first for z in strengths)]
    mine = [("steered", -1, s) for s in (0.0, *strengths)]
    if not said["watch"] or not strengths or not all(key in first for key in mine):
        return None

    def table(kind: str, number: int) -> np.ndarray:
        return np.array([[first[kind, number, s] for s in strengths]], dtype=np.float32)

    kinds = dict.fromkeys(kind for kind, _ in who)
    return Effects(
        watch=tuple(said["watch"]),
        strengths=strengths,
        baseline=first["steered", -1, 0.0][None],
        steered=table("steered", -1),
        placebos={
            kind: np.stack([table(k, n) for k, n in dict.fromkeys(who) if k == kind])
            for kind in kinds
        },
    )
