"""`vv.dual_layout`: two dictionaries on one map."""

from __future__ import annotations

import hashlib
import json
import logging
import threading
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from volvelle.cache import cache_dir
from volvelle.experiments.circles.vectors import fingerprint
from volvelle.experiments.maps.result import DualLayout
from volvelle.experiments.maps.sides import Side, side
from volvelle.names import known_keywords, unknown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

__all__ = ["DualLayout", "dual_layout"]

log = logging.getLogger("volvelle")

MATCHES = ("auto", "decoder", "encoder", "activation")
MODES = ("auto", "joint", "separate")
# Raised when what a layout holds or how it is made changes: older files are then made again.
VERSION = 4


@dataclass(frozen=True)
class Picture:
    """A map on its way, as a view paints it.

    Attributes
    ----------
    xy_a, xy_b : float32 array, shape (n, 2)
        NaN where a feature is left out.
    label : str
        ``"principal axes"``, ``"epoch 20 of 100"``.
    epoch, n_epochs : int
        0 for the principal axes.
    side_a, side_b : Side, Side or None
        Names and labels.
    """

    xy_a: np.ndarray
    xy_b: np.ndarray
    label: str
    epoch: int
    n_epochs: int
    side_a: Side
    side_b: Side | None


@known_keywords
def dual_layout(  # noqa: PLR0917  (the two dictionaries, then what to read them with)
    a: Any,
    b: Any = None,
    model: Any = None,
    texts: Sequence[str] | str | None = None,
    model_b: Any = None,
    match: str = "auto",
    mode: str = "auto",
    seed: int = 0,
    *,
    n_neighbors: int = 15,
    n_epochs: int = 100,
    search: str = "auto",
    cache: bool = True,
    progress: Callable[[float, str], None] | None = None,
    on_picture: Callable[[Picture], bool | None] | None = None,
) -> DualLayout:
    """Lay two dictionaries out on one map and find which features of them match.

    Parameters
    ----------
    a, b : SAE, Dictionary, or array, shape (n, d_model)
        Without `b` one dictionary is laid out alone.
    model, model_b : Model, optional
        What `texts` run through, for `match="activation"`; `model_b` where b belongs to another
        model. With a model, the tokens that features promote are worked out too.
    texts : str or sequence of str, optional
        What activations are compared on.
    match : {"auto", "decoder", "encoder", "activation"}
        ``decoder``: cosine of decoder rows; ``encoder``: of encoder columns; ``activation``:
        correlation of activations over the tokens of `texts`. ``auto``: activation where model
        and texts are given, else decoder.
    mode : {"auto", "joint", "separate"}
        ``joint``: both in one embedding, which needs one basis (the residual stream of one
        model, or one point). ``separate``: each by itself, b brought onto a by Procrustes over
        matched features. ``auto``: joint where the basis is shared.
    seed : int
        Of the layout and every null.
    n_neighbors : int
        As umap counts them, the feature itself among them.
    n_epochs : int
        Of the layout.
    search : {"auto", "exact", "approximate"}
        How neighbours are found; ``auto`` is exact up to some ten thousand features.
    cache : bool
        Whether to read and keep the result under `vv.cache_dir()`.
    progress : callable(fraction, text), optional
        What it raises ends the work.
    on_picture : callable, optional
        Gets each `Picture`: the principal axes first, then every few epochs. Returning True
        keeps the layout as it is and goes on to the numbers.

    Returns
    -------
    DualLayout

    Raises
    ------
    ValueError
        For an unknown `match` or `mode`; for a joint map without a shared basis; where what
        matching needs is missing, naming the argument.

    Notes
    -----
    Source: joint embedding, Braun et al. 2024 (arXiv 2405.12241), there with euclidean
    distance; matching two seeds by activation, Paulo & Belrose 2025 (arXiv 2501.16615).
    """
    started = time.perf_counter()
    if match not in MATCHES:
        raise ValueError(unknown("match", match, MATCHES))
    if mode not in MODES:
        raise ValueError(unknown("mode", mode, MODES))
    one = side(a, "a")
    two = None if b is None else side(b, "b")
    texts = [texts] if isinstance(texts, str) else list(texts or [])
    plan = _Plan(one, two, model, model_b or model, texts, seed, n_neighbors, n_epochs, search)
    plan = replace(plan, mode=_mode(plan, mode, model_b is not None))
    plan = replace(plan, match=_match(plan, match))
    kept = _kept(plan) if cache else None
    if kept is not None and kept.is_file():
        from safetensors import SafetensorError

        try:
            return DualLayout.load(kept)
        except (ValueError, KeyError, OSError, SafetensorError) as error:
            log.warning("%s cannot be read and is made again: %s", kept.name, error)
    from volvelle.experiments.maps.work import Work

    work = Work(plan, progress or (lambda *_: None), on_picture or (lambda _: None))
    found = replace(work.result(), seconds=time.perf_counter() - started)
    if kept is not None and found.n_epochs == n_epochs:  # a stopped layout is not kept
        # written beside and moved: another process never reads half a file
        part = kept.with_suffix(f".{threading.get_ident()}.part")
        found.save(part)
        part.replace(kept)
    return found


