"""How likely given texts are: to the unsteered model, or under the steers that would write them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from volvelle.models.engine.facts import takes, together
from volvelle.models.engine.sizes import check_context
from volvelle.models.remote.request import Request
from volvelle.models.traces import score as body
from volvelle.models.verbs.capture import to_numpy
from volvelle.models.verbs.known import resumed_from
from volvelle.models.verbs.predict import one_pass
from volvelle.models.verbs.unsound import refuse_unsound
from volvelle.models.verbs.write import MOST_LOGITS, sites

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import torch

    from volvelle.models.engine.engine import Engine
    from volvelle.models.verbs.known import Beginning, Known
    from volvelle.models.verbs.unsound import Turned

    Text = tuple[Sequence[int], Sequence[int]]
    Progress = Callable[[float, str], None] | None

# A pass costs as much as so many more tokens in it (the demo model, two cores).
PASS = 20


def score(
    model: Engine,
    rows: Sequence[Text],
    progress: Progress = None,
    *,
    known: Sequence[Known | None] = (),
    beginning: Beginning | None = None,
) -> list[np.ndarray]:
    """Return the unsteered log-probability of every token of continuations.

    Parameters
    ----------
    model : Engine
    rows : sequence of (prompt ids, continuation ids)
    progress : callable(fraction, text), optional
    known : sequence of Known or None, optional
        One per row: unsteered states that writing the row left behind, at least as many as it
        has tokens but the last. The blocks they have passed do not run again, where all rows
        of a batch have them.
    beginning : Beginning, optional
        A text the unsteered model wrote behind the same prompt: of a row, only what follows the
        tokens it shares with that text runs.

    Returns
    -------
    list of array, float32, each shape (n_continuation,)
        Natural log.
    """
    check_context(model, [len(prompt) + len(written) - 1 for prompt, written in rows], "rows")
    states = list(known) or [None] * len(rows)
    if beginning is None or not all(beginning.shared(prompt) == len(prompt) for prompt, _ in rows):
        return whole(model, rows, states, progress)
    return _behind(model, rows, states, beginning, progress)


def whole(
    model: Engine,
    rows: Sequence[Text],
    known: Sequence[Known | None],
    progress: Progress,
    steered: Turned | None = None,
) -> list[np.ndarray]:
    """Score rows from their first token, left-padded.

    Parameters
    ----------
    model : Engine
    rows : sequence of (prompt ids, continuation ids)
    known : sequence of Known or None
        One per row, as `score` takes them.
    progress : callable(fraction, text), optional
    steered : callable(members), optional
        Lays out the steers of the rows that run together.

    Returns
    -------
    list of array, float32, each shape (n_continuation,)
    """
    longest = max((len(written) for _, written in rows), default=0)
    if not longest:
        return [np.zeros(0, np.float32) for _ in rows]
    model.hold("looking ahead", "how likely a text is (its tokens are seen before they are scored)")
    per = max(1, MOST_LOGITS // (model.vocabulary * longest))
    found: dict[int, np.ndarray] = {}
    for members in together(model, [len(p) + len(w) for p, w in rows], per):
        part = [rows[n] for n in members]
        kept = max(len(written) for _, written in part)
        if not kept:
            found |= dict.fromkeys(members, np.zeros(0, np.float32))
            continue
        inputs = one_pass(model, [[*prompt, *written][:-1] for prompt, written in part], kept)
        width = inputs["input_ids"].shape[1]
        resumed = resumed_from(
            model, [known[n] for n in members], [len(p) + len(w) - 1 for p, w in part], width
        )
        located = sites(model, steered(members) if steered is not None else ())
        written = _table([written for _, written in part], kept, left=True)
        logprobs = model.run(
            Request(body.score, (inputs, located, written, resumed), inputs["input_ids"].numel()),
            only={*resumed[0], *(path for path, *_ in located)},
        )
        for n, row, (_, written) in zip(members, to_numpy(logprobs), part, strict=True):
            found[n] = row[kept - len(written) :]
        _refuse(model, rows, {n: found[n] for n in members}, steered)
        model.report(progress, len(found) / len(rows), f"{len(found)} texts scored")
    return [found[n] for n in range(len(rows))]


def _behind(
    model: Engine,
    rows: Sequence[Text],
    known: Sequence[Known | None],
    beginning: Beginning,
    progress: Progress,
) -> list[np.ndarray]:
    """Score rows behind what they share with a text whose keys and values are there."""
    import torch

    texts = [[*prompt, *written] for prompt, written in rows]
    # the last shared token runs again, for what it predicts; the last token is never read
    starts = [min(beginning.shared(text), len(text) - 1) - 1 for text in texts]
    found: dict[int, np.ndarray] = {}
    most = MOST_LOGITS // model.vocabulary
    for members in _passes([len(text) - 1 for text in texts], starts, most):
        start = min(starts[n] for n in members)
        tails = [texts[n][start:] for n in members]
        width = max(len(tail) for tail in tails) - 1
        inputs: dict[str, Any] = {
            "input_ids": _table([tail[:-1] for tail in tails], width),
            "past_key_values": beginning.cache(model, start, len(members)),
        }
        if takes(model, "position_ids"):
            first = model.first_position + start
            inputs["position_ids"] = torch.arange(first, first + width).expand(len(members), -1)
        resumed = resumed_from(
            model, [known[n] for n in members], [len(tail) - 1 for tail in tails], width, start
        )
        written = _table([tail[1:] for tail in tails], width)
        request = Request(body.score, (inputs, [], written, resumed), inputs["input_ids"].numel())
        scored = to_numpy(model.run(request, only=set(resumed[0])))
        for n, tail, row in zip(members, tails, scored, strict=True):
            before = beginning.logprobs[: start + 1 - beginning.n_prompt]
            found[n] = np.concatenate([before, row[: len(tail) - 1]]).astype(np.float32)
        _refuse(model, rows, {n: found[n] for n in members})
        model.report(progress, len(found) / len(rows), f"{len(found)} texts scored")
    return [found[n] for n in range(len(rows))]


def _refuse(
    model: Engine,
    rows: Sequence[Text],
    found: dict[int, np.ndarray],
    steered: Turned | None = None,
) -> None:
    """Raise NotFinite where a token of what is scored has no probability."""
    bad = {n: int(np.isnan(row).argmax()) for n, row in found.items() if np.isnan(row).any()}
    texts = {n: (rows[n][0], rows[n][1][:first]) for n, first in bad.items()}
    refuse_unsound(model, texts, steered)


def _passes(lengths: Sequence[int], starts: Sequence[int], most: int) -> list[list[int]]:
    """Divide rows into passes so that few tokens run twice or as padding.

    Rows of a pass begin together, where the first of them has to. The cheapest division of the
    rows in the order of their beginnings, a pass counted as `PASS` tokens.

    Parameters
    ----------
    lengths : sequence of int
        Where each row ends.
    starts : sequence of int
        Where it may begin.
    most : int
        Tokens of a pass, padding included; a longer row is a pass of its own.
    """
    order = sorted(range(len(starts)), key=lambda n: -starts[n])
    cost, cut = [0.0], [0]
    for stop in range(1, len(order) + 1):
        best, end = (np.inf, 0), 0
        for first in range(stop - 1, -1, -1):
            end = max(end, lengths[order[first]])
            tokens = (stop - first) * (end - starts[order[stop - 1]])
            if tokens > most and first < stop - 1:
                break
            best = min(best, (cost[first] + tokens + PASS, first))
        cost.append(best[0])
        cut.append(best[1])
    found, stop = [], len(order)
    while stop:
        found.append(order[cut[stop] : stop])
        stop = cut[stop]
    return found[::-1]


def _table(rows: Sequence[Sequence[int]], width: int, *, left: bool = False) -> torch.Tensor:
    """Return ids as a table, int64 (rows, width), filled up with the first token there is."""
    import torch

    table = torch.zeros(len(rows), width, dtype=torch.long)
    for n, row in enumerate(rows):
        table[n, width - len(row) if left else 0 : None if left else len(row)] = torch.tensor(
            list(row), dtype=torch.long
        )
    return table
