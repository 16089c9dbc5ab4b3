"""The sae-lens folder: cfg.json and sae_weights.safetensors, current and before 6.0.

Source: sae-lens 6.54; sae-lens itself is not needed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from volvelle.compute.dictionaries.parts import ARCHITECTURES, NORMALIZATIONS, folded, not_read
from volvelle.compute.directions.points import Point
from volvelle.formats.left_over import refuse_left_over
from volvelle.formats.sae_lens_keys import check_keys
from volvelle.formats.sae_tensors import canonical, is_one
from volvelle.formats.told import held, hold_types, number_or_nan, read_object, texts
from volvelle.names import unknown

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    import torch

CONFIG, WEIGHTS = "cfg.json", "sae_weights.safetensors"
LABELS, SPARSITY = "labels.json", "sparsity.safetensors"

# Files a reader of this format asks a repository for.
FILES = (CONFIG, WEIGHTS, LABELS, SPARSITY)

# Scales activations before they are decoded; the first name is the file's, the second the model's.
_SCALES = ("scaling_factor", "finetuning_scaling_factor")

# before 6.0 -> now
_RENAMED = {"hook_point": "hook_name", "hook_point_head_index": "hook_head_index"}
_SCALED_ONCE = "expected_average_only_in"

# What the fields that are read must be, where they are set.
_TYPES = {
    **dict.fromkeys(("architecture", "activation_fn", "activation_fn_str"), ("a text",)),
    **dict.fromkeys(("d_in", "d_sae", "k"), ("a whole number",)),
    **dict.fromkeys(("metadata", "activation_fn_kwargs"), ("an object",)),
    "normalize_activations": ("a text", "true or false"),
    "norm_scaling_factor": ("a number",),
    "apply_b_dec_to_input": ("true or false",),
    "rescale_acts_by_decoder_norm": ("true or false",),
}


def recognises(folder: Path) -> bool:
    """Return whether a folder is one of this format."""
    return (folder / CONFIG).is_file() and (folder / WEIGHTS).is_file()


def read(folder: Path, options: dict[str, Any]) -> dict[str, Any]:
    """Read a folder into the arguments of `compute.dictionaries.sae.SparseAutoencoder`.

    Parameters
    ----------
    folder : Path
    options : dict
        What the caller said (None where nothing): ``architecture``, ``k``, ``point``,
        ``name``, ``norm_scaling_factor``. It wins over the file.

    Raises
    ------
    ValueError
        For a configuration or tensors that make no SAE, naming file and field.
    """
    given = read_object(folder / CONFIG)
    hold_types(given, _TYPES, f"{folder.name}/{CONFIG}")
    cfg = _modern(given)
    said = {key: value for key, value in options.items() if value is not None}
    ignore = said.get("ignore", ())
    source = f"{folder.name}/{WEIGHTS}"
    architecture = said.get("architecture", cfg["architecture"])
    if architecture not in ARCHITECTURES:
        raise ValueError(f"{folder.name}/{CONFIG}: {not_read(architecture)}")
    k = said.get("k", cfg.get("k"))
    tensors = _load(folder / WEIGHTS)
    normalize, input_scale = _normalization(cfg, tensors, said, source)
    scaled = input_scale is not None
    check_keys(given, architecture, scaled=scaled, source=f"{folder.name}/{CONFIG}", ignore=ignore)
    scale, scales = _decoder_scale(cfg, tensors, ignore, source)
    also = (*scales, "norm_scaling_factor") if scaled else scales
    weights = canonical(tensors, architecture, k, source, also=also, ignore=ignore)
    _check_sizes(cfg, weights, folder)
    n_features = weights["W_dec"].shape[0]
    if scale is not None and scale.numel() != n_features:
        raise ValueError(
            f"{source}: {scales[0]} has {scale.numel()} values, the SAE has {n_features} features"
        )
    weights = folded(
        weights,
        by_decoder_norm=bool(cfg.get("rescale_acts_by_decoder_norm")) and "topk" in architecture,
        input_scale=input_scale,
        decoder_scale=scale,
    )
    for name, tensor in weights.items():
        if not tensor.isfinite().all():
            raise ValueError(
                f"{source}: {name} overflows once it is scaled (norm_scaling_factor={input_scale})"
            )
    return {
        "weights": weights,
        "architecture": architecture,
        "point": said["point"] if "point" in said else _point(cfg["metadata"], folder),
        "name": said.get("name", folder.name),
        "k": None if k is None or "topk" not in architecture else int(k),
        "normalize": normalize,
        "subtract_b_dec": bool(cfg.get("apply_b_dec_to_input", True)),
        "metadata": cfg["metadata"],
        **_about_features(folder, n_features, ignore),
    }


def _decoder_scale(
    cfg: dict[str, Any], tensors: dict[str, torch.Tensor], ignore: Collection[str], source: str
) -> tuple[torch.Tensor | None, list[str]]:
    """Return what activations are times before they are decoded, and the tensors that are read.

    As in sae-lens a tensor of ones says nothing, and any other needs the configuration's word.
    """
    there = {n: tensors[n].float().reshape(-1) for n in _SCALES if n in tensors and n not in ignore}
    ones = [name for name, scale in there.items() if is_one(scale)]
    told = [name for name in there if name not in ones] if _says_scaled(cfg) else []
    if len(told) > 1:
        raise ValueError(
            f"{source} holds {' and '.join(told)}, and which of them scales the activations is "
            f"not told; write SAE.load(..., ignore=[{told[1]!r}]) or the other"
        )
    return (there[told[0]] if told else None), [*told, *ones]


def _says_scaled(cfg: dict[str, Any]) -> bool:
    return bool(cfg.get("finetuning_scaling_factor") or cfg.get("uses_scaling_factor"))


def _modern(cfg: dict[str, Any]) -> dict[str, Any]:
    """Return a configuration in the layout of 6.0, with the defaults filled in."""
    flat = {_RENAMED.get(key, key): value for key, value in cfg.items()}
    if flat.get("activation_fn_str") and not flat.get("activation_fn"):
        flat["activation_fn"] = flat["activation_fn_str"]
    kwargs: dict[str, Any] = flat.get("activation_fn_kwargs") or {}
    hold_types(kwargs, {"k": _TYPES["k"]}, f"{CONFIG}: activation_fn_kwargs")
    if "architecture" not in flat or (
        flat["architecture"] == "standard" and flat.get("activation_fn") == "topk"
    ):
        flat["architecture"] = "topk" if flat.get("activation_fn") == "topk" else "standard"
    if "k" not in flat and "k" in kwargs:
        flat["k"] = kwargs["k"]
    if isinstance(flat.get("normalize_activations"), bool):
        flat["normalize_activations"] = _SCALED_ONCE if flat["normalize_activations"] else "none"
    metadata = flat.get("metadata")
    if not isinstance(metadata, dict):
        keep = ("model_name", "hook_name", "hook_head_index", "hf_hook_name", "prepend_bos")
        more = ("context_size", "dataset_path", "neuronpedia_id", "model_from_pretrained_kwargs")
        metadata = {key: flat[key] for key in (*keep, *more) if key in flat}
    flat["metadata"] = {"prepend_bos": True, **metadata}
    return flat


def _check_sizes(cfg: dict[str, Any], weights: dict[str, torch.Tensor], folder: Path) -> None:
    """Refuse a configuration that belongs to other weights."""
    n_features, d_model = weights["W_dec"].shape
    for key, has in (("d_in", d_model), ("d_sae", n_features)):
        if cfg.get(key) not in (None, has):
            raise ValueError(
                f"{folder.name}/{CONFIG} says {key}={cfg[key]}, {WEIGHTS} has {has}; "
                "they belong to different SAEs"
            )


def _normalization(
    cfg: dict[str, Any], tensors: dict[str, torch.Tensor], said: dict[str, Any], source: str
) -> tuple[str, float | None]:
    """Return what is done to every input, and the scale that is folded in once."""
    how = cfg.get("normalize_activations") or "none"
    if how in NORMALIZATIONS:
        if "norm_scaling_factor" in said:
            raise ValueError(
                f"norm_scaling_factor={said['norm_scaling_factor']} came, but {source} was trained "
                f"on inputs that no constant scales (normalize_activations {how!r}); leave it out"
            )
        return how, None
    if how != _SCALED_ONCE:
        exist = (*NORMALIZATIONS, _SCALED_ONCE)
        raise ValueError(f"{source}: {unknown('normalize_activations', how, exist)}")
    hold_types(cfg["metadata"], {"norm_scaling_factor": ("a number",)}, f"{source}: metadata")
    places = (
        said.get("norm_scaling_factor"),
        cfg.get("norm_scaling_factor"),
        cfg["metadata"].get("norm_scaling_factor"),
        _one_number(tensors.get("norm_scaling_factor"), source),
    )
    scale = next((float(place) for place in places if place is not None), None)
    if scale is None or not np.isfinite(scale) or scale <= 0:
        raise ValueError(
            f"{source} was trained on inputs times a constant ({_SCALED_ONCE}) which its files "
            "do not hold; write SAE.load(..., norm_scaling_factor=sqrt(d) / mean input norm)"
        )
    return "none", scale


def _one_number(tensor: torch.Tensor | None, source: str) -> float | None:
    if tensor is None:
        return None
    if tensor.numel() != 1:
        raise ValueError(f"{source}: norm_scaling_factor has {tensor.numel()} values, expected 1")
    return float(tensor)


def _point(metadata: dict[str, Any], folder: Path) -> Point:
    """Return the place an SAE was trained at, from whichever name of it is understood."""
    names = [metadata.get("hf_hook_name"), metadata.get("hook_name")]
    names = [name for name in names if isinstance(name, str)]
    for name in names:
        try:
            return Point.parse(name)
        except ValueError:
            continue
    says = " and ".join(map(repr, names)) or "nothing"
    raise ValueError(
        f"{folder.name}/{CONFIG} gives {says} as its place in the model, which volvelle does not "
        "know; say it yourself: SAE.load(..., point='resid_post.14')"
    )


def _about_features(folder: Path, n_features: int, ignore: Collection[str]) -> dict[str, Any]:
    """Read what stands beside the weights: labels.json (ours) or sparsity.safetensors."""
    if (folder / LABELS).is_file():
        return _labels(folder, n_features)
    if (folder / SPARSITY).is_file():
        tensors = _load(folder / SPARSITY)
        source = f"{folder.name}/{SPARSITY}"
        refuse_left_over(
            tensors, {"sparsity"}, kind="tensor", source=source, reasons={}, ignore=ignore
        )
        logs = tensors.get("sparsity")
        if logs is not None and "sparsity" not in ignore:
            if logs.numel() != n_features:
                raise ValueError(
                    f"{source} has {logs.numel()} features, the SAE has {n_features}; it belongs "
                    "to another SAE: take the file away, or write SAE.load(..., "
                    "ignore=['sparsity'])"
                )
            return {"densities": (10 ** logs.reshape(-1).float()).numpy()}
    return {}


def _labels(folder: Path, n_features: int) -> dict[str, Any]:
    source = f"{folder.name}/{LABELS}"
    rows = held(read_object(folder / LABELS).get("features", []), f"{source}: features", "a list")
    if len(rows) != n_features:
        raise ValueError(f"{source} has {len(rows)} features, the SAE has {n_features}")
    for i, row in enumerate(rows):
        held(row, f"{source}: feature {i}", "an object")

    def numbers(key: str) -> np.ndarray:
        named = ((row.get(key), f"{source}: {key} of feature {i}") for i, row in enumerate(rows))
        with np.errstate(over="ignore"):  # what float32 cannot hold is infinite, and unknown
            found = np.array([number_or_nan(*one) for one in named], np.float32)
        found[np.isinf(found)] = np.nan
        return found

    return {
        "label_tokens": tuple(
            texts(row.get("tokens") or [], f"{source}: tokens of feature {i}")
            for i, row in enumerate(rows)
        ),
        "densities": numbers("density"),
        "a_max": numbers("max"),
    }


def _load(path: Path) -> dict[str, torch.Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except SafetensorError as error:
        raise ValueError(
            f"{path.parent.name}/{path.name} is no whole safetensors file ({error}); fetch it again"
        ) from error
