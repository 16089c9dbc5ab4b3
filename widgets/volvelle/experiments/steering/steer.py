"""`vv.steer`: what a steer does at several strengths, beside placebos of the same size."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from volvelle.arguments.call import checked
from volvelle.arguments.plain import whole
from volvelle.experiments.steering.answers import Watched, answers_of
from volvelle.experiments.steering.ask import read_so_far
from volvelle.experiments.steering.measure import measure
from volvelle.experiments.steering.placebos import PLACEBO, counts_of, placebos_of
from volvelle.experiments.steering.prompts import check_distinct, read_prompt, several
from volvelle.experiments.steering.rows import (
    GENTLE,
    WHOLE,
    Key,
    as_steers,
    as_strengths,
    card,
    in_norms,
    plan_rows,
)
from volvelle.experiments.steering.steered_row import SteeredRow
from volvelle.experiments.steering.steering_run import SteeringRun
from volvelle.experiments.steering.sweep import MEASURES
from volvelle.models.engine.facts import heads_of
from volvelle.models.engine.sizes import MOST_TEXTS, MOST_WORDS, check_rows
from volvelle.models.steering.steered import Steered
from volvelle.models.verbs.score import score
from volvelle.models.verbs.write import generate_rows, row_seed
from volvelle.models.verbs.writing import Writing
from volvelle.progress import looking, share

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from volvelle.experiments.steering.placebos import Counts
    from volvelle.models.model import Model
    from volvelle.models.verbs.write import Generation, Step

    OnToken = Callable[[Key, int, int, float, Sequence[float]], None]
    OnSteered = Callable[[Key, int, Sequence[bool]], None]

__all__ = ["SteeringRun", "steer"]

# Shares of the work: writing the texts, the placebos' next words; the rest is scoring the texts.
WRITING = 0.65
WORDS = 0.9


@checked
def steer(
    model: Model,
    prompt: Any,
    steers: Any,
    strengths: Sequence[float] | float | None = None,
    placebo: int | Mapping[str, int] = PLACEBO,
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
    prompt : str, Tokens, ids, or chat messages, or a list of these
        A list of dicts with ``role`` and ``content`` is one chat, put in the model's template.
        Several prompts run side by side: effects are means over them, with their interval.
    steers : Steer, HeadScale, Direction, or a list of them
        A bare direction is added, in units of the residual norm. Several act together.
    strengths : sequence of float, optional
        Multiply every steer's own strength; 0, the baseline, is always run. Without any,
        (-0.2, 0, 0.2) where all steers are added in unit "norm": 1 would be as long as the state
        itself and ends in noise; (0, 1) for every other method and unit. The result says which
        was taken.
    placebo : int, or dict of "words", "texts", "labels" -> int
        How many counterparts without meaning. ``words``: norm-matched random turns (and, where
        there are SAE features, as many other features) of which the watched answers are
        measured: 99 make p as small as .01, 19 are the fewest that can reach .05. ``texts``:
        the first of these, which write texts as well. ``labels``: where directions were fitted
        to labelled texts (`Dictionary.from_pairs`), directions of the same texts under other
        labels, measured twice: at their own length and at the direction's. One number is for
        all three; 0 runs none.
    watch : str, int, a list of them or of tuples of them, or dict of name -> str, int or tuple
        Answers whose probability is followed. A text counts exactly as written (mind the leading
        space), split as the tokenizer splits it by itself; an int is a token's id; a tuple is
        counted together: spellings of one word (``vv.spellings("yes")``) or a set of words. An
        answer that is one token in every spelling is followed at every step, before each token
        is written. An answer of several tokens is measured once, where it would
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
        Called as tokens come, on the model's thread; `key` says kind, number, strength, sample
        and prompt; one log-probability per answer, NaN where it is not measured. What it raises
        ends the run.
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
    counts = counts_of(placebo)
    seed = whole(seed, "seed")
    samples = whole(samples, "samples", 1, MOST_TEXTS)
    if samples > 1 and temperature == 0:
        raise ValueError(
            f"samples={samples} at temperature 0: all would be the same text; give a temperature"
        )
    lists = [model.prompt_ids(one, chat=chat) for one in several(prompt)]
    if not lists:
        raise ValueError("prompt is empty: give a text, or a list of texts")
    check_distinct(lists, "prompt")
    writing = Writing(max_new_tokens, temperature, samples, seed, bool(chat))
    writing.check(model, lists)
    watched = Watched(answers_of(model, watch, MEASURES))
    watched.check(model, lists)
    _check_rows(
        mine, len(multipliers) - 1, counts, samples, len(lists), words=bool(watched.answers)
    )
    settings = writing.said | {
        "placebo": asdict(counts),
        "strengths": "given" if strengths is not None else "default",
    }

    def work() -> SteeringRun:
        placebos = placebos_of(mine, counts, writing.seed, heads_of(model)[0])
        plan = plan_rows(
            mine, multipliers, placebos.first(counts.texts), writing.samples, len(lists)
        )
        keys = [key for key, _ in plan]
        begun, rows = [lists[key.prompt] for key in keys], [row for _, row in plan]
        whole = watched.of_texts(model, begun, rows, writing.tokens)
        steered = Steered(
            model,
            rows,
            begun,
            writing.tokens,
            noting=True,
            keeping=True,
        )
        written = generate_rows(
            model,
            begun,
            steered,
            seeds=[row_seed(writing.seed, key.sample) for key in keys],
            **writing.told,
            watch=watched.tokens,
            scoring=True,
            on_step=_streamed(keys, watched, whole, on_token, on_steered),
            progress=share(progress, 0, WRITING),
        )
        along = [
            watched.along(one.watched, first) for one, first in zip(written, whole, strict=True)
        ]
        effects = measure(
            model,
            lists,
            watched,
            (mine, placebos),
            multipliers,
            known={key: each[0] for key, each in zip(keys, along, strict=True) if len(each)},
            begun=read_so_far(steered, begun),
            n_new=writing.tokens,
            progress=share(progress, WRITING, WORDS),
        )
        return SteeringRun(
            model=model.name,
            prompts=tuple(read_prompt(model, ids) for ids in lists),
            steers=tuple(card(one, model) for one in mine),
            strengths=multipliers,
            watch=tuple(answer.name for answer in watched.answers),
            spellings=tuple(answer.strings for answer in watched.answers),
            rows=_rows(
                model,
                keys,
                written,
                steered,
                watched=along,
                progress=share(progress, WORDS, 1),
            ),
            effects=effects,
            norms={point: model.norm(point) for point in steered.applied[0].sizes},
            settings=settings,
            vectors={
                f"{i}.{j}": direction.vector
                for i, one in enumerate(mine)
                for j, direction in enumerate(one.directions)
            },
        )

    return model.call(work)


def _check_rows(
    steers: Sequence[Any], n: int, counts: Counts, samples: int, prompts: int, *, words: bool
) -> None:
    """Raise ValueError for more texts or next words than one run is meant to have.

    Parameters
    ----------
    steers : sequence of Steer or HeadScale
        Features of an SAE among them have placebos of their own kind.
    n : int
        Strengths, the baseline not counted.
    counts : Counts
        Placebos of each kind.
    samples, prompts : int
        Texts per strength, and prompts.
    words : bool
        Whether answers are watched, so that next words are asked for.
    """
    kinds = 1 + any(hasattr(d, "sae") for one in steers for d in getattr(one, "directions", ()))
    factors = {"strengths": n, "placebos": kinds * counts.texts, "samples": samples}
    texts = prompts * samples * (1 + n * (1 + kinds * counts.texts))
    check_rows(texts, MOST_TEXTS, "texts", factors | {"prompts": prompts})
    if words:
        placebos = kinds * counts.words + 2 * counts.labels
        factors = {"strengths": n, "placebos": placebos, "prompts": prompts}
        check_rows(prompts * n * (1 + placebos), MOST_WORDS, "next words", factors)


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
    known: dict[tuple[int, ...], np.ndarray] = {}
    for key, one in zip(keys, written, strict=True):
        if one.base_logprobs is not None:
            known[key.prompt, *one.ids.tolist()] = one.base_logprobs
        if key.strength == 0:
            known[key.prompt, *one.ids.tolist()] = one.logprobs
    n_prompts = 1 + max(key.prompt for key in keys)
    for prompt in range(n_prompts):
        others = {
            (prompt, *one.ids.tolist()): n
            for n, (key, one) in enumerate(zip(keys, written, strict=True))
            if key.prompt == prompt and (prompt, *one.ids.tolist()) not in known
        }
        baseline = keys.index(Key("steered", -1, 0.0, 0, prompt))
        scored = score(
            model,
            [(written[n].prompt_ids.tolist(), written[n].ids.tolist()) for n in others.values()],
            share(progress, prompt / n_prompts, (prompt + 1) / n_prompts),
            known=[steered.known.get(n) for n in others.values()],
            beginning=steered.beginning(baseline, written[baseline]),
        )
        known |= dict(zip(others, scored, strict=True))
    done = [
        steered.applied[n].of_text(len(one.prompt_ids), len(one.ids))
        for n, one in enumerate(written)
    ]
    return tuple(
        SteeredRow(
            kind=key.kind,
            number=key.number,
            strength=key.strength,
            sample=key.sample,
            prompt=key.prompt,
            text=one.text,
            ids=one.ids,
            # behind the prompt's last token, whose space a tokenizer may need
            strings=model.tokens([int(one.prompt_ids[-1]), *one.ids]).strings[1:],
            logprobs=one.logprobs,
            base_logprobs=known[key.prompt, *one.ids.tolist()],
            watched=watched[n],
            masks=done[n].masks,
            sizes=done[n].sizes,
            ended=one.ended,
        )
        for n, (key, one) in enumerate(looking(zip(keys, written, strict=True)))
    )
