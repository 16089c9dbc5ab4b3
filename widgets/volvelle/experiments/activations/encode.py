"""`vv.encode`: texts through a model and an SAE."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from volvelle.compute.directions.points import LAYERED, Point
from volvelle.compute.windows import Window, windows
from volvelle.experiments.activations.activations import Activations
from volvelle.experiments.activations.blocks import BlockProgress, Fit, assembled, encoded
from volvelle.names import known_keywords

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from volvelle.compute.dictionaries.sae import SparseAutoencoder
    from volvelle.models.engine.tokens import Tokens
    from volvelle.models.model import Model

__all__ = ["Activations", "encode"]

# States held at once, padding included: 4096 tokens of width 576 are 9 MB.
TOKENS_AT_ONCE = 4096

# Points as wide as the residual stream; z may differ.
_AS_WIDE_AS_MODEL = ("embed", *(kind for kind in LAYERED if kind != "z"))


class Piece(NamedTuple):
    """A window of one of the texts."""

    text: int
    window: Window


@known_keywords
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
    size = _window(window, model.context)
    again = _overlap(overlap, size)

    def report(fraction: float, said: str) -> None:
        model.report(progress, fraction, said)

    activations = model.call(
        lambda: _encode(model, texts, sae, report, plan=(size, again), reuse=reuse)
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


def _encode(
    model: Model,
    texts: list[str],
    sae: SparseAutoencoder,
    report: Callable[[float, str], None],
    *,
    plan: tuple[int, int],
    reuse: bool,
) -> Activations:
    """Encode texts, batch by batch; the caller is on the model's worker.

    Parameters
    ----------
    model : Model
    texts : list of str
    sae : SAE
    report : callable(fraction, text)
        Called before each batch, within it, and at the end; may raise to end the work.
    plan : (int, int)
        Tokens of a window and of its overlap, as `windows` takes them.
    reuse : bool
        As in `encode`.
    """
    tokens = tuple(model.tokens(text) for text in texts)
    pieces = [
        Piece(number, window)
        for number, own in enumerate(tokens)
        for window in windows(len(own), *plan)
        if window.stop
    ]
    starts = np.cumsum([0, *map(len, tokens)])
    n_tokens = int(starts[-1])
    left_out = np.zeros(n_tokens, dtype=bool)
    left_out[starts[:-1][np.diff(starts) > 0]] = True
    outliers = np.zeros(n_tokens, dtype=bool)
    kth = np.full(n_tokens, np.inf, dtype=np.float32) if sae.is_top_k else None
    found: dict[Piece, Any] = {}
    fit = Fit(sae.d_model)
    done = 0
    batches = list(_batches(pieces))
    remote = getattr(model, "remote", False)
    there = _encode_there(model, sae, tokens, batches) if remote else None
    for number, batch in enumerate(batches):
        here = BlockProgress(report, done, sum(w.stop - w.used for _, w in batch), n_tokens)
        here.read(0.0)
        if there is not None:
            encoded_there, sums = there[number]
            for piece, one in zip(batch, encoded_there, strict=True):
                found[piece] = one.codes
                rows = _rows(piece, starts)
                outliers[rows] = one.outliers
                if kth is not None and one.cut is not None:
                    kth[rows] = one.cut
            fit.add_sums(*sums)
            done += here.n
            continue
        cut_out = [tokens[text][window.start : window.stop] for text, window in batch]
        states, extreme = _states(model, cut_out, sae, reuse=reuse, progress=here.read)
        for piece, x, far in zip(batch, states, extreme, strict=True):
            skip, rows = _skip(piece), _rows(piece, starts)
            own = x[skip:]
            codes, cut = encoded(sae, own, here)
            found[piece] = codes
            outliers[rows] = far[skip:]
            if kth is not None and cut is not None:
                kth[rows] = cut
            usable = ~far[skip:]
            fit.add(own[usable], sae.decode(codes, own)[usable])
        done += here.n
    report(1.0, f"{n_tokens:,} tokens")
    return Activations(
        codes=assembled([found[piece] for piece in pieces], left_out, sae.n_features),
        tokens=tokens,
        windows=tuple(
            np.array([window.used for text, window in pieces if text == n], dtype=np.int64)
            for n in range(len(tokens))
        ),
        left_out=left_out,
        outliers=outliers,
        kth=kth,
        fve=fit.fve,
        model=model.name,
        sae_name=sae.name,
        point=str(sae.point),
        labels=None if sae.labels is None else tuple(sae.labels),
        k=sae.k if sae.is_top_k else None,
        signed=sae.signed,
        sae=sae,
    )


def _skip(piece: Piece) -> int:
    """Return how many tokens at its beginning are not encoded."""
    # position 0 of a text is nobody's context: it is skipped, not encoded
    return piece.window.used - piece.window.start or 1


def _rows(piece: Piece, starts: np.ndarray) -> slice:
    """Return which of all tokens a piece encodes."""
    first = starts[piece.text]
    return slice(first + piece.window.start + _skip(piece), first + piece.window.stop)


def _encode_there(
    model: Model,
    sae: SparseAutoencoder,
    tokens: Sequence[Tokens],
    batches: Sequence[Sequence[Piece]],
) -> Any:
    """Have the model's server encode, where that moves fewer bytes."""
    from volvelle.experiments.readouts.codes import Cut, encode_there

    cuts = [
        [Cut(tokens[p.text][p.window.start : p.window.stop], _skip(p)) for p in batch]
        for batch in batches
    ]
    return encode_there(model, sae, cuts)


def _states(
    model: Model,
    pieces: list[Tokens],
    sae: SparseAutoencoder,
    *,
    reuse: bool,
    progress: Callable[[float, str], None],
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Return the states of each piece, (n_tokens, d_model), and which are outliers."""
    capture = model.capture(pieces, [sae.point], reuse=reuse, progress=progress)
    states = capture[sae.point]
    check_width(sae, states.shape[-1], sae.point, model.name)
    lengths = [len(piece) for piece in pieces]
    return (
        [states[i, :n] for i, n in enumerate(lengths)],
        [capture.outliers[i, :n] for i, n in enumerate(lengths)],
    )


def _batches(pieces: Sequence[Piece]) -> Iterator[list[Piece]]:
    """Group windows of like length; what is held, padding included, stays bounded."""
    batch: list[Piece] = []
    for piece in sorted(pieces, key=lambda p: (_length(p), p)):
        if batch and (len(batch) + 1) * _length(piece) > TOKENS_AT_ONCE:
            yield batch
            batch = []
        batch.append(piece)
    if batch:
        yield batch


def _length(piece: Piece) -> int:
    return piece.window.stop - piece.window.start


def _texts(text: str | Sequence[str]) -> list[str]:
    texts = [text] if isinstance(text, str) or not np.iterable(text) else list(text)
    for each in texts:
        if not isinstance(each, str):
            raise TypeError(f"text holds a {type(each).__name__}, expected str: {each!r:.60}")
    return texts


def _window(window: int | None, context: int) -> int:
    if window is None:
        return context
    if not 2 <= window <= context:
        raise ValueError(f"window {window} is outside 2...{context}, the model's context")
    return int(window)


def _overlap(overlap: int | None, window: int) -> int:
    if overlap is None:
        return max(1, window // 8)
    if not 1 <= overlap < window:
        raise ValueError(f"overlap {overlap} is outside 1...{window - 1}, for windows of {window}")
    return int(overlap)