@dataclass(frozen=True, eq=False)
class _Plan:
    """What was asked for, with nothing left to decide."""

    a: Side
    b: Side | None
    model: Any
    model_b: Any
    texts: list[str]
    seed: int
    n_neighbors: int
    n_epochs: int
    search: str
    mode: str = ""
    match: str = ""


def _mode(plan: _Plan, asked: str, other_model: bool) -> str:
    a, b = plan.a, plan.b
    if b is None:
        return "alone"
    why = ""
    names = {name for name in (a.model_name, b.model_name) if name}
    if a.d_model != b.d_model:
        why = f"a has {a.d_model} dimensions, b has {b.d_model}"
    elif other_model and plan.model_b is not plan.model:
        why = "model_b says that b belongs to another model"
    elif len(names) > 1:
        why = f"a was made for {a.model_name}, b for {b.model_name}"
    elif a.point != b.point and not (a.is_residual and b.is_residual):
        why = f"{a.point} and {b.point} are not both the residual stream"
    if asked == "joint" and why:
        raise ValueError(f"mode='joint' needs one basis, and {why}; use mode='separate'")
    return asked if asked != "auto" else ("separate" if why else "joint")


def _match(plan: _Plan, asked: str) -> str:
    """Decide how features are matched, or say which argument is missing."""
    a, b = plan.a, plan.b
    if b is None:
        return ""
    missing = [name for name, given in (("model", plan.model), ("texts", plan.texts)) if not given]
    if asked == "activation" or (asked == "auto" and not missing):
        return _by_activation(plan, missing)
    if a.d_model != b.d_model or (asked == "auto" and plan.mode == "separate"):
        apart = _apart(a, b)
        if asked == "auto":
            raise ValueError(
                f"{apart}: their features can only be matched by what they do on text, and "
                f"{' and '.join(missing)} missing (model_b too where b belongs to another model)"
            )
        if a.d_model != b.d_model:
            raise ValueError(
                f"match={asked!r} compares vectors, and {apart}; use match='activation' with "
                "model and texts"
            )
    for one in (a, b):
        if asked == "encoder" and one.encoder is None:
            raise ValueError(f"match='encoder' needs encoders, and {one.name} has none")
    return "decoder" if asked == "auto" else asked


def _by_activation(plan: _Plan, missing: list[str]) -> str:
    if missing:
        raise ValueError(f"match='activation' reads texts with a model; {missing[0]} is missing")
    for one, model, argument in ((plan.a, plan.model, "model"), (plan.b, plan.model_b, "model_b")):
        if one is None:
            continue
        if not one.point:
            raise ValueError(
                f"match='activation' needs a point to read, and {one.name} is plain vectors; "
                "give an SAE or a Dictionary"
            )
        width = getattr(model, "d_model", one.d_model)
        if one.is_residual and one.d_model != width:
            raise ValueError(
                f"{one.name} reads {one.d_model}-dimensional vectors, the residual stream of "
                f"{model.name} has {width}; give the model that {one.name} belongs to as {argument}"
            )
    return "activation"


def _apart(a: Side, b: Side) -> str:
    """Return why two dictionaries have no basis in common, in words."""
    if a.d_model != b.d_model:
        return f"a has {a.d_model} dimensions, b has {b.d_model}"
    if a.model_name and b.model_name and a.model_name != b.model_name:
        return f"a was made for {a.model_name}, b for {b.model_name}"
    return f"a ({a.point or 'no point'}) and b ({b.point or 'no point'}) share no basis"


def _encoding(noun: Any) -> Iterator[Any]:
    """Give all that decides what an SAE makes of a text, as bytes."""
    for name, weight in sorted(getattr(noun, "weights", {}).items()):
        yield name.encode()
        yield np.ascontiguousarray(weight.detach().cpu().numpy()).data
    settings = ("architecture", "k", "normalize", "subtract_b_dec")
    yield json.dumps([str(getattr(noun, name, "")) for name in settings]).encode()


def _kept(plan: _Plan) -> Path:
    """Return where the result of a plan lies: a hash of all that it depends on."""
    digest = hashlib.blake2b(digest_size=16)
    for one in (plan.a, plan.b):
        if one is None:
            continue
        for array in (one.vectors, one.alive, one.densities):
            digest.update(np.ascontiguousarray(array).data if array is not None else b"-")
        if plan.match == "encoder" and one.encoder is not None:
            digest.update(np.ascontiguousarray(one.encoder).data)
        digest.update(json.dumps([one.name, one.point, one.labels, one.tokens]).encode())
        if plan.match == "activation":
            for part in _encoding(one.noun):
                digest.update(part)
    models = [plan.model, None if plan.model_b is plan.model else plan.model_b]
    names = [fingerprint(model) for model in models if model is not None]
    texts = plan.texts if plan.match == "activation" else []
    rest = [VERSION, names, texts, plan.seed, plan.n_neighbors, plan.n_epochs, plan.search]
    digest.update(json.dumps([*rest, plan.mode, plan.match]).encode())
    folder = cache_dir() / "layouts"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{digest.hexdigest()}.safetensors"
