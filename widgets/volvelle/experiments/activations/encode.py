"""`vv.encode`: texts through a model and an SAE."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp

from volvelle.arguments.call import checked
from volvelle.arguments.texts import cleaned
from volvelle.compute.directions.points import LAYERED, Point
from volvelle.experiments.activations.activations import Activations
from volvelle.experiments.readouts.codes import Codes
from volvelle.models.verbs.observe import cuts_of
from volvelle.progress import looking

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from volvelle.compute.dictionaries.sae import SparseAutoencoder
    from volvelle.experiments.readouts.codes import Encoded
    from volvelle.models.model import Model

__all__ = ["Activations", "encode"]

# Points as wide as the residual stream; z may differ.
_AS_WIDE_AS_MODEL = ("embed", *(kind for kind in LAYERED if kind != "z"))


@checked
def encode(
    model: Model,
    text: str | Sequence[str],
    sae: SparseAutoencoder,
    *,
    window: int | None = None,
    overlap: int | None = None,
    reuse: bool = False,
    progress: Callable[[float, str], None] | None = None,
) -> Activations:
    """Run texts through a model and encode what it holds at the SAE's point.

    Parameters
    ----------
    model : Model
        From `vv.load` or `vv.wrap`.
    text : str or sequence of str
        A text longer than `window` tokens runs in overlapping windows.
    sae : SAE
        Read at ``sae.point``.
    window : int, optional
        Most tokens the model sees at once; ``model.context`` by default, which is its most.
    overlap : int, optional
        Tokens a later window sees again as context; an eighth of the window by default.
    reuse : bool
        Compute only what changed since an earlier text encoded with ``reuse=True``, for texts
        that are being edited. Exact to float rounding.
    progress : callable(fraction, text), optional
        Called between pieces of the work, and between blocks where one takes long; on the
        model's worker thread.

    Returns
    -------
    Activations
        Sparse. Position 0 of each text is left out (its rows are empty).

    Raises
    ------
    TypeError
        For a text that is no str, and for what is no SAE.
    ValueError
        Where the SAE reads vectors of another width than the model has.

    Warns
    -----
    UserWarning
        Where the SAE does not seem to belong to the model (`Activations.note`).
    """
    texts = _texts(text)
    check_sae(sae)
    check_width(sae, getattr(model, "d_model", None), sae.point, model.name)
    tokens = tuple(model.tokens(one) for one in looking(texts, 16))
    cuts = cuts_of(tokens, model.context, window, overlap)
    point, readout = str(sae.point), Codes(sae, fits=True)
    found: Encoded = model.observe(
        tokens,
        {point: [readout]},
        window=window,
        overlap=overlap,
        first=False,
        reuse=reuse,
        progress=progress,
    )[point][0]
    starts = np.cumsum([0, *map(len, tokens)])
    left_out = np.zeros(starts[-1], dtype=bool)
    left_out[starts[:-1][np.diff(starts) > 0]] = True
    outliers = np.zeros(len(left_out), dtype=bool)
    outliers[~left_out] = found.outliers
    kth = None
    if found.kth is not None:
        kth = np.full(len(left_out), np.inf, dtype=np.float32)
        kth[~left_out] = found.kth
    activations = Activations(
        codes=_with_empty(found.codes, left_out),
        tokens=tokens,
        windows=tuple(
            np.array([cut.window.used for cut in cuts if cut.text == n], dtype=np.int64)
            for n in range(len(tokens))
        ),
        left_out=left_out,
        outliers=outliers,
        kth=kth,
        fve=found.fve,
        model=model.name,
        sae_name=sae.name,
        point=point,
        labels=None if sae.labels is None else tuple(sae.labels),
        k=sae.k if sae.is_top_k else None,
        signed=sae.signed,
        sae=sae,
    )
    if activations.note:
        warnings.warn(activations.note, stacklevel=3)
    return activations


def check_sae(sae: object) -> None:
    """Raise TypeError for what is no SAE."""
    if not hasattr(sae, "encode_sparse"):
        raise TypeError(
            f"sae is {type(sae).__name__}, expected an SAE: vv.demo_sae('a') for the demo model, "
            "or vv.SAE.load(folder, repository or tensors, point=...)"
        )


def check_width(sae: SparseAutoencoder, width: int | None, point: Point, model_name: str) -> None:
    """Raise ValueError where an SAE reads other vectors than a model has at a point."""
    if width is None or (point.kind not in _AS_WIDE_AS_MODEL and width != sae.d_model):
        return
    if sae.d_model != width:
        raise ValueError(
            f"this SAE reads {sae.d_model}-dimensional vectors, {point} of {model_name} has {width}"
        )


def _with_empty(codes: sp.csr_array, left_out: np.ndarray) -> sp.csr_array:
    """Return the rows in order, with empty ones where tokens are left out."""
    counts = np.zeros(len(left_out), dtype=np.int64)
    counts[~left_out] = np.diff(codes.indptr)
    starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    return sp.csr_array((codes.data, codes.indices, starts), shape=(len(left_out), codes.shape[1]))


def _texts(text: str | Sequence[str]) -> list[str]:
    texts = [text] if isinstance(text, str) or not np.iterable(text) else list(text)
    for each in texts:
        if not isinstance(each, str):
            raise TypeError(f"text holds a {type(each).__name__}, expected str: {each!r:.60}")
    return cleaned(texts)
