"""Reading what a server sends as data: its pickles are opened without running anything."""

from __future__ import annotations

import io
import pickle
import warnings
import zipfile
from typing import Any

import torch
import zstandard
from nnsight.schema.response import ResponseModel, Status

# What opening damaged or foreign bytes raises.
UNREADABLE = (zipfile.BadZipFile, StopIteration, pickle.UnpicklingError, TypeError, EOFError)


class _Envelope(pickle.Unpickler):
    """Plain values and nnsight's Status, no tensors and no other name."""

    def find_class(self, module: str, name: str) -> Any:
        if name == "Status" and module.startswith(("nnsight.", "ndif.")):
            return Status
        raise pickle.UnpicklingError(f"the server sent {module}.{name} where a status belongs")


def opened(binary: bool, message: Any) -> ResponseModel:
    """Read one frame of the server's stream.

    Parameters
    ----------
    binary : bool
        Whether it is a binary frame: a status that carries the result itself.
    message : bytes

    Raises
    ------
    ValueError
        For what is no status.
    """
    try:
        if not binary:
            return ResponseModel.model_validate_json(message)
        # torch.save of plain values is a zip with one pickle in it
        with zipfile.ZipFile(io.BytesIO(message)) as archive:
            name = next(name for name in archive.namelist() if name.endswith("data.pkl"))
            fields = _Envelope(io.BytesIO(archive.read(name))).load()
        return ResponseModel(**fields)
    except UNREADABLE as error:
        raise ValueError(f"an unreadable status: {error}") from error


def unpacked_size(content: bytes) -> int:
    """Return how many bytes a compressed result says it holds; its own where it does not say."""
    try:
        said = zstandard.get_frame_parameters(content).content_size
    except zstandard.ZstdError:
        return len(content)
    return len(content) if said == zstandard.CONTENTSIZE_UNKNOWN else said


def data_of(content: bytes, *, compressed: bool) -> Any:
    """Read a result: tensors, lists, tuples, dicts and plain values.

    Raises
    ------
    ValueError
        For anything else, and for what is damaged.
    """
    try:
        if compressed:
            content = zstandard.ZstdDecompressor().decompress(content)
        with warnings.catch_warnings():
            # said of pickle protocols above 2, which it reads or refuses
            warnings.simplefilter("ignore", UserWarning)
            return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except (zstandard.ZstdError, pickle.UnpicklingError, RuntimeError, EOFError) as error:
        raise ValueError(str(error).partition("\n")[0]) from error
