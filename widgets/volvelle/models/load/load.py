"""Making a `Model`: from a name, a folder, the hub, or what the user already loaded."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from volvelle.archive.paths import kind_of, path_of, refuse_odd
from volvelle.arguments.call import checked
from volvelle.arguments.said import came
from volvelle.arguments.texts import clean
from volvelle.models.engine.architecture import read_layout
from volvelle.models.engine.causal import check_causal
from volvelle.models.load import hub, smollm2
from volvelle.models.load.bare import bare
from volvelle.models.model import Model
from volvelle.models.remote.servers import server_of, structure
from volvelle.names import closest, unknown

if TYPE_CHECKING:
    import os

    import torch

# Demo models by name.
NAMED = {"smollm2": smollm2}


@checked
def load(
    name: str | os.PathLike[str],
    remote: bool | str = False,
    dtype: torch.dtype | str | None = None,
    device: torch.device | str | None = None,
    revision: str | None = None,
) -> Model:
    """Load a causal language model.

    Parameters
    ----------
    name : str or path
        ``"smollm2"`` (the demo model, from an installed package, no network), a local folder
        of transformers, or a repository of the hub such as ``"org/name"``.
    remote : bool or str
        True runs it on NDIF (or where NDIF_HOST says), an address such as
        ``"http://localhost:8001"`` on another server; only structure and tokenizer are loaded
        here. The API key is nnsight's own (``nnsight.login()`` or NDIF_API_KEY). A folder must
        lie at the same path on the server.
    dtype : torch.dtype or str, optional
        Default: float32 on the CPU, where half precision is slow, else the checkpoint's own.
    device : torch.device or str, optional
        Default: the GPU where there is one (CUDA), else the CPU; ``"auto"`` spreads the
        weights over what there is (needs accelerate).
    revision : str, optional
        Of a repository of the hub.

    Returns
    -------
    Model

    Raises
    ------
    ModuleNotFoundError
        For the demo model without its package, with the line that installs it.
    OSError
        For a name that is neither a folder nor can be had from the hub; for a named pipe, a
        device or a socket, given as the folder or inside it.
    TypeError
        For a name that is neither a text nor a path.
    ValueError
        For an address without its scheme or with a password, and for a dtype or device
        together with ``remote=``: those are the server's.
    """
    remote = server_of(remote)
    if remote and (dtype is not None or device is not None):
        raise ValueError(
            "dtype and device are the server's with remote=; vv.remote_models() shows the dtype"
        )
    source = path_of(name, "a demo model, a folder, or a model of the hub", "name")
    wanted = str(name)
    how = {"remote": remote, "dtype": dtype, "device": device, "revision": revision}
    if wanted in NAMED:
        return _load_named(wanted, how | {"revision": None})
    kind = kind_of(source)
    if kind == "a folder":
        refuse_odd(source)
        return _load(str(source), clean(source.resolve().name), **how)
    if kind not in (None, "a file"):
        raise OSError(f"{source} is {kind}, expected a folder of transformers")
    if "/" not in wanted and closest(wanted, NAMED):
        raise ValueError(unknown("model", wanted, NAMED))
    return _load(wanted, wanted, **how)


def _load_named(name: str, how: dict[str, Any]) -> Model:
    from safetensors import SafetensorError

    demo = NAMED[name]
    source = demo.folder()
    try:
        return _load(str(source), name, **how)
    except (OSError, ValueError, SafetensorError) as error:  # what readers raise on damaged files
        smollm2.log.warning("%s does not load (%s) and is made again", source, error)
        return _load(str(demo.rebuild()), name, **how)


def _load(
    source: str,
    name: str,
    *,
    remote: bool | str,
    dtype: Any,
    device: Any,
    revision: str | None,
) -> Model:
    """Load a model from where `load` found it.

    Parameters
    ----------
    source : str
        A folder, or a repository of the hub.
    name : str
        What the model is called.
    remote : bool or str
        As `server_of` returns it.
    dtype, device, revision
        As in `load`; None for its defaults.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    dtype, device = _dtype_of(dtype), _device_of(device)
    if not Path(source).is_dir():
        hub.check_name(source, ", ".join(NAMED))
        hub.check_reachable(source, revision, ", ".join(NAMED))
    try:
        tokenizer = AutoTokenizer.from_pretrained(source, revision=revision)
        if remote:
            lm = structure(source, tokenizer, revision)
            check_causal(lm._module, name)  # noqa: SLF001
            return Model(lm, read_layout(lm._module, name), remote=remote)  # noqa: SLF001
        if device is None:
            device = "cuda" if torch.cuda.is_available() else "cpu"
        if dtype is None:
            dtype = torch.float32 if str(device) == "cpu" else "auto"
        spread = {"device_map": "auto"} if str(device) == "auto" else {}
        with smollm2.quiet():
            module = AutoModelForCausalLM.from_pretrained(
                source, revision=revision, dtype=dtype, **spread
            )
    except OSError as error:
        raise OSError(
            f"cannot load {source!r}: no folder of that name holds a model, and the hub did not "
            f"give one ({error}). Demo models: {', '.join(NAMED)}"
        ) from error
    module = module.eval().requires_grad_(requires_grad=False)
    if not spread:
        module = module.to(device)
    return wrap(module, tokenizer, name=name)


