"""`vv.dual_layout`: two dictionaries on one map."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from volvelle.archive.kept import keep, recall
from volvelle.arguments.call import checked
from volvelle.arguments.plain import whole
from volvelle.cache import cache_dir
from volvelle.compute.dictionaries.encode import OPTIONS
from volvelle.experiments.maps.choices import MATCHES, MODES, Choices, chosen_match, chosen_mode
from volvelle.experiments.maps.result import MOST_EPOCHS, DualLayout
from volvelle.experiments.maps.sides import side
from volvelle.experiments.maps.work import MapWork
from volvelle.models.fingerprint import fingerprint
from volvelle.names import unknown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from volvelle.experiments.maps.picture import Picture
    from volvelle.models.model import Model

__all__ = ["DualLayout", "dual_layout"]

# Raised when what a layout holds or how it is made changes: older files are then made again.
VERSION = 6
# Of each feature, and of a layout: umap-learn takes 15 and 200.
MOST_NEIGHBORS = 500


@checked
def dual_layout(  # noqa: PLR0917  (the two dictionaries, then what to read them with)
    a: Any,
    b: Any = None,
    model: Model | None = None,
    texts: Sequence[str] | str | None = None,
    model_b: Model | None = None,
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
    seed = whole(seed, "seed", 0, 2**32 - 1)
    n_neighbors = whole(n_neighbors, "n_neighbors", 2, MOST_NEIGHBORS)
    n_epochs = whole(n_epochs, "n_epochs", 1, MOST_EPOCHS)
    one = side(a, "a")
    two = None if b is None else side(b, "b")
    texts = [texts] if isinstance(texts, str) else list(texts or [])
    choices = Choices(one, two, model, model_b or model, texts, seed, n_neighbors, n_epochs, search)
    choices = replace(choices, mode=chosen_mode(choices, mode, model_b is not None))
    choices = replace(choices, match=chosen_match(choices, match))
    path = _cache_file(choices) if cache else None
    kept = None if path is None else recall(DualLayout, path)
    if kept is not None:
        return kept
    work = MapWork(choices, progress or (lambda *_: None), on_picture or (lambda _: None))
    found = replace(work.result(), seconds=time.perf_counter() - started)
    if path is not None and found.n_epochs == n_epochs:  # a stopped layout is not kept
        keep(found, path)
    return found


def _encoding(noun: Any) -> Iterator[Any]:
    """Give all that decides what an SAE makes of a text, as bytes."""
    for name, weight in sorted(getattr(noun, "weights", {}).items()):
        yield name.encode()
        yield np.ascontiguousarray(weight.detach().cpu().numpy()).data
    yield json.dumps([str(getattr(noun, name, "")) for name in OPTIONS]).encode()


def _cache_file(choices: Choices) -> Path:
    """Return where the result of these choices lies: a hash of all that it depends on."""
    digest = hashlib.blake2b(digest_size=16)
    for one in (choices.a, choices.b):
        if one is None:
            continue
        for array in (one.vectors, one.alive, one.densities):
            digest.update(np.ascontiguousarray(array).data if array is not None else b"-")
        if choices.match == "encoder" and one.encoder is not None:
            digest.update(np.ascontiguousarray(one.encoder).data)
        digest.update(json.dumps([one.name, one.point, one.labels, one.tokens]).encode())
        if choices.match == "activation":
            for part in _encoding(one.noun):
                digest.update(part)
    models = [choices.model, None if choices.model_b is choices.model else choices.model_b]
    names = [fingerprint(model) for model in models if model is not None]
    texts = choices.texts if choices.match == "activation" else []
    rest = [
        VERSION,
        names,
        texts,
        choices.seed,
        choices.n_neighbors,
        choices.n_epochs,
        choices.search,
    ]
    digest.update(json.dumps([*rest, choices.mode, choices.match]).encode())
    return cache_dir() / "layouts" / f"{digest.hexdigest()}.safetensors"
