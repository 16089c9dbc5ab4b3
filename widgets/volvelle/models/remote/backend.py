"""nnsight's way to a server, with every status told, tokens streamed, and a wait that can end.

Overridden are the parts of nnsight 0.8's `RemoteBackend` that wait forever, draw their own
display, or unpickle whatever a server sends.
"""

from __future__ import annotations

import io
import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cloudpickle
import httpx
import websocket
from nnsight.intervention.backends import remote as nnsight_remote
from nnsight.intervention.backends.remote import RemoteBackend
from nnsight.schema.request import RequestModel
from nnsight.schema.response import ResponseModel, Status

from volvelle import formulas
from volvelle.models import traces
from volvelle.models.remote import errors as remote_errors
from volvelle.models.remote.answer import data_of, opened, unpacked_size
from volvelle.models.work.worker import Cancelled

if TYPE_CHECKING:
    from collections.abc import Callable

    from volvelle.models.remote.status import RemoteRequest
    from volvelle.models.remote.stream import TokenStream
    from volvelle.models.work.worker import Job

# Travel by value, every module of them: a server does not have volvelle.
SHIPPED = (formulas, traces)
for _package in SHIPPED:
    cloudpickle.register_pickle_by_value(_package)

# Seconds: to connect; until the first word; between looks at Stop; between signs of life asked
# for, and without any until the server counts as gone.
CONNECT = 10.0
FIRST_WORD = 30.0
LOOK = 0.2
PING = 15.0
SILENCE = 60.0
# Seconds for an upload or a download to go on without a byte.
TRANSFER = 120.0
# Bytes of one request and of one result, unpacked; NDIF enforces no limit of its own.
MOST_SENT = 256 * 2**20
MOST_RECEIVED = 2 * 2**30


@dataclass
class _Pulse:
    """When a server was last heard, and last asked whether it is there."""

    heard: float
    asked: float = 0.0


