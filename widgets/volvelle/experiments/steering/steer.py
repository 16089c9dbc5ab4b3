"""`vv.steer`: what a steer does at several strengths, beside placebos of the same size."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from volvelle.experiments.steering.answers import Watched, answers_of
from volvelle.experiments.steering.prompts import prompt_ids
from volvelle.experiments.steering.rows import (
    GENTLE,
    WHOLE,
    Key,
    as_steers,
    as_strengths,
    card,
    in_norms,
    placebos_of,
    plan_rows,
)
from volvelle.experiments.steering.rows import whole as whole_number
from volvelle.experiments.steering.steered_row import SteeredRow
from volvelle.experiments.steering.steering_run import SteeringRun
from volvelle.experiments.steering.sweep import MEASURES
from volvelle.models.engine.facts import heads_of
from volvelle.models.steering.steered import Steered
from volvelle.models.verbs.score import score
from volvelle.models.verbs.write import check_writing, generate_rows, row_seed
from volvelle.names import known_keywords

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from volvelle.models.model import Model
    from volvelle.models.verbs.write import Generation, Step

    OnToken = Callable[[Key, int, int, float, Sequence[float]], None]
    OnSteered = Callable[[Key, int, Sequence[bool]], None]

__all__ = ["SteeringRun", "steer"]

# Share of the work that is writing; the rest is scoring the texts.
WRITING = 0.9


@known_keywords
def steer(
    model: Model,
    prompt: Any,
    steers: Any,
    strengths: Sequence[float] | float | None = None,
    placebo: int = 5,
    *,
    watch: Any = (),
    max_new_tokens: int = 48,
    temperature: float = 0.0,
    samples: int = 1,
    chat: bool = False,
    seed: int = 0,
    on_token: OnToken | None = None,
    on_steered: OnSteered | None = None,
    progress: Callable[[float, str], None] | None = None,
) -> SteeringRun:
    """Continue a prompt at several strengths of a steer, and under placebos of the same size.

    Strengths, placebos and the unsteered baseline run as one batch where memory allows.

    Parameters
    ----------
    model : Model
    prompt : str, Tokens, ids, or chat messages
        A list of dicts with ``role`` and ``content`` is put in the model's template.
    steers : Steer, HeadScale, Direction, or a list of them
        A bare direction is added, in units of the residual norm. Several act together.
    strengths : sequence of float, optional
        Multiply every steer's own strength; 0, the baseline, is always run. Without any,
        (-0.2, 0, 0.2) where all steers are added in unit "norm": 1 would be as long as the state
        itself and ends in noise; (0, 1) for every other method and unit. The result says which
        was taken.
    placebo : int
        How many norm-matched random counterparts; where there are SAE features, as many
        counterparts along other features of the same SAE. 5 show the size of chance, 20 make
        quantiles.
    watch : str, int, a list of them or of tuples of them, or dict of name -> str, int or tuple
        Answers whose probability is followed. A text counts exactly as written (mind the leading
        space), split as the tokenizer splits it by itself; an int is a token's id; a tuple is
        several spellings counted together (``vv.spellings("yes")`` makes one), named by the
        first. An answer that is one token in every spelling is followed at every step, before
        each token is written. An answer of several tokens is measured once, where it would
        begin: right after the prompt. Its probability is that of the whole, the product of its
        tokens' probabilities, each given the ones before it, under the steer (which acts on
        them as on generated tokens). Spellings add up; one that begins with another counts
        within it.
    max_new_tokens : int
    temperature : float
        0 takes the likeliest token.
    samples : int
        Texts per strength; more than one needs a temperature.
    chat : bool
        Put a text prompt in the model's chat template.
    seed : int
        Of the noise each sample draws from, and of the placebos. A sample's noise is the same
        at every strength, so that strength 0 is the unsteered run at any temperature.
    on_token : callable(key, step, token id, logprob, watched logprobs), optional
        Called as tokens come, on the model's thread; `key` says kind, number, strength and
        sample; one log-probability per answer, NaN where it is not measured. What it raises ends
        the run.
    on_steered : callable(key, step, touched), optional
        Called as it is known which tokens were steered: of the prompt at step 0, one bool each;
        of the token written at step - 1 later. The last token is never read, so never steered.
    progress : callable(fraction, text), optional

    Returns
    -------
    SteeringRun

    Raises
    ------
    ValueError, TypeError
        For steers that do not fit the model, empty selections, answers that are no text,
        samples without temperature.
    """
    mine = as_steers(steers)
    default = GENTLE if in_norms(mine) else WHOLE
    multipliers = as_strengths(default if strengths is None else strengths)
    whole_number(placebo, "placebo")
    whole_number(seed, "seed")
    whole_number(samples, "samples", 1)
    if samples > 1 and temperature == 0:
        raise ValueError(
            f"samples={samples} at temperature 0: all would be the same text; give a temperature"
        )
    ids = prompt_ids(model, prompt, chat=chat)
    check_writing(model, [ids], max_new_tokens, temperature)
    watched = Watched(answers_of(model, watch, MEASURES))
    settings = {
        "seed": seed,
        "temperature": float(temperature),
        "max_new_tokens": max_new_tokens,
        "samples": samples,
        "placebo": placebo,
        "chat": chat,
        "strengths": "given" if strengths is not None else "default",
    }

    def work() -> SteeringRun:
        placebos = placebos_of(mine, placebo, seed, heads_of(model)[0])
        plan = plan_rows(mine, multipliers, placebos, samples)
        keys = [key for key, _ in plan]
        prompts, rows = [ids] * len(plan), [row for _, row in plan]
        whole = watched.of_texts(model, prompts, rows, max_new_tokens)
        steered = Steered(
            model,
            rows,
            prompts,
            max_new_tokens,
            noting=True,
            keeping=True,
        )
        written = generate_rows(
            model,
            prompts,
            steered,
            seeds=[row_seed(seed, key.sample) for key in keys],
            max_new_tokens=max_new_tokens,
            temperature=temperature,
            watch=watched.tokens,
            scoring=bool(model.remote),
            on_step=_streamed(keys, watched, whole, on_token, on_steered),
            progress=_part(progress, 0, WRITING),
        )
        return SteeringRun(
            model=model.name,
            prompt=model.tokenizer.decode(ids),
            prompt_ids=np.asarray(ids, dtype=np.int64),
            prompt_strings=model.tokens(ids).strings,
            steers=tuple(card(one, model) for one in mine),
            strengths=multipliers,
            watch=tuple(answer.name for answer in watched.answers),
            spellings=tuple(answer.strings for answer in watched.answers),
            rows=_rows(
                model,
                keys,
                written,
                steered,
                watched=[
                    watched.along(one.watched, first)
                    for one, first in zip(written, whole, strict=True)
                ],
                progress=_part(progress, WRITING, 1),
            ),
            norms={point: model.norm(point) for point in steered.applied[0].sizes},
            settings=settings,
            vectors={
                f"{i}.{j}": direction.vector
                for i, one in enumerate(mine)
                for j, direction in enumerate(one.directions)
            },
        )

    return model.call(work)


def _streamed(
    keys: Sequence[Key],
    watched: Watched,
    whole: np.ndarray,
    on_token: OnToken | None,
    on_steered: OnSteered | None,
) -> Callable[[int, Sequence[int], Step], None] | None:
    if on_token is None and on_steered is None:
        return None
    ended: set[int] = set()

    def on_step(step: int, rows: Sequence[int], wrote: Step) -> None:
        found = watched.of_tokens(np.asarray(wrote.watched, dtype=float))
        found = watched.at(step, found, whole[list(rows)])
        for n, (row, token, logprob) in enumerate(
            zip(rows, wrote.ids, wrote.logprobs, strict=True)
        ):
            # what a row's last step read is its last token but one
            if on_steered is not None and wrote.touched and row not in ended:
                on_steered(keys[row], step, wrote.touched[n])
            if token < 0:
                ended.add(row)
            elif on_token is not None:
                on_token(keys[row], step, token, logprob, found[n].tolist())

    return on_step


def _part(
    progress: Callable[[float, str], None] | None, start: float, stop: float
) -> Callable[[float, str], None] | None:
    if progress is None:
        return None
    return lambda fraction, text: progress(start + (stop - start) * fraction, text)


def _rows(
    model: Model,
    keys: Sequence[Key],
    written: Sequence[Generation],
    steered: Steered,
    *,
    watched: Sequence[np.ndarray],
    progress: Callable[[float, str], None] | None,
) -> tuple[SteeredRow, ...]:
    """Score what was written without steers, and put each row together.

    Parameters
    ----------
    model : Model
    keys : sequence of Key
        One per row; strength 0 is among them.
    written : sequence of Generation
        What each row wrote.
    steered : Steered
        Which noted and kept while they wrote.
    watched : sequence of float32 array, each shape (n_tokens, n_answers)
        Of each row, natural-log probabilities of the answers, as `Watched.along` returns them.
    progress : callable(fraction, text) or None
        Told how many texts are scored.
    """
    # a text the baseline wrote, or a server scored, is known, and twins are scored once
    known = {tuple(w.ids.tolist()): w.base_logprobs for w in written if w.base_logprobs is not None}
    known |= {
        tuple(w.ids.tolist()): w.logprobs
        for k, w in zip(keys, written, strict=True)
        if k.strength == 0
    }
    others = {
        tuple(w.ids.tolist()): n
        for n, w in enumerate(written)
        if tuple(w.ids.tolist()) not in known
    }
    baseline = next(n for n, key in enumerate(keys) if key.strength == 0)
    scored = score(
        model,
        [(written[n].prompt_ids.tolist(), written[n].ids.tolist()) for n in others.values()],
        progress,
        known=[steered.known.get(n) for n in others.values()],
        beginning=steered.beginning(baseline, written[baseline]),
    )
    known |= dict(zip(others, scored, strict=True))
    return tuple(
        SteeredRow(
            kind=key.kind,
            number=key.number,
            strength=key.strength,
            sample=key.sample,
            text=one.text,
            ids=one.ids,
            # behind the prompt's last token, whose space a tokenizer may need
            strings=model.tokens([int(one.prompt_ids[-1]), *one.ids]).strings[1:],
            logprobs=one.logprobs,
            base_logprobs=known[tuple(one.ids.tolist())],
            watched=watched[n],
            masks=steered.applied[n].masks,
            sizes=steered.applied[n].sizes,
            ended=one.ended,
        )
        for n, (key, one) in enumerate(zip(keys, written, strict=True))
    )
