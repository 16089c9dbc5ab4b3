"""Whether a name can be had from the hub, asked before its client tries and tries again."""

from __future__ import annotations

from volvelle.archive.paths import kind_of, path_of

# Seconds for the hub to answer at all; its client would go on for about twenty.
CONNECT = 5.0
# Either file is in the cache of a model that has been loaded before.
KNOWN_BY = ("config.json", "tokenizer_config.json")


def check_name(name: str, known: str) -> None:
    """Raise OSError for what is no folder and cannot be a name on the hub.

    Parameters
    ----------
    name : str
    known : str
        The names that need no hub, for the message.
    """
    from huggingface_hub.utils import HFValidationError, validate_repo_id

    try:
        validate_repo_id(name)
    except HFValidationError as error:
        raise OSError(
            f"cannot load {name!r}: {_why(name)}, and a model on the hub is called 'org/name'. "
            f"Demo models: {known}"
        ) from error


def _why(name: str) -> str:
    kind = kind_of(path_of(name, "a model", "name"))
    if kind is not None:
        return f"that is {kind}, and a model is a folder of transformers"
    return "there is no such folder"


def check_reachable(name: str, revision: str | None, known: str) -> None:
    """Raise OSError where the hub would have to be asked and does not answer.

    A model that is in the hub's cache is left to the hub's client, which knows what to do.
    """
    import httpx
    from huggingface_hub import constants, try_to_load_from_cache

    cached = (try_to_load_from_cache(name, file, revision=revision) for file in KNOWN_BY)
    if any(isinstance(path, str) for path in cached):
        return
    if constants.HF_HUB_OFFLINE:
        raise OSError(
            f"cannot load {name!r}: there is no folder of that name, it is not in the hub's cache, "
            f"and HF_HUB_OFFLINE keeps the hub from being asked. Demo models: {known}"
        )
    try:
        # any answer will do; proxies are taken from the environment, as the hub's client does
        httpx.head(constants.ENDPOINT, timeout=CONNECT)
    except (httpx.ConnectError, httpx.ConnectTimeout) as error:
        raise OSError(
            f"cannot load {name!r}: there is no folder of that name, and the hub did not answer "
            f"({constants.ENDPOINT}: {error or 'no connection'}). Demo models: {known}"
        ) from error
    except httpx.HTTPError:
        return  # it is there, and its client says what is wrong