def _dtype_of(given: Any) -> Any:
    """Return torch's own of a dtype's name, ``"auto"``, or None; raise for anything else."""
    import torch

    if (
        given is None
        or isinstance(given, torch.dtype)
        or (isinstance(given, str) and given == "auto")
    ):
        return given
    if not isinstance(given, str):
        raise TypeError(came("dtype", given, "a torch.dtype, its name, 'auto' or None"))
    found = getattr(torch, given, None)
    if not isinstance(found, torch.dtype):
        raise TypeError(unknown("dtype", given, ("float32", "bfloat16", "float16", "auto")))
    return found


def _device_of(given: Any) -> Any:
    """Return a device as it is given, held against what torch knows; raise for none."""
    import torch

    if (
        given is None
        or isinstance(given, torch.device)
        or (isinstance(given, str) and given == "auto")
    ):
        return given
    if not isinstance(given, str):
        raise TypeError(came("device", given, "a torch.device, its name, 'auto' or None"))
    try:
        return str(torch.device(given))
    except RuntimeError as error:
        known = "'cpu', 'cuda', 'cuda:1', 'mps' or 'auto'"
        raise ValueError(came("device", given, known)) from error


@checked
def wrap(
    model: Any,
    tokenizer: Any = None,
    remote: bool | str = False,
    name: str | None = None,
) -> Model:
    """Make a `Model` of one that is already loaded.

    Parameters
    ----------
    model : nnsight TransformersModel or LanguageModel, or transformers causal language model
        Used as it is, on its device and in its dtype. It may be in training: verbs run it without
        dropout and give its training flags back. Of a PEFT model with adapters in its weights
        (LoRA) and of one compiled by `torch.compile`, the model inside is used: adapters work, and
        it runs uncompiled.
    tokenizer : transformers tokenizer, optional
        Default: nnsight's, or the one saved beside the model.
    remote : bool or str
        As in `load`.
    name : str, optional
        Default: what the model was loaded from.

    Returns
    -------
    Model

    Raises
    ------
    TypeError
        For what is no language model.
    ValueError
        Where no tokenizer is found; for PEFT's adapters that add tokens (prompt tuning) models
        of which a part is compiled by itself, dynamic int8, and models
        whose tokens look at those behind them.
    """
    import torch
    from nnsight import TransformersModel

    remote = server_of(remote)
    _check_tokenizer(tokenizer)
    lm = model if isinstance(model, TransformersModel) else None
    module = model
    if not isinstance(model, torch.nn.Module):
        module = getattr(model, "_module", None)
    if not isinstance(module, torch.nn.Module) or not hasattr(module, "config"):
        raise TypeError(_no_causal(type(model).__name__))
    if not writes_on(module):
        raise TypeError(_no_causal(type(module).__name__))
    if tokenizer is None and lm is not None:
        tokenizer = lm.tokenizer
    if not remote and bare(module) is not module:
        module, lm = bare(module), None
    source = str(getattr(module.config, "_name_or_path", "") or "")
    if tokenizer is None:
        tokenizer = _saved_tokenizer(source, type(module).__name__)
    if lm is None:
        lm = TransformersModel(module, tokenizer=tokenizer, task="text-generation")
    elif lm.tokenizer is None or tokenizer is not lm.tokenizer:
        lm.tokenizer = tokenizer
    if not remote and not lm.dispatched:
        lm.dispatch()
    shown = clean(name or Path(source).name or type(module).__name__)
    check_causal(lm._module, shown)  # noqa: SLF001 - nnsight's name
    return Model(lm, read_layout(lm._module, shown), remote=remote)  # noqa: SLF001 - nnsight's name


def _check_tokenizer(given: Any) -> None:
    """Raise TypeError for what splits no text."""
    if given is not None and not (callable(given) and hasattr(given, "decode")):
        raise TypeError(came("tokenizer", given, "a tokenizer of transformers, or None"))


def writes_on(module: torch.nn.Module) -> bool:
    """Whether a module of transformers predicts the next token from those before it alone."""
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

    if type(module).__name__ in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.values():
        return True
    two_halves = getattr(module.config, "is_encoder_decoder", False)
    head = getattr(module, "get_output_embeddings", lambda: None)()
    masked = "ForMaskedLM" in type(module).__name__
    return head is not None and not two_halves and not masked


def _no_causal(came: str) -> str:
    return (
        f"model is {came}, expected an nnsight TransformersModel or "
        "LanguageModel, or a causal language model of transformers (AutoModelForCausalLM)"
    )


def _saved_tokenizer(source: str, kind: str) -> Any:
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(source)
    except (OSError, ValueError) as error:
        raise ValueError(
            f"no tokenizer lies beside this {kind} ({source or 'of no source'!r}); pass tokenizer="
        ) from error
