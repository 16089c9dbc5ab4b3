"""What can go wrong with a server, each in one sentence with the way out."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from volvelle.models.remote.status import RemoteRequest

P = ParamSpec("P")
T = TypeVar("T")

# What failed, by the words of NDIF 0.1.2 in an ERROR without a traceback; first match wins.
VERSIONS = (
    "doesn't match the one your code was traced against",
    "payload could not be read",
    "below the minimum supported",
    "version was not provided",
    "unexpected keyword argument",
)
BUSY = ("evicted", "reconnecting", "try again later", "temporarily unavailable", "preempted")
# An error that ends one of these states is about bringing the model up, whatever it says.
STARTING = ("provisioning", "deploying")
NOT_THERE = (
    "is not a local folder",
    "Repository Not Found",
    "not a valid model identifier",
    "deploy",
    "could not be loaded",
    "no capacity",
    "Cannot find",
)
FOLD = "The server's own words are in the exception's remote_traceback."


class RemoteFailure(RuntimeError):  # noqa: N818 - a server failed, not a line of code
    """A request to a server came to nothing.

    Attributes
    ----------
    kind : str
        ``unreachable``, ``not ndif``, ``key``, ``busy``, ``lost``, ``silent``, ``model``,
        ``version``, ``code``, ``too large`` or ``answer``.
    remote_traceback : str
        What the server said in full; "" where it said nothing.
    request : RemoteRequest or None
        Stages, bytes and cost, as far as it came.
    """

    def __init__(
        self, message: str, kind: str, *, told: str = "", request: RemoteRequest | None = None
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.remote_traceback = told
        self.request = request

    def _render_traceback_(self) -> list[str]:
        # IPython's name: what a cell shows of it
        from volvelle.models.remote.cell import lines

        return lines(self, self.remote_traceback)


def without(secret: str | None, text: str) -> str:
    """Return a text without an API key a server may have repeated."""
    return text.replace(secret, "<your key>") if secret else text


def bare(work: Callable[P, T]) -> Callable[P, T]:
    """Take from what a failure was caused by the frames it came through.

    They are the network libraries', with the key in their locals, which a notebook set to verbose
    tracebacks prints. What the cause says stays.
    """

    @functools.wraps(work)
    def done(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return work(*args, **kwargs)
        except RemoteFailure as failure:
            cause = failure.__cause__
            if cause is not None:
                cause.__traceback__ = cause.__cause__ = cause.__context__ = None
            raise

    return done


def no_key(request: RemoteRequest) -> RemoteFailure:
    """Say that what is configured as the key cannot be one."""
    return RemoteFailure(
        "the API key holds characters no key has, such as a line break: paste it again into "
        "NDIF_API_KEY, or call nnsight.login()",
        "key",
        request=request,
    )


def unreachable(request: RemoteRequest, error: BaseException) -> RemoteFailure:
    """Say that nobody answers at an address."""
    return RemoteFailure(
        f"no server answers at {request.host} ({_short(error)}): check the address given as "
        "remote= (for remote=True: NDIF_HOST), and that the server is up",
        "unreachable",
        told=_short(error),
        request=request,
    )


def not_ndif(request: RemoteRequest, error: BaseException) -> RemoteFailure:
    """Say that somebody answers who is not an NDIF server."""
    return RemoteFailure(
        f"{request.host} answers, but not as an NDIF server ({_short(error)}): check the port in "
        "the address given as remote=",
        "not ndif",
        told=_short(error),
        request=request,
    )


def lost(request: RemoteRequest, error: BaseException | None = None) -> RemoteFailure:
    """Say that the connection ended before the request did."""
    was = request.text
    request.enter("lost", _short(error) if error else "")
    name = request.id or "(not yet named)"
    out = (
        f"model.attach({name!r}) fetches its result once the server is up"
        if request.detached and request.id
        else "its result cannot be fetched any more. See with vv.remote_models() whether the "
        "server is up, then run it again"
    )
    return RemoteFailure(
        f"the connection to {request.host} ended while request {name} was {was!r}; {out}",
        "lost",
        told=_short(error) if error else "",
        request=request,
    )


def unknown_id(request: RemoteRequest) -> RemoteFailure:
    """Say that a server knows nothing of an id."""
    return RemoteFailure(
        f"{request.host} knows no request {request.id!r}: it was listened to rather than left "
        "there (submit it with detached=True), or its result is gone; run it again",
        "lost",
        request=request,
    )


def silent(request: RemoteRequest, seconds: float) -> RemoteFailure:
    """Say that a server holds the connection and says nothing."""
    was = request.text
    request.enter("lost", "silent")
    return RemoteFailure(
        f"{request.host} has not answered for {seconds:.0f} s (last: {was!r}); it may be "
        "overloaded or stuck. Try again later, or ask whoever runs it",
        "silent",
        request=request,
    )


def too_large(request: RemoteRequest, size: int, most: int) -> RemoteFailure:
    """Say that a request is over the limit."""
    return RemoteFailure(
        f"this request would send {size:,} bytes to {request.host}, the limit is {most:,}; give "
        "fewer texts, steers or features at once",
        "too large",
        request=request,
    )


def result_too_large(request: RemoteRequest, size: int, most: int) -> RemoteFailure:
    """Say that a result is over what is taken."""
    return RemoteFailure(
        f"the result of request {request.id} from {request.host} is {size:,} bytes, at most "
        f"{most:,} are taken; ask for fewer texts or points at once, or for positions='last' or "
        "'mean'",
        "too large",
        request=request,
    )


def bad_answer(request: RemoteRequest, error: BaseException) -> RemoteFailure:
    """Say that a result is not data, or not complete."""
    return RemoteFailure(
        f"the result of request {request.id} from {request.host} cannot be read "
        f"({_short(error)}); nothing of it was used. Run it again, and see whether the server's "
        "nnsight and torch versions fit yours (nnsight.compare())",
        "answer",
        told=str(error),
        request=request,
    )


def rejected(request: RemoteRequest, code: int, said: str) -> RemoteFailure:
    """Return what an HTTP status of the server's door means."""
    said = _line(said)
    if code in (401, 403) or "API key" in said:
        return RemoteFailure(
            f"{request.host} does not accept the API key ({said}): set NDIF_API_KEY, or store "
            "one with nnsight.login(); keys come from https://login.ndif.us",
            "key",
            told=said,
            request=request,
        )
    if any(words in said for words in VERSIONS):
        return _version(request, said, said)
    if code == 413:
        return too_large(request, request.sent, request.sent)
    if code in (404, 405):
        return not_ndif(request, RuntimeError(f"HTTP {code}"))
    return _busy(request, said)


