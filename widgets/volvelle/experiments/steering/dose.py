"""`vv.dose`: an answer against the strength of a steer, and against that of placebos."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from volvelle.arguments.call import checked
from volvelle.arguments.plain import whole
from volvelle.arguments.texts import clean, cleaned
from volvelle.experiments.steering.answers import Answer, Watched, answers_of, spellings
from volvelle.experiments.steering.ask import ask, beginnings
from volvelle.experiments.steering.dose_curves import QUESTIONS
from volvelle.experiments.steering.dose_result import Dose
from volvelle.experiments.steering.placebos import MOST_PLACEBOS, Counts, placebos_of
from volvelle.experiments.steering.prompts import check_distinct, several
from volvelle.experiments.steering.rows import (
    GENTLE_DOSES,
    WHOLE_DOSES,
    as_steers,
    as_strengths,
    card,
    in_norms,
)
from volvelle.models.engine.facts import heads_of
from volvelle.models.engine.sizes import MOST_WORDS, check_rows
from volvelle.models.steering.steered import Steered
from volvelle.models.verbs.write import generate_rows
from volvelle.models.verbs.writing import Writing
from volvelle.progress import looking, share

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from volvelle.compute.steering.steers import HeadScale, Steer
    from volvelle.models.model import Model

    AnySteer = Steer | HeadScale

__all__ = ["Dose", "dose"]

# Share of the work, where texts are written after it.
ASKING = 0.7


@dataclass
class Rows:
    """The rows of one experiment, column by column."""

    prompts: list[list[int]] = field(default_factory=list)
    steers: list[list[AnySteer]] = field(default_factory=list)
    question: list[str] = field(default_factory=list)
    concept: list[str] = field(default_factory=list)
    kind: list[str] = field(default_factory=list)
    number: list[int] = field(default_factory=list)
    strength: list[float] = field(default_factory=list)

    def add(
        self,
        prompt: tuple[str, list[int]],
        steers: list[AnySteer],
        who: tuple[str, str, int],
        s: float,
    ) -> None:
        """Add one row: (question, ids), steers, (concept, kind, number), multiplier."""
        self.question.append(prompt[0])
        self.prompts.append(prompt[1])
        self.steers.append([steer.times(s) for steer in steers])
        self.concept.append(who[0])
        self.kind.append(who[1])
        self.number.append(who[2])
        self.strength.append(s)


@checked
def dose(
    model: Model,
    prompt: Any,
    steers: Any,
    strengths: Sequence[float] | None = None,
    answers: Sequence[str] = ("yes", "no"),
    *,
    control: Any = None,
    reverse: Any = None,
    placebo: int = 20,
    max_new_tokens: int = 0,
    chat: bool = False,
    seed: int = 0,
    progress: Callable[[float, str], None] | None = None,
) -> Dose:
    """Ask a question while concepts are steered at growing strength.

    An answer that rises with the strength says nothing by itself: random directions of the
    same size often raise it too, and so may an answer to any question at all. Both are run
    beside it.

    Parameters
    ----------
    model : Model
    prompt : str, Tokens, ids, or chat messages, or a list of these
        Ends where the answer begins ("... Answer:"). Several are wordings of one question:
        curves are means over them.
    steers : Steer, Direction, a list of them, or dict of name -> steer or list of steers
        Each entry is one concept, one line of the plot; several steers of one concept act
        together and go in a dict.
    strengths : sequence of float, optional
        Multiply every steer's own strength; 0 is always run. Without any, 0 to 0.5 where all
        steers are added in unit "norm", 0 to 2 for every other method and unit.
    answers : sequence of str
        At least two; the first one's share is drawn. Case and a leading space do not matter:
        every spelling that is one token counts. An answer that is one token in no spelling
        counts as a whole, in all of them: the product of its tokens' probabilities.
    control : prompt or list of prompts, optional
        Unrelated questions with the same answers: an answer that rises here too is a bias.
    reverse : prompt or list of prompts, optional
        The question asked the other way round, so that the answer should fall.
    placebo : int
        Norm-matched random counterparts per concept (and as many of other features of the same
        SAE, and of the direction's texts relabelled), asked everything that the concepts are
        asked; 19 are the fewest whose p can reach .05. Concepts added at one point with one
        length share theirs.
    max_new_tokens : int
        Also let the model go on for so many tokens at every strength of the concepts.
    chat : bool
        Put text prompts in the model's chat template.
    seed : int
        Of the placebos.
    progress : callable(fraction, text), optional

    Returns
    -------
    Dose

    Raises
    ------
    ValueError
        For fewer than two answers, or empty ones.
    """
    concepts = _concepts(steers)
    default = GENTLE_DOSES if in_norms(s for own in concepts.values() for s in own) else WHOLE_DOSES
    multipliers = as_strengths(default if strengths is None else strengths)
    watched = Watched(_answers(model, answers))
    placebo = whole(placebo, "placebo", 0, MOST_PLACEBOS)
    counts = Counts(placebo, placebo, placebo)
    seed = whole(seed, "seed")
    max_new_tokens = whole(max_new_tokens, "max_new_tokens")
    asked = [
        (name, ids)
        for name, given in (("asked", prompt), ("control", control), ("reversed", reverse))
        for ids in _ids(model, given, name, chat=chat)
    ]
    if not any(name == "asked" for name, _ in asked):
        raise ValueError("prompt is empty: give a question, or a list of questions")
    _check_touched([ids for name, ids in asked if name == "asked"], concepts)
    factors = {"strengths": len(multipliers), "placebos": 4 * placebo, "questions": len(asked)}
    n = len(concepts) * len(multipliers) * (1 + 4 * placebo) * len(asked)
    check_rows(n, MOST_WORDS, "next words", factors | {"concepts": len(concepts)})
    for question in QUESTIONS:
        mine = [ids for name, ids in asked if name == question]
        check_distinct(mine, question)
        watched.check(model, mine, "prompt" if question == "asked" else question)
        if max_new_tokens:
            Writing(max_new_tokens).check(model, mine)

    def work() -> Dose:
        shared = _shared(concepts, model)
        made = {
            name: placebos_of(mine, counts, seed, heads_of(model)[0])
            for name, mine in concepts.items()
        }
        # random directions of one size serve several concepts; texts relabelled only their own
        placebos = {
            name: {
                (kind, number): steers
                for (kind, number), steers in made[name].steers.items()
                if shared[name] == name or kind not in ("random", "shuffled")
            }
            for name in concepts
        }
        rows = _plan(concepts, multipliers, asked, placebos)
        logprobs, entropy = ask(
            model,
            rows.prompts,
            rows.steers,
            watched,
            n_new=max_new_tokens,
            known=beginnings(model, rows.prompts, list(concepts.values())),
            progress=share(progress, 0, ASKING if max_new_tokens else 1),
        )
        return Dose(
            model=model.name,
            questions={
                name: tuple(model.tokenizer.decode(ids) for n, ids in asked if n == name)
                for name in dict.fromkeys(name for name, _ in asked)
            },
            answers=tuple(answer.name for answer in watched.answers),
            spellings=tuple(answer.strings for answer in watched.answers),
            concepts=tuple(concepts),
            steers={name: tuple(card(s, model) for s in mine) for name, mine in concepts.items()},
            strengths=multipliers,
            concept=np.array(rows.concept),
            kind=np.array(rows.kind),
            question=np.array(rows.question),
            number=np.array(rows.number),
            strength=np.array(rows.strength),
            logprobs=logprobs,
            entropy=entropy,
            texts=_texts(model, rows, max_new_tokens, share(progress, ASKING, 1)),
            placebo_of=shared,
            labels={name: made[name].relabelled for name in concepts},
            settings={
                "placebo": placebo,
                "max_new_tokens": max_new_tokens,
                "chat": bool(chat),
                "seed": seed,
                "strengths": "given" if strengths is not None else "default",
            },
        )

    return model.call(work)


def answer_of(model: Model, word: str) -> Answer:
    """Return an answer in every spelling that is one token; where there is none, in all of them.

    A word that is one token somewhere is said so: leaving its rarer, longer spellings out saves
    their passes.
    """
    (found,) = answers_of(model, {word: spellings(word)})
    short = [n for n, ids in enumerate(found.spellings) if len(ids) == 1]
    if not short:
        return found
    return Answer(
        word, tuple(found.spellings[n] for n in short), tuple(found.strings[n] for n in short)
    )


def _answers(model: Model, answers: Any) -> list[Answer]:
    listed = cleaned(list(answers) if isinstance(answers, (list, tuple)) else [answers])
    if len(listed) < 2 or not all(isinstance(word, str) for word in listed):
        raise ValueError(f"answers={answers!r}: a share needs at least two answers, as texts")
    found = [answer_of(model, word) for word in listed]
    for n, one in enumerate(found):
        for other in found[:n]:
            if both := set(one.strings) & set(other.strings):
                raise ValueError(
                    f"answers {other.name!r} and {one.name!r} are both spelled {min(both)!r}; a "
                    "share needs answers that differ"
                )
    return found


def _concepts(steers: Any) -> dict[str, list[AnySteer]]:
    if isinstance(steers, Mapping):
        found = {clean(str(name)): as_steers(mine) for name, mine in steers.items()}
    else:
        listed = list(steers) if isinstance(steers, (list, tuple)) else [steers]
        each = [as_steers(one) for one in listed]
        names = [" + ".join(steer.name for steer in mine) for mine in each]
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise ValueError(f"two concepts are named {twice!r}; name them in a dict")
        found = dict(zip(names, each, strict=True))
    if not found:
        raise ValueError("steers is empty; give at least one vv.Steer(direction, strength)")
    return found


def _ids(model: Model, given: Any, question: str, *, chat: bool) -> list[list[int]]:
    """Return the ids of one question's prompts; what is wrong with a control is said of it."""
    name = {"asked": "prompt", "control": "control", "reversed": "reverse"}[question]
    try:
        found = [model.prompt_ids(one, chat=chat) for one in several(given)]
    except (TypeError, ValueError) as error:
        if str(error).startswith(name):
            raise
        raise type(error)(f"{name}: {error}") from error
    if not all(found):
        raise ValueError(f"{name}: a prompt has no tokens; give something to continue")
    return found


def _check_touched(prompts: list[list[int]], concepts: dict[str, list[AnySteer]]) -> None:
    """Raise ValueError where a prompt has no token that is steered before the answer."""
    first = all(steer.where.first for mine in concepts.values() for steer in mine)
    if not first and any(len(ids) < 2 for ids in prompts):
        raise ValueError(
            "prompt has one token, which is position 0 and is never steered: write a longer one, "
            "or admit it with vv.Steer(..., where=vv.Where(first=True))"
        )


def _shared(concepts: dict[str, list[AnySteer]], model: Model) -> dict[str, str]:
    """Say whose placebos serve each concept: a random turn of one serves all of its size."""
    first: dict[Any, str] = {}
    found = {}
    for name, mine in concepts.items():
        parts = [part for steer in mine for part in steer.parts()]
        features = any(hasattr(d, "sae") for steer in mine for d in steer.directions)
        size: Any = name
        if len(parts) == 1 and parts[0].method == "add" and not features:
            (part,) = parts
            length = part.strength * part.scale(model.norm(part.point))
            length *= float(np.linalg.norm(part.writes))
            size = (part.point, f"{length:.5g}", str(part.where))
        found[name] = first.setdefault(size, name)
    return found


def _plan(
    concepts: dict[str, list[AnySteer]],
    strengths: Sequence[float],
    asked: Sequence[tuple[str, list[int]]],
    placebos: dict[str, dict[tuple[str, int], list[AnySteer]]],
) -> Rows:
    rows = Rows()
    for prompt in asked:
        rows.add(prompt, [], ("", "baseline", -1), 0.0)
        for name, mine in concepts.items():
            for s in strengths:
                if s != 0:
                    rows.add(prompt, mine, (name, "steered", -1), s)
    for name, counterparts in placebos.items():
        for (kind, number), others in looking(counterparts.items(), 16):
            for s in strengths:
                for prompt in asked if s != 0 else ():
                    rows.add(prompt, others, (name, kind, number), s)
    return rows


def _texts(
    model: Model, rows: Rows, n: int, progress: Callable[[float, str], None] | None
) -> tuple[str, ...]:
    texts = [""] * len(rows.prompts)
    if n:
        chosen = [i for i, kind in enumerate(rows.kind) if kind in ("baseline", "steered")]
        prompts = [rows.prompts[i] for i in chosen]
        steered = Steered(model, [rows.steers[i] for i in chosen], prompts, n)
        written = generate_rows(model, prompts, steered, max_new_tokens=n, progress=progress)
        for i, one in zip(chosen, written, strict=True):
            texts[i] = one.text
    return tuple(texts)
