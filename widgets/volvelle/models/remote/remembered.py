"""What was left on servers, and where: one line a request, in a file of this machine."""

from __future__ import annotations

import hashlib
import json
import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch

from volvelle.archive.fields import Unfit
from volvelle.archive.pack import Packer
from volvelle.archive.unpack import Unpacker
from volvelle.archive.whole import written_whole
from volvelle.cache import cache_dir, cannot_keep

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from volvelle.models.remote.request import Request
    from volvelle.models.remote.status import RemoteRequest

# Requests remembered on this machine.
MOST_REMEMBERED = 500


class Left(NamedTuple):
    """What a request is remembered by, so that the same work finds it again.

    Attributes
    ----------
    what : str
        Name of its body.
    formats : dict of str to int
        Of that and of the functions that went along, as `models.traces.bodies` numbers them.
    digest : str
    """

    what: str
    formats: dict[str, int]
    digest: str


@dataclass(frozen=True)
class LeftRow:
    """Where a request was left; no key, no text, nothing of what it asks.

    Attributes
    ----------
    id, host, model : str
    at : float
        Seconds since 1970.
    what, formats, digest
        As in `Left`.
    """

    id: str
    host: str
    model: str
    at: float
    what: str
    formats: dict[str, int]
    digest: str


def digest_of(request: Request[Any], model_key: str) -> str:
    """Return a hash of a request: the same texts, steers and settings give the same."""
    digest = hashlib.sha256(f"{request.formats} {model_key}".encode())
    _feed(digest, request.args)
    return digest.hexdigest()


def _feed(digest: Any, value: Any) -> None:
    if isinstance(value, torch.Tensor):
        value = value.detach().cpu().contiguous().numpy()
    if isinstance(value, np.ndarray):
        digest.update(f"{value.dtype}{value.shape}".encode())
        digest.update(np.ascontiguousarray(value).tobytes())
    elif isinstance(value, dict):
        for key in sorted(value, key=str):
            digest.update(str(key).encode())
            _feed(digest, value[key])
    elif isinstance(value, (list, tuple)):
        digest.update(f"[{len(value)}".encode())
        for one in value:
            _feed(digest, one)
    elif not callable(value):  # what goes along is told by its format
        digest.update(repr(value).encode())


def _file() -> Path:
    return cache_dir() / "remote" / "left.jsonl"


def remember(request: RemoteRequest, name: str, left: Left) -> None:
    """Write down where a request was left; what cannot be written down is said, and goes on."""
    row = LeftRow(name, request.host, request.model, time.time(), *left)
    path = _file()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # whoever knows an id may fetch its result
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "a") as file:
            file.write(_line(row))
        rows = remembered()
        if len(rows) > 2 * MOST_REMEMBERED:
            with written_whole(path) as part:
                part.write_text("".join(map(_line, rows[-MOST_REMEMBERED:])), "utf-8")
    except OSError as error:
        cannot_keep(error)


def _line(row: LeftRow) -> str:
    return json.dumps(Packer().object(row)) + "\n"


def remembered(host: str = "") -> list[LeftRow]:
    """Return what this machine left, oldest first; with `host`, only there.

    Lines that are no such row are passed over: half a line of a kernel that was killed, one that
    was damaged.
    """
    try:
        lines = _file().read_text("utf-8", errors="replace").splitlines()
    except OSError:
        return []
    rows: list[LeftRow] = []
    for line in lines:
        try:
            rows.append(Unpacker({}).object(LeftRow, json.loads(line)))
        except (ValueError, Unfit, RecursionError):
            continue
    return [row for row in rows if not host or row.host == host]


def digests(ids: Iterable[str], host: str) -> dict[str, str]:
    """Return the ids by digest.

    Raises
    ------
    ValueError
        For ids this machine has not left there, and those that another volvelle left, whose
        answers would be read wrongly.
    """
    known = {row.id: row for row in remembered(host)}
    missing = [one for one in ids if one not in known]
    if missing:
        raise ValueError(
            f"request {', '.join(missing)} was not left at {host} from this machine "
            "(model.left() lists what was); without work, model.attach shows what it saved"
        )
    for one in ids:
        _hold_format(known[one])
    return {known[one].digest: one for one in ids}


def _hold_format(row: LeftRow) -> None:
    """Raise ValueError for a request of other formats than these."""
    from volvelle.models.traces.bodies import FORMATS

    ours = dict(FORMATS.values())
    for name, number in row.formats.items():
        if number != ours.get(name):
            raise ValueError(
                f"request {row.id} was left by another volvelle: {name!r} has format {number} "
                f"there and {ours.get(name, 'no')} here. Without work, "
                f"model.attach({row.id!r}) shows what it saved; or submit the work again"
            )
