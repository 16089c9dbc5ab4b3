"""What travels to the browser of a steering run: while it is written, and when it is done."""

from __future__ import annotations

import math
import time
import warnings
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from volvelle.compute.steering.methods import METHODS, OWN
from volvelle.compute.steering.steers import HeadScale
from volvelle.views.kit.arrays import pack
from volvelle.views.kit.numbers import finite
from volvelle.views.kit.pace import PICTURE_S
from volvelle.views.kit.server import on_server

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from volvelle.experiments.steering.rows import Key
    from volvelle.experiments.steering.steered_row import SteeredRow
    from volvelle.experiments.steering.steering_run import SteeringRun
    from volvelle.models.model import Model
    from volvelle.views.steering.records import (
        ColumnWire,
        MethodFacts,
        RunWire,
        SteeringFacts,
        StreamPicture,
    )

QUANTILES = (0.05, 0.5, 0.95)
KINDS = ("random", "shuffled")


def facts_of(model: Model | None, sae: Any) -> SteeringFacts:
    """Return what does not change while a view lives: the model, and what methods do."""
    methods: dict[str, MethodFacts] = {
        name: {"formula": m.formula, "neutral": m.neutral} for name, m in METHODS.items()
    }
    methods["head_scale"] = {"formula": HeadScale.formula, "neutral": HeadScale.neutral}
    return {
        "model": getattr(model, "name", ""),
        "n_layers": getattr(model, "n_layers", 0),
        "remote": on_server(model),
        "template": bool(getattr(getattr(model, "tokenizer", None), "chat_template", None)),
        "dictionary": getattr(sae, "name", ""),
        "methods": methods,
        "own": {name: list(own) for name, own in OWN.items()} | {"head_scale": ["factor"]},
    }


def run_wire(run: SteeringRun, serial: int, controls: dict[str, Any]) -> RunWire:
    """Return a finished run as the browser shows it.

    Parameters
    ----------
    run : SteeringRun
    serial : int
        Its number in the view's history, from 1.
    controls : dict
        The traits it was run with: what restoring sets.
    """
    # the unsteered text first, as the thing the others are compared with
    strengths = sorted(run.strengths, key=lambda s: (s != 0, s))
    furthest = run.row(max(run.strengths, key=abs))
    n_prompt = len(run.prompt_ids)
    never_again: Any = np.isnan(run.baseline.watched[1:]).any(axis=0)
    return {
        "serial": serial,
        "controls": controls,
        "model": run.model,
        "prompt_strings": list(run.prompt_strings),
        "prompt_turns": list(run.prompt_turns),
        "prompt_steered": pack(_touched(furthest)[:n_prompt]),
        "prompt_ratio": pack(_ratio(furthest, n_prompt)[0]),
        "watch": list(run.watch),
        "spellings": [list(each) for each in run.spellings],
        "once": never_again.tolist(),
        "columns": [_column(run, run.row(strength)) for strength in strengths],
        "placebos": {kind: sum(k == kind for k, _ in run.placebos) for kind in KINDS},
        "words": {kind: len(_words(run, kind)) for kind in KINDS},
        "cards": [finite(asdict(card)) for card in run.steers],
        "norms": finite(run.norms),
        "settings": finite(run.settings),
        "summary": run.summary(),
    }


def _touched(row: SteeredRow) -> np.ndarray:
    """Return 1 where any steer acted, over prompt and new tokens."""
    return np.asarray(row.masks.any(axis=0), dtype=np.uint8)


def _ratio(row: SteeredRow, n_prompt: int) -> tuple[np.ndarray, np.ndarray]:
    """Return |delta|/|h| of the prompt and of the new tokens, the largest over points."""
    n = n_prompt + len(row.ids)
    ratios = np.fmax.reduce([*row.ratios.values(), np.zeros(n)])
    ratios = np.minimum(ratios, np.finfo(np.float16).max).astype(np.float16)
    return ratios[:n_prompt], ratios[n_prompt:]


def _column(run: SteeringRun, row: SteeredRow) -> ColumnWire:
    n_prompt = len(run.prompt_ids)
    return {
        "strength": row.strength,
        "strings": list(row.strings),
        "logprobs": pack(row.logprobs.astype(np.float16)),
        "base_logprobs": pack(row.base_logprobs.astype(np.float16)),
        "steered": pack(_touched(row)[n_prompt:]),
        "ratios": pack(_ratio(row, n_prompt)[1]),
        "watched": pack(np.exp(row.watched).astype(np.float32)),
        "bands": {
            kind: pack(band)
            for kind in KINDS
            if len(band := _band(run, row.strength, kind)) and len(run.watch)
        },
        "perplexity": finite(row.perplexity),
        "repetition": finite(row.repetition),
        "ratio": finite(row.ratio),
        "ended": bool(row.ended),
        "effective": [finite(card.effective(row.strength)) for card in run.steers],
        "p": _tests(run, row.strength),
    }


def _tests(run: SteeringRun, strength: float) -> dict[str, list[float]]:
    """Return the watched answers' p by kind of placebo, where there are enough of them to tell."""
    if run.effects is None or strength == 0:
        return {}
    at = run.effects.strengths.index(strength)
    tests = {kind: run.effects.test(kind) for kind in run.effects.kinds}
    return {kind: test.p_cells[at].tolist() for kind, test in tests.items() if test.can_tell}


def _words(run: SteeringRun, kind: str) -> np.ndarray:
    """Return placebos' probabilities right after the prompt, (n, n_strengths, n_answers)."""
    if run.effects is None or kind not in run.effects.kinds:
        return np.zeros((0, len(run.strengths) - 1, len(run.watch)))
    return run.effects.probabilities(kind)


