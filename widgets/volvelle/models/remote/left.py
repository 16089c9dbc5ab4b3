"""Requests left on a server: it keeps what they return, and any process may fetch it by id.

NDIF keeps states and result of a request only where nobody listens to it. So a job either is
listened to, tells every state and streams its tokens, and ends with the connection; or is left
there, is looked at now and then, and outlives connection and kernel.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import httpx
import torch
from nnsight.schema.response import ResponseModel, Status

from volvelle.models.remote import errors as remote_errors
from volvelle.models.remote.backend import CONNECT, TRANSFER, ProgressBackend
from volvelle.models.remote.remembered import remember

if TYPE_CHECKING:
    from nnsight.schema.request import RequestModel

    from volvelle.models.remote.remembered import Left

# Seconds between two looks: at first, and at most.
SOON = 0.2
LATER = 3.0
# Seconds a server may be away, and an id unknown to it, before that is an error.
PATIENCE = 120.0
UNKNOWN = 10.0


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