class ProgressBackend(RemoteBackend):
    """One request to a server, its states told to a job.

    Parameters
    ----------
    lm : nnsight TransformersModel
    request : RemoteRequest
        Gets stages, bytes and cost; its host is where it goes.
    job : Job, optional
        Told in words what happens; asked whether to stop.
    stream : TokenStream, optional
        Takes log lines.
    on_state : callable(RemoteRequest), optional
        Called at every change.

    Notes
    -----
    The API key is nnsight's own, read when the request is made, and lives as long as this
    object, which is one request.
    """

    def __init__(
        self,
        lm: Any,
        request: RemoteRequest,
        *,
        job: Job | None = None,
        stream: TokenStream | None = None,
        on_state: Callable[[RemoteRequest], None] | None = None,
    ) -> None:
        env = lm._remoteable_get_env() if hasattr(lm, "_remoteable_get_env") else None  # noqa: SLF001
        super().__init__(lm.to_model_key(), host=request.host, api_key=api_key(request), env=env)
        self.display.enabled = False
        self.told, self.job, self.stream, self.on_state = request, job, stream, on_state

    # -- the way there -------------------------------------------------------------------------

    def _serialize(self, tracer: Any) -> bytes:
        # without nnsight's search for local modules: two travel, and they are known
        blob = RequestModel.serialize(tracer, self.compress)
        self.told.sent = len(blob)
        if len(blob) > MOST_SENT:
            raise remote_errors.too_large(self.told, len(blob), MOST_SENT)
        return blob

    @remote_errors.bare
    def request(self, request: RequestModel, tracer: Any) -> Any:
        """Send one request and wait for its result, told by the server's own stream."""
        blob = self._serialize(tracer)
        self._enter("sending", f"{len(blob):,} bytes")
        connection = self._connect()
        try:
            request.session_id = self._session(connection)
            first = self._post(request, blob)
            self.told.id = first.id
            self.handle(first)
            return self._listen(connection)
        except Cancelled:
            # also where a token's listener stopped the job, between two looks
            raise Cancelled(f"stopped waiting; {self._left()}") from None
        finally:
            connection.close()

    def _connect(self) -> websocket.WebSocket:
        header = {"ndif-api-key": self.api_key} if self.api_key else None
        address = f"{self.ws_host}/subscribe"
        try:
            return websocket.create_connection(address, timeout=CONNECT, header=header)
        except websocket.WebSocketBadStatusException as error:
            if error.status_code in (401, 403):
                raise remote_errors.rejected(self.told, error.status_code, "") from error
            raise remote_errors.not_ndif(self.told, error) from error
        except websocket.WebSocketTimeoutException as error:
            raise remote_errors.unreachable(self.told, error) from error
        except websocket.WebSocketException as error:
            raise remote_errors.not_ndif(self.told, error) from error
        except (OSError, ValueError) as error:
            raise remote_errors.unreachable(self.told, error) from error

    def _session(self, connection: websocket.WebSocket) -> str:
        connection.settimeout(FIRST_WORD)
        try:
            return str(json.loads(connection.recv())["session_id"])
        except websocket.WebSocketTimeoutException as error:
            raise remote_errors.silent(self.told, FIRST_WORD) from error
        except (ValueError, KeyError, TypeError) as error:
            raise remote_errors.not_ndif(self.told, error) from error
        except (OSError, websocket.WebSocketException) as error:
            raise remote_errors.lost(self.told, error) from error

    def _post(self, request: RequestModel, blob: bytes) -> ResponseModel:
        """Send the request; the server answers with its name for it."""
        headers = {
            "ndif-timestamp": repr(time.time()),
            "nnsight-version": nnsight_remote._NNSIGHT_VERSION,  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
            "python-version": nnsight_remote.sys.version,
        }
        if self.api_key:
            headers["ndif-api-key"] = self.api_key
        try:
            with httpx.Client(timeout=httpx.Timeout(TRANSFER, connect=CONNECT)) as client:
                answer = client.post(
                    f"{self.host}/request",
                    data={"data": request.metadata()},
                    files={"blob": ("request", blob, "application/octet-stream")},
                    headers=headers,
                )
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise remote_errors.unreachable(self.told, error) from error
        except httpx.TimeoutException as error:
            raise remote_errors.silent(self.told, TRANSFER) from error
        except httpx.HTTPError as error:
            raise remote_errors.lost(self.told, error) from error
        if answer.is_error:
            said = remote_errors.without(self.api_key, _detail(answer))
            raise remote_errors.rejected(self.told, answer.status_code, said)
        try:
            return ResponseModel.model_validate_json(answer.text)
        except ValueError as error:
            raise remote_errors.not_ndif(self.told, error) from error

    # -- the way back --------------------------------------------------------------------------

    def _listen(self, connection: websocket.WebSocket) -> Any:
        """Take frames until the result is there, the job is stopped or the server is gone."""
        connection.settimeout(LOOK)
        alive = _Pulse(time.monotonic())
        while True:
            if self.job is not None:
                self._check()
            frame = self._frame(connection, alive)
            if frame is None:
                continue
            try:
                response = opened(*frame)
            except ValueError as error:
                raise remote_errors.bad_answer(self.told, error) from error
            if response.id == self.told.id:
                result = self.handle(response)
                if response.status == Status.COMPLETED:
                    return result

    def _frame(self, connection: websocket.WebSocket, alive: _Pulse) -> tuple[bool, bytes] | None:
        """Return the next frame, and whether it is binary; None after a short wait."""
        now = time.monotonic()
        if now - alive.heard > SILENCE:
            raise remote_errors.silent(self.told, SILENCE)
        try:
            if now - max(alive.heard, alive.asked) > PING:
                connection.ping()
                alive.asked = now
            # control frames too: a pong is a sign of life
            kind, message = connection.recv_data(control_frame=True)
        except websocket.WebSocketTimeoutException:
            return None
        except (OSError, websocket.WebSocketException) as error:
            raise remote_errors.lost(self.told, error) from error
        alive.heard = time.monotonic()
        if kind == websocket.ABNF.OPCODE_CLOSE:
            raise remote_errors.lost(self.told)
        if kind in (websocket.ABNF.OPCODE_TEXT, websocket.ABNF.OPCODE_BINARY):
            return kind == websocket.ABNF.OPCODE_BINARY, message
        return None

    def _check(self) -> None:
        """Leave where the job was stopped, and say what that means."""
        if self.job is not None and self.job.cancelled:
            raise Cancelled(f"stopped waiting; {self._left()}")

    def _left(self) -> str:
        """Note, once, that the request is left to itself, and say what that means."""
        said = f"{self.host} has no way to cancel: {self.told.id} may run to its end there"
        if self.told.detached:
            said += f", and model.attach({self.told.id!r}) fetches what it returns"
        if self.told.status != "left":
            self._enter("left", said)
        return said

    def note(self, response: ResponseModel) -> bool:
        """Take one status of the server. nnsight's name; every update passes here."""
        if response.status == Status.LOG:
            # the server's standard output belongs to everyone who runs there
            if self.stream is None or not self.stream.hear(response.description):
                self.told.hear(response.description)
            return False
        if isinstance(response.meta, dict):
            self.meta = self.told.meta = response.meta
        self._enter(response.status.value, response.description)
        if response.status == Status.ERROR:
            raise remote_errors.failed(
                self.told, remote_errors.without(self.api_key, response.description)
            )
        return response.status == Status.COMPLETED

    def _enter(self, status: str, text: str = "") -> None:
        self.told.enter(status, text)
        if self.job is not None:
            self.job.tell(self.told.text)
        if self.on_state is not None:
            self.on_state(self.told)

    def download_result(self, url: Any) -> Any:
        """Fetch a result that was too large for the stream, or take it from there."""
        if isinstance(url, (bytes, bytearray)):
            return self.finalize(bytes(url))
        if not isinstance(url, str) or not url.startswith(("http://", "https://")):
            raise remote_errors.bad_answer(self.told, ValueError(f"no address: {url!r:.80}"))
        buffer = io.BytesIO()
        try:
            with (
                httpx.Client(timeout=httpx.Timeout(TRANSFER, connect=CONNECT)) as client,
                client.stream("GET", url) as response,
            ):
                response.raise_for_status()
                whole = int(response.headers.get("Content-Length", 0))
                self._weigh(whole)
                for chunk in response.iter_bytes(2**18):
                    buffer.write(chunk)
                    self._weigh(buffer.tell())
                    if self.job is not None:
                        self._check()
                        done = f"{buffer.tell() / 1e6:.1f} of {whole / 1e6:.1f} MB"
                        self.job.tell(f"results are coming, {done}")
        except httpx.HTTPError as error:
            raise remote_errors.lost(self.told, error) from error
        return self.finalize(buffer.getvalue())

    def _weigh(self, size: int) -> None:
        """Refuse a result that would fill this machine."""
        if size > MOST_RECEIVED:
            raise remote_errors.result_too_large(self.told, size, MOST_RECEIVED)

    def finalize(self, content: bytes) -> Any:
        """Read a result as data: tensors and plain values, nothing that could run."""
        self.told.received = len(content)
        self._weigh(unpacked_size(content) if self.compress else len(content))
        try:
            return data_of(content, compressed=self.compress)
        except ValueError as error:
            raise remote_errors.bad_answer(self.told, error) from error


class Secret(str):
    """A key that shows itself to a server and to no repr: not in a dict, not in a traceback."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'<your key>'"


def api_key(request: RemoteRequest) -> Secret | None:
    """Return the key of nnsight's configuration, or of the environment as it is now."""
    import os

    from nnsight import CONFIG

    found = str(os.environ.get("NDIF_API_KEY") or CONFIG.API.APIKEY or "").strip()
    if not (found.isascii() and (found.isprintable() or not found)):
        raise remote_errors.no_key(request)
    return Secret(found) if found else None


def _detail(answer: httpx.Response) -> str:
    try:
        body = answer.json()
    except ValueError:
        return answer.text[:500]
    return str(body.get("detail", body)) if isinstance(body, dict) else str(body)