def _band(run: SteeringRun, strength: float, kind: str) -> np.ndarray:
    """Return the placebos' quantiles of the watched tokens, float32 (step, token, quantile)."""
    rows = [
        np.exp(r.watched)
        for r in run.rows
        if r.kind == kind and r.strength == strength and r.sample == 0 and r.prompt == 0
    ]
    found = quantiles(rows)
    if run.effects is not None and len(found) and len(words := _words(run, kind)):
        # of the first word there are more placebos than texts
        first = words[:, run.effects.strengths.index(strength)]
        found[0] = np.quantile(first, QUANTILES, axis=0).T
    return found


def quantiles(rows: Sequence[np.ndarray]) -> np.ndarray:
    """Return `QUANTILES` over rows of (step, token), at every step that any row reached."""
    n = max((len(row) for row in rows), default=0)
    if n == 0:
        return np.zeros((0, 0, len(QUANTILES)), np.float32)
    padded = np.full((len(rows), n, rows[0].shape[1]), np.nan)
    for padding, row in zip(padded, rows, strict=True):
        padding[: len(row)] = row
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # no tokens watched: nothing to rank
        found = np.nanquantile(padded, QUANTILES, axis=0)
    return np.moveaxis(found, 0, -1).astype(np.float32)


class Stream:
    """Collects tokens as they come, and hands pictures of them on now and then.

    Parameters
    ----------
    spell : callable
        Token ids to the strings a reader sees.
    show : callable
        Takes a picture.
    watch : sequence of str or list of str
        Answers; a list is one in several spellings.
    prompt : sequence of str
        Its tokens as a reader sees them.
    turns : sequence of str
        Whose they are, as `SteeringRun.prompt_turns`.
    """

    def __init__(
        self,
        spell: Callable[[list[int]], Sequence[str]],
        show: Callable[[StreamPicture], None],
        watch: Sequence[str | list[str]],
        prompt: Sequence[str] = (),
        turns: Sequence[str] = (),
    ) -> None:
        self._spell, self._show = spell, show
        self._prompt, self._turns = list(prompt), list(turns)
        self._watch = [one if isinstance(one, str) else one[0] for one in watch]
        self._once = [False] * len(watch)
        self._marks: dict[float, list[bool]] = {}
        self._prompt_marks: dict[float, list[bool]] = {}
        self._ids: dict[float, list[int]] = {}
        self._logprobs: dict[float, list[float]] = {}
        self._watched: dict[float, list[float]] = {}
        self._placebos: dict[tuple[str, float], dict[int, list[float]]] = {}
        self._sent = 0.0

    def __call__(
        self, key: Key, step: int, token: int, logprob: float, watched: Sequence[float]
    ) -> None:
        """Take one token: `on_token` of `volvelle.steer`."""
        if key.kind == "steered":
            if step == len(self._ids.setdefault(key.strength, [])):
                self._ids[key.strength].append(int(token))
                self._logprobs.setdefault(key.strength, []).append(round(float(logprob), 3))
            self._put(self._watched, key.strength, watched)
        else:
            group = self._placebos.setdefault((key.kind, key.strength), {})
            self._put(group, key.number, watched)
        now = time.monotonic()
        if now - self._sent >= PICTURE_S:
            # the step's other rows come right behind; they are in the next picture
            self._sent = now
            self._show(self.picture())

    def mark(self, key: Key, step: int, touched: Sequence[bool]) -> None:
        """Take which tokens were steered: `on_steered` of `volvelle.steer`."""
        if key.kind != "steered" or key.sample:
            return
        if step == 0:
            self._prompt_marks[key.strength] = list(touched)
        elif step - 1 == len(self._marks.setdefault(key.strength, [])):
            self._marks[key.strength] += touched

    def _put(self, into: dict[Any, list[float]], key: Any, logprobs: Sequence[float]) -> None:
        """Keep the newest probabilities; what is measured once stays as it was."""
        new = np.exp(logprobs).tolist()
        self._once = [once or math.isnan(p) for once, p in zip(self._once, new, strict=True)]
        old = into.get(key) or new
        into[key] = [b if math.isnan(p) else p for p, b in zip(new, old, strict=True)]

    def picture(self) -> StreamPicture:
        """Return what has come so far, the unsteered text first."""
        columns = []
        for strength in sorted(self._ids, key=lambda s: (s != 0, s)):
            bands = {}
            for kind in KINDS:
                group = list(self._placebos.get((kind, strength), {}).values())
                if group and group[0]:
                    bands[kind] = np.quantile(group, QUANTILES, axis=0).T.tolist()
            columns.append(
                {
                    "strength": strength,
                    "strings": list(self._spell(self._ids[strength])),
                    "logprobs": list(self._logprobs[strength]),
                    "steered": [int(on) for on in self._marks.get(strength, ())],
                    "watched": self._watched[strength],
                    "bands": bands,
                }
            )
        furthest = max(self._prompt_marks, key=abs, default=0.0)
        marks = self._prompt_marks.get(furthest, [])
        return {
            "watch": self._watch,
            "once": self._once,
            "columns": finite(columns),
            "prompt_strings": self._prompt,
            "prompt_turns": self._turns,
            "prompt_steered": [int(on) for on in marks],
            "placebos": {
                kind: max((len(g) for (k, _), g in self._placebos.items() if k == kind), default=0)
                for kind in KINDS
            },
        }
