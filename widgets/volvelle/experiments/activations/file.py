"""Activations as one safetensors file: arrays as they are, everything else as JSON beside them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp

from volvelle.models.engine.tokens import Tokens

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

FORMAT = "volvelle.activations/1"

_OF_TOKENS = ("ids", "offsets", "special", "glyph")
_PLAIN = ("model", "sae_name", "point", "k", "signed")


def write(acts: Mapping[str, Any], path: Path) -> Path:
    """Write the fields of activations, all but the SAE. See `Activations.save`."""
    from safetensors.numpy import save_file

    arrays = {
        "codes.data": acts["codes"].data,
        "codes.indices": acts["codes"].indices,
        "codes.indptr": acts["codes"].indptr,
        "left_out": acts["left_out"],
        "outliers": acts["outliers"],
        **{f"tokens.{name}": _joined(acts["tokens"], name) for name in _OF_TOKENS},
    }
    if acts["kth"] is not None:
        arrays["kth"] = acts["kth"]
    about = {
        "format": FORMAT,
        "shape": list(acts["codes"].shape),
        "texts": [tokens.text for tokens in acts["tokens"]],
        "strings": [list(tokens.strings) for tokens in acts["tokens"]],
        "windows": [windows.tolist() for windows in acts["windows"]],
        "fve": acts["fve"] if np.isfinite(acts["fve"]) else None,
        "labels": acts["labels"],
        **{key: acts[key] for key in _PLAIN},
    }
    # ASCII JSON: any string a tokenizer can make survives, lone surrogates and NUL included
    metadata = {"volvelle": json.dumps(about, ensure_ascii=True)}
    save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, path, metadata)
    return path


def read(path: Path) -> dict[str, Any]:
    """Return the arguments of `Activations` from a file. See `Activations.load`."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            about = json.loads((file.metadata() or {}).get("volvelle", "{}"))
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise ValueError(f"{path.name} is no whole safetensors file ({error})") from error
    if about.get("format") != FORMAT:
        raise ValueError(
            f"{path.name} is {about.get('format', 'another file')!r}, expected {FORMAT!r}: "
            "a file written by Activations.save"
        )
    csr = tuple(arrays[f"codes.{part}"] for part in ("data", "indices", "indptr"))
    return {
        "codes": sp.csr_array(csr, shape=tuple(about["shape"])),
        "tokens": _parted(arrays, about["strings"], about["texts"]),
        "windows": tuple(np.array(w, dtype=np.int64) for w in about["windows"]),
        "left_out": arrays["left_out"],
        "outliers": arrays["outliers"],
        "kth": arrays.get("kth"),
        "fve": float("nan") if about["fve"] is None else about["fve"],
        "labels": None if about["labels"] is None else tuple(about["labels"]),
        **{key: about[key] for key in _PLAIN},
    }


def _joined(tokens: Sequence[Tokens], name: str) -> np.ndarray:
    """Return one array of all texts' tokens."""
    parts = [np.asarray(getattr(t, name)) for t in tokens]
    empty = np.zeros((0, 2) if name == "offsets" else 0, dtype=np.int64)
    return np.concatenate(parts) if parts else empty


def _parted(
    arrays: dict[str, np.ndarray], strings: list[list[str]], texts: list[str]
) -> tuple[Tokens, ...]:
    """Return the tokens of each text from the arrays of all."""
    stops = np.cumsum([0, *map(len, strings)])
    return tuple(
        Tokens(
            **{name: arrays[f"tokens.{name}"][a:b] for name in _OF_TOKENS},
            strings=tuple(own),
            text=text,
        )
        for a, b, own, text in zip(stops[:-1], stops[1:], strings, texts, strict=True)
    )
