"""Requests left on a server: it keeps what they return, and any process may fetch it by id.

NDIF keeps states and result of a request only where nobody listens to it. So a job either is
listened to, tells every state and streams its tokens, and ends with the connection; or is left
there, is looked at now and then, and outlives connection and kernel.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from typing import TYPE_CHECKING, Any, NamedTuple

import httpx
import numpy as np
import torch
from nnsight.schema.response import ResponseModel, Status

from volvelle.cache import cache_dir
from volvelle.models.remote import errors as remote_errors
from volvelle.models.remote.backend import CONNECT, TRANSFER, ProgressBackend

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nnsight.schema.request import RequestModel

    from volvelle.models.remote.request import Request
    from volvelle.models.remote.status import RemoteRequest

# Seconds between two looks: at first, and at most.
SOON = 0.2
LATER = 3.0
# Seconds a server may be away, and an id unknown to it, before that is an error.
PATIENCE = 120.0
UNKNOWN = 10.0
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


class LeftBackend(ProgressBackend):
    """A request that is left on the server and fetched, now or by a later kernel.

    Parameters
    ----------
    *args, **told
        Of `ProgressBackend`. A request that already has an id is not sent again.
    left : Left, optional
        What it is remembered by; of a request that is sent.
    """

    def __init__(self, *args: Any, left: Left | None = None, **told: Any) -> None:
        super().__init__(*args, **told)
        self.left = left
        self._last: tuple[str, str] = ("", "")

    @remote_errors.bare
    def request(self, request: RequestModel, tracer: Any) -> Any:
        """Send it, unless it was, and fetch its result."""
        taken_up = bool(self.told.id)
        if not taken_up:
            blob = self._serialize(tracer)
            self._enter("sending", f"{len(blob):,} bytes")
            first = self._post(request, blob)
            if self.left is not None:
                remember(self.told, first.id, self.left)
            self.told.id = first.id
            self.note(first)
        return self.fetch(taken_up=taken_up)

    @remote_errors.bare
    def fetch(self, *, taken_up: bool = True) -> Any:
        """Look at the request until its result is there, and return that."""
        pause, known, seen = SOON, not taken_up, time.monotonic()
        while True:
            self._check()
            response = self._look()
            now = time.monotonic()
            if isinstance(response, ResponseModel):
                known, seen = True, now
                if self.told.status == "away":
                    self._last = ("", "")
                if (response.status.value, response.description) != self._last:
                    self._last, pause = (response.status.value, response.description), SOON
                    result = self.handle(response)
                    if response.status == Status.COMPLETED:
                        return result
            elif isinstance(response, httpx.HTTPError):
                if now - seen > PATIENCE:
                    raise remote_errors.lost(self.told, response) from response
                if self.told.status != "away":
                    self._enter("away", "it is asked again until it answers")
            elif not known and now - seen > UNKNOWN:
                raise remote_errors.unknown_id(self.told)
            else:
                seen = now if known else seen
            self._sleep(pause)
            pause = min(1.3 * pause, LATER)

    def _look(self) -> ResponseModel | httpx.HTTPError | None:
        headers = {"ndif-api-key": self.api_key} if self.api_key else None
        timeout = httpx.Timeout(TRANSFER, connect=CONNECT, read=CONNECT)
        address = f"{self.host}/response/{self.told.id}"
        try:
            answer = httpx.get(address, headers=headers, timeout=timeout)
        except httpx.HTTPError as error:
            return error
        if answer.status_code == 404:
            return None
        if answer.is_error:
            said = remote_errors.without(self.api_key, answer.text[:300])
            raise remote_errors.rejected(self.told, answer.status_code, said)
        try:
            return ResponseModel.model_validate_json(answer.text)
        except ValueError as error:
            raise remote_errors.not_ndif(self.told, error) from error

    def _sleep(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self._check()
            time.sleep(min(left, 0.1))


# -- what was left where ---------------------------------------------------------------------


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


def _file() -> Any:
    folder = cache_dir() / "remote"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / "left.jsonl"


def remember(request: RemoteRequest, name: str, left: Left) -> None:
    """Write down where a request was left; no key, no text, nothing of what it asks."""
    row = {
        "id": name,
        "host": request.host,
        "model": request.model,
        "at": time.time(),
        **left._asdict(),
    }
    path = _file()
    # whoever knows an id may fetch its result
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "a") as file:
        file.write(json.dumps(row) + "\n")
    rows = remembered()
    if len(rows) > 2 * MOST_REMEMBERED:
        partial = path.with_suffix(f".{os.getpid()}")
        partial.touch(mode=0o600)
        partial.write_text(
            "".join(f"{json.dumps(row)}\n" for row in rows[-MOST_REMEMBERED:]), "utf-8"
        )
        partial.replace(path)


def remembered(host: str = "") -> list[dict[str, Any]]:
    """Return what this machine left, oldest first; with `host`, only there."""
    path = _file()
    if not path.exists():
        return []
    rows = []
    for line in path.read_text("utf-8").splitlines():
        try:
            row = json.loads(line)
        except ValueError:  # half a line of a kernel that was killed
            continue
        if isinstance(row, dict) and {"id", "host", "digest"} <= set(row):
            rows.append(row)
    return [row for row in rows if not host or row["host"] == host]


def digests(ids: Iterable[str], host: str) -> dict[str, str]:
    """Return the ids by digest.

    Raises
    ------
    ValueError
        For ids this machine has not left there, and those that another volvelle left, whose
        answers would be read wrongly.
    """
    known = {row["id"]: row for row in remembered(host)}
    missing = [one for one in ids if one not in known]
    if missing:
        raise ValueError(
            f"request {', '.join(missing)} was not left at {host} from this machine "
            "(model.left() lists what was); without work, model.attach shows what it saved"
        )
    for one in ids:
        _hold_format(known[one])
    return {known[one]["digest"]: one for one in ids}


def _hold_format(row: dict[str, Any]) -> None:
    """Raise ValueError for a request of other formats than these."""
    from volvelle.models.traces.bodies import FORMATS

    # before formats were written down, all were 2 at last
    theirs, ours = row.get("formats", {str(row.get("what")): 2}), dict(FORMATS.values())
    for name, number in theirs.items():
        if number != ours.get(name):
            raise ValueError(
                f"request {row['id']} was left by another volvelle: {name!r} has format {number} "
                f"there and {ours.get(name, 'no')} here. Without work, "
                f"model.attach({row['id']!r}) shows what it saved; or submit the work again"
            )


def plain(value: Any) -> Any:
    """Return saved values with arrays for tensors."""
    if isinstance(value, torch.Tensor):
        tensor = value.detach().cpu()
        return (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy()
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    return value
