"""Models on a server: their structure here, their weights there, and which are up."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx

from volvelle.arguments.call import checked
from volvelle.arguments.said import seen
from volvelle.models.remote import errors as remote_errors
from volvelle.models.remote.status import RemoteRequest

if TYPE_CHECKING:
    import pandas as pd

# Seconds a server has to say what is up: it may ask its cluster first.
STATUS = 70.0
COLUMNS = ("model", "state", "level", "task", "dtype", "revision", "replicas")


def server_of(remote: object, name: str = "remote") -> bool | str:
    """Return ``remote=`` as True, False or an address without its last slash.

    Raises
    ------
    TypeError, ValueError
        For what is neither; also for addresses with a password in them, which would end up in
        every notebook that shows the model.
    """
    if isinstance(remote, bool):
        return remote
    if not isinstance(remote, str):
        raise TypeError(
            f"{name}={seen(remote)}, expected False, True (NDIF) or an address such as "
            "'http://localhost:8001'"
        )
    parts = urlsplit(remote)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(
            f"{name}={seen(remote)} is no address; write it with its scheme, such as "
            f"'http://{(remote.partition('://')[2] or remote)[:40]}'"
        )
    if parts.username or parts.password:
        raise ValueError(
            "remote= holds a user name or password, which every repr of the model would show; "
            "give the address alone and the key as NDIF_API_KEY"
        )
    return remote.rstrip("/")


def host_of(remote: bool | str) -> str:
    """Return the address behind ``remote=``; True is nnsight's configured one (NDIF_HOST)."""
    if isinstance(remote, str):
        return remote
    from nnsight import CONFIG

    return str(CONFIG.API.HOST).rstrip("/")


def structure(source: str, tokenizer: Any, revision: str | None) -> Any:
    """Return a TransformersModel without weights, for use on a server.

    Parameters
    ----------
    source : str
        Repository of the hub, or a folder: then the server must have it at the same path.
    tokenizer : transformers tokenizer
    revision : str, optional
    """
    from nnsight import TransformersModel
    from nnsight.modeling import huggingface
    from transformers import GenerationConfig

    if Path(source).is_dir():
        # nnsight would ask the hub how the name is spelled; a path is its own spelling
        huggingface._ID_CACHE[source] = source  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
    # the task is part of a deployment's identity; the tokenizer is always passed:
    # transformers 5.23 cannot guess it for a model without weights
    lm = TransformersModel(
        source, task="text-generation", tokenizer=tokenizer, revision=revision or "main"
    )
    # which tokens end a text stands beside the weights, not in the structure; where a checkpoint
    # has no such file its config says it
    with suppress(OSError):
        found = GenerationConfig.from_pretrained(source, revision=revision or "main")
        lm._module.generation_config = found  # noqa: SLF001 - nnsight's name
    return lm


@checked
def remote_models(host: str | None = None) -> pd.DataFrame:
    """List the models of a server with their state.

    Parameters
    ----------
    host : str, optional
        An address such as ``"http://localhost:8001"``; NDIF (``NDIF_HOST``) by default.

    Returns
    -------
    pandas.DataFrame
        One row per deployment: ``model`` (what `vv.load` takes), ``state`` (``RUNNING`` answers
        at once, ``DEPLOYING`` soon), ``level`` (``HOT`` on the GPU, ``WARM`` in memory,
        ``COLD`` on disk: the first request waits while it is loaded), ``task``, ``dtype``,
        ``revision``, ``replicas``. Empty where nothing is up; a model that is not listed may
        still be brought up by a first request, where the server allows it.

    Raises
    ------
    RemoteFailure
        Where no server answers.
    """
    import pandas as pd

    address = host_of(server_of(host, "host") if host is not None else True)
    asked = RemoteRequest(address, "")
    try:
        answer = httpx.get(f"{address}/status", timeout=httpx.Timeout(STATUS, connect=10.0))
    except httpx.TimeoutException as error:
        raise remote_errors.silent(asked, STATUS) from error
    except (httpx.HTTPError, OSError) as error:
        raise remote_errors.unreachable(asked, error) from error
    if answer.is_error:
        raise remote_errors.rejected(asked, answer.status_code, answer.text[:300])
    try:
        found = answer.json()["deployments"]
    except (ValueError, KeyError, TypeError) as error:
        raise remote_errors.not_ndif(asked, error) from error
    rows: dict[str, dict[str, Any]] = {}
    for name, one in found.items():
        key = str(one.get("model_key") or name)
        row = {
            "model": one.get("repo_id", name),
            "state": one.get("application_state", ""),
            "level": one.get("deployment_level", ""),
            "task": one.get("task") or "",
            "dtype": str(one.get("dtype") or ""),
            "revision": one.get("revision") or "main",
            "replicas": 1,
        }
        if key in rows:
            rows[key]["replicas"] += 1
            if row["state"] == "RUNNING":
                rows[key] |= {k: row[k] for k in ("state", "level")}
        else:
            rows[key] = row
    return pd.DataFrame(list(rows.values()), columns=list(COLUMNS))
