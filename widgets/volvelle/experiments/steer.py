"""`vv.steer`: what a steer does at several strengths, beside placebos of the same size."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from volvelle.compute.names import known_keywords
from volvelle.experiments.prompts import prompt_ids
from volvelle.experiments.steer_rows import (
    Key,
    as_steers,
    as_strengths,
    card,
    placebos_of,
    plan_rows,
)
from volvelle.experiments.steering_run import SteeredRow, SteeringRun
from volvelle.models.predicting import score
from volvelle.models.steer_readers import heads_of
from volvelle.models.steering import Steered
from volvelle.models.writing import generate_rows, row_seed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from volvelle.models.model import Model
    from volvelle.models.writing import Generation, Step

    OnToken = Callable[[Key, int, int, float, Sequence[float]], None]

__all__ = ["SteeringRun", "steer"]

# Share of the work that is writing; the rest is scoring the texts.
WRITING = 0.9


@known_keywords
def steer(
    model: Model,
    prompt: Any,
    steers: Any,
    strengths: Sequence[float] | float = (-1, 0, 1),
    placebo: int = 5,
    *,
    watch: Sequence[str | int] = (),
    max_new_tokens: int = 48,
    temperature: float = 0.0,
    samples: int = 1,
    chat: bool = False,
    seed: int = 0,
    on_token: OnToken | None = None,
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
    strengths : sequence of float
        Multiply every steer's own strength; 0, the baseline, is always run.
    placebo : int
        How many norm-matched random counterparts; where there are SAE features, as many
        counterparts along other features of the same SAE. 5 show the size of chance, 20 make
        quantiles.
    watch : sequence of str or int
        Single tokens whose probability is followed (mind the leading space).
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
        sample. What it raises ends the run.
    progress : callable(fraction, text), optional

    Returns
    -------
    SteeringRun

    Raises
    ------
    ValueError, TypeError
        For steers that do not fit the model, empty selections, strings that are no single
        token, samples without temperature.
    """
    mine, multipliers = as_steers(steers), as_strengths(strengths)
    if samples < 1 or (samples > 1 and temperature == 0):
        raise ValueError(
            f"samples={samples} at temperature {temperature:g}: "
            + ("at least 1" if samples < 1 else "all would be the same text; give a temperature")
        )
    ids = prompt_ids(model, prompt, chat=chat)
    watched = [model.token_id(token) for token in watch]
    settings = {
        "seed": seed,
        "temperature": float(temperature),
        "max_new_tokens": max_new_tokens,
        "samples": samples,
        "placebo": placebo,
        "chat": chat,
    }

    def work() -> SteeringRun:
        placebos = placebos_of(mine, placebo, seed, heads_of(model)[0])
        plan = plan_rows(mine, multipliers, placebos, samples)
        keys = [key for key, _ in plan]
        steered = Steered(
            model,
            [row for _, row in plan],
            [ids] * len(plan),
            max_new_tokens,
            noting=True,
            keeping=True,
        )
        written = generate_rows(
            model,
            [ids] * len(plan),
            steered,
            seeds=[row_seed(seed, key.sample) for key in keys],
            max_new_tokens=max_new_tokens,
            temperature=temperature,
            watch=watched,
            on_step=_streamed(keys, on_token),
            progress=_part(progress, 0, WRITING),
        )
        return SteeringRun(
            model=model.name,
            prompt=model.tokenizer.decode(ids),
            prompt_ids=np.asarray(ids, dtype=np.int64),
            prompt_strings=model.tokens(ids).strings,
            steers=tuple(card(one, model) for one in mine),
            strengths=multipliers,
            watch=tuple(t if isinstance(t, str) else model.tokenizer.decode([t]) for t in watch),
            rows=_rows(model, keys, written, steered, _part(progress, WRITING, 1)),
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
    keys: Sequence[Key], on_token: OnToken | None
) -> Callable[[int, Sequence[int], Step], None] | None:
    if on_token is None:
        return None

    def on_step(step: int, rows: Sequence[int], wrote: Step) -> None:
        for row, token, logprob, watched in zip(
            rows, wrote.ids, wrote.logprobs, wrote.watched, strict=True
        ):
            if token >= 0:
                on_token(keys[row], step, token, logprob, watched)

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
    progress: Callable[[float, str], None] | None,
) -> tuple[SteeredRow, ...]:
    # a text the baseline wrote has been scored while it was written, and twins are scored once
    own = {
        tuple(w.ids.tolist()): w.logprobs
        for k, w in zip(keys, written, strict=True)
        if k.strength == 0
    }
    others = {
        tuple(w.ids.tolist()): n for n, w in enumerate(written) if tuple(w.ids.tolist()) not in own
    }
    scored = score(
        model,
        [(written[n].prompt_ids.tolist(), written[n].ids.tolist()) for n in others.values()],
        progress,
        known=[steered.known.get(n) for n in others.values()],
    )
    known = own | dict(zip(others, scored, strict=True))
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
            watched=one.watched,
            masks=steered.applied[n].masks,
            sizes=steered.applied[n].sizes,
            ended=one.ended,
        )
        for n, (key, one) in enumerate(zip(keys, written, strict=True))
    )
