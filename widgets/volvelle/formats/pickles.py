"""Pickle files are never opened: opening one can run any code."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

SUFFIXES = (".pt", ".pth", ".bin", ".pkl", ".pickle", ".ckpt")


def refuse_pickle(path: Path) -> None:
    """Raise ValueError with the way out where a path is named like a pickle file."""
    if path.suffix.lower() in SUFFIXES:
        raise ValueError(
            f"{path.name} is a pickle file, which can run any code when it is opened; volvelle "
            "reads safetensors. If you trust it, open it yourself and hand over the tensors: "
            f"SAE.load(torch.load({path.name!r}, weights_only=True), point='resid_post.14')"
        )
