"""Texts seen through dictionaries on a server: they are sent, or the states are brought back."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import scipy.sparse as sp
import torch

from volvelle.compute.directions.points import Point
from volvelle.compute.windows import Window, windows
from volvelle.experiments.readouts.codes import CODE, FLOAT, alive_at_a_token, encoding
from volvelle.models.remote.backend import MOST_SENT
from volvelle.models.remote.request import Request
from volvelle.models.traces.observe import observed
from volvelle.models.verbs import read as reading
from volvelle.models.verbs.capture import batches, right_padded

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from volvelle.compute.dictionaries.sae import SparseAutoencoder
    from volvelle.models.engine.tokens import Tokens
    from volvelle.models.model import Model

    # rows (n, d) that states are projected on, in the precision it is done in; or an SAE
    Reader = np.ndarray | SparseAutoencoder


class Seen(NamedTuple):
    """What readers see of one text at one point.

    Attributes
    ----------
    norms : array, float32, shape (n_tokens,)
        Of the states.
    readings : list
        Per reader projections, float32 (n_tokens, n), or codes, csr (n_tokens, n_features).
    """

    norms: np.ndarray
    readings: list[Any]


def bytes_of_both(n_tokens: int, width: int, readers: Sequence[Reader]) -> tuple[int, int]:
    """Return the bytes of bringing states of a point back, and of sending what reads them."""
    of_a_token = FLOAT  # the norm, by which outliers are known
    for one in readers:
        is_rows = isinstance(one, np.ndarray)
        of_a_token += len(one) * FLOAT if is_rows else alive_at_a_token(one) * CODE + FLOAT
    return n_tokens * width * FLOAT, sent_bytes(readers) + n_tokens * of_a_token


def sent_bytes(readers: Sequence[Reader]) -> int:
    """Return the bytes of what reads states."""
    return sum(
        one.nbytes
        if isinstance(one, np.ndarray)
        else FLOAT * sum(tensor.numel() for tensor in _encoder(one).values())
        for one in readers
    )


def points_there(
    model: Model, tokens: Sequence[Tokens], readers: Mapping[str, Sequence[Reader]]
) -> list[str]:
    """Return the points whose texts are better seen there, and say so in the job.

    Parameters
    ----------
    model : Model
    tokens : sequence of Tokens
        Of each text.
    readers : mapping of point to sequence of Reader
    """
    if not getattr(model, "remote", False):
        return []
    n = sum(map(len, tokens))
    chosen, left = [], MOST_SENT
    for point, each in readers.items():
        width = each[0].shape[1] if isinstance(each[0], np.ndarray) else each[0].d_model
        back, there = bytes_of_both(n, width, each)
        if not n:
            continue
        if there < back and there < left:
            chosen.append(point)
            left -= there
            said = (
                f"what reads {point} is sent, {_mb(there)} in all: its states would be {_mb(back)}"
            )
        else:
            said = (
                f"states of {point} are brought back, {_mb(back)}: what reads them would be "
                f"{_mb(there)}"
            )
        if model.worker.job is not None:
            model.worker.job.note(said)
    return chosen


def _mb(size: int) -> str:
    return f"{size / 1e6:.2g} MB"


def observed_there(
    model: Model, tokens: Sequence[Tokens], readers: Mapping[str, Sequence[Reader]]
) -> list[dict[str, Seen]]:
    """See texts through readers on the model's server, in one request.

    Parameters
    ----------
    model : Model
        The caller is on its worker.
    tokens : sequence of Tokens
        A text over the context runs in overlapping windows, as `Model.capture_windows` cuts it.
    readers : mapping of point to sequence of Reader

    Returns
    -------
    list over texts of dict of point to Seen
    """
    size = model.context
    cuts = [
        (n, window)
        for n, each in enumerate(tokens)
        for window in windows(len(each), size, max(1, size // 8))
        if window.stop
    ]
    lengths = [window.stop - window.start for _, window in cuts]
    plan = batches(lengths, model.d_model, reading.MOST_TOKENS, reading.MOST_NUMBERS)
    points = sorted(readers, key=lambda point: model.site(Point.parse(point)))
    inputs = [_inputs(model, tokens, [cuts[i] for i in members]) for members in plan]
    args = (inputs, [_site(model, point, readers[point]) for point in points])
    answers = model.run(Request(observed, args, sum(ids.numel() for ids, *_ in inputs)))
    parts: dict[tuple[int, Window], dict[str, Seen]] = {}
    for members, answer in zip(plan, answers, strict=True):
        own = [cuts[i] for i in members]
        for cut in own:
            parts[cut] = {}
        for point, (norms, seen) in zip(points, answer, strict=True):
            split = [
                _rows(reader, given, own)
                for reader, given in zip(readers[point], seen, strict=True)
            ]
            for row, cut in enumerate(own):
                window = cut[1]
                norm = norms.numpy()[row, window.used - window.start : window.stop - window.start]
                parts[cut][point] = Seen(norm, [rows[row] for rows in split])
    return [_joined(n, cuts, parts, readers) for n in range(len(tokens))]


def _inputs(model: Model, tokens: Sequence[Tokens], cuts: Sequence[tuple[int, Window]]) -> Any:
    ids = [tokens[n].ids[window.start : window.stop] for n, window in cuts]
    return (
        right_padded(ids, model.pad_id)["input_ids"],
        torch.tensor([len(row) for row in ids]),
        torch.tensor([window.used - window.start for _, window in cuts]),
    )


def _site(model: Model, point: str, readers: Sequence[Reader]) -> tuple[str, str, list[Any]]:
    site = model.site(Point.parse(point))
    sent = [
        {"units": torch.from_numpy(np.ascontiguousarray(one))}
        if isinstance(one, np.ndarray)
        else encoding(one, _encoder(one))
        for one in readers
    ]
    return site.path, site.io, sent


def _encoder(sae: SparseAutoencoder) -> dict[str, torch.Tensor]:
    """Return the weights that encoding takes; decoding takes one more."""
    return {name: tensor for name, tensor in sae.weights.items() if name != "W_dec"}


def _rows(reader: Reader, given: Any, cuts: Sequence[tuple[int, Window]]) -> list[Any]:
    """Split what a reader saw of a batch into its cuts."""
    edges = np.cumsum([0, *(window.stop - window.used for _, window in cuts)])
    if isinstance(reader, np.ndarray):
        return [given.numpy()[start:stop] for start, stop in pairwise(edges)]
    values, columns, counts = (part.numpy() for part in given)
    starts = np.concatenate([[0], np.cumsum(counts)])
    shape = (int(edges[-1]), reader.n_features)
    codes = sp.csr_array((values, columns, starts), shape=shape)
    return [codes[start:stop] for start, stop in pairwise(edges)]


def _joined(
    n: int,
    cuts: Sequence[tuple[int, Window]],
    parts: Mapping[tuple[int, Window], Mapping[str, Seen]],
    readers: Mapping[str, Sequence[Reader]],
) -> dict[str, Seen]:
    """Put the windows of one text together."""
    own = [parts[cut] for cut in cuts if cut[0] == n]
    found = {}
    for point, each in readers.items():
        norms = np.concatenate([np.zeros(0, np.float32), *(part[point].norms for part in own)])
        readings: list[Any] = []
        for i, one in enumerate(each):
            seen = [part[point].readings[i] for part in own]
            if isinstance(one, np.ndarray):
                readings.append(np.concatenate([np.zeros((0, len(one)), np.float32), *seen]))
            else:
                empty = sp.csr_array((0, one.n_features), dtype=np.float32)
                readings.append(sp.csr_array(sp.vstack([empty, *seen])))
        found[point] = Seen(norms, readings)
    return found