def failed(request: RemoteRequest, said: str) -> RemoteFailure:
    """Return what an ERROR of a request means."""
    line = _line(said)
    if "Traceback (most recent call last)" in said and request.reached("running"):
        return RemoteFailure(
            f"the code of request {request.id} failed on {request.host}: {line}. {FOLD}",
            "code",
            told=said,
            request=request,
        )
    if any(words in said for words in VERSIONS):
        return _version(request, line, said)
    if "execution timeout" in said:
        return RemoteFailure(
            f"request {request.id} took longer than {request.host} allows ({line}); ask for fewer "
            "tokens, texts or steers at once",
            "too large",
            told=said,
            request=request,
        )
    starting = len(request.stages) > 1 and request.stages[-2].status in STARTING
    busy = any(words in said.lower() for words in BUSY) and not starting
    if request.reached("running") or busy:
        return _busy(request, said)
    if starting or any(words.lower() in said.lower() for words in NOT_THERE):
        return RemoteFailure(
            f"{request.host} could not bring up {request.model!r}: {line}. vv.remote_models() "
            f"lists what is up there. {FOLD}",
            "model",
            told=said,
            request=request,
        )
    return _busy(request, said)


def _version(request: RemoteRequest, line: str, said: str) -> RemoteFailure:
    return RemoteFailure(
        f"{request.host} cannot run what this version sends ({line}): compare versions with "
        "nnsight.compare() and install the server's nnsight and transformers here",
        "version",
        told=said,
        request=request,
    )


def _busy(request: RemoteRequest, said: str) -> RemoteFailure:
    return RemoteFailure(
        f"{request.host} could not take or finish the request now ({_line(said)}); "
        "try again in a few minutes",
        "busy",
        told=said,
        request=request,
    )


def _line(said: str) -> str:
    """Return the last line of a traceback, or the first of a message, at a readable length."""
    lines = [line.strip() for line in said.strip().splitlines() if line.strip()]
    if not lines:
        return "it gave no reason"
    line = lines[-1] if "Traceback (most recent call last)" in said else lines[0]
    return line if len(line) <= 200 else f"{line[:197]}..."


def _short(error: Any) -> str:
    text = str(error).strip().partition("\n")[0]
    # proxies answer with a page: only its status belongs in a sentence
    text = text.partition(" -+-+- ")[0]
    return (text if len(text) <= 160 else f"{text[:157]}...") or type(error).__name__
