"""What the model expects next under many steers at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from volvelle.models.steering.steered import Steered
from volvelle.models.verbs.known import Known
from volvelle.models.verbs.predict import next_token_and_entropy
from volvelle.models.verbs.write import generate_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from volvelle.experiments.steering.answers import Watched
    from volvelle.experiments.steering.rows import AnySteer
    from volvelle.models.model import Model

    Progress = Callable[[float, str], None] | None

# Rows laid out at once: a control vector of 80 layers, 8,192 wide, takes 2.6 MB a row.
MOST_ROWS = 256


def ask(
    model: Model,
    prompts: Sequence[Sequence[int]],
    steers: Sequence[Sequence[AnySteer]],
    watched: Watched,
    *,
    n_new: int = 0,
    known: Mapping[tuple[int, ...], Known] | None = None,
    progress: Progress = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the probabilities of answers right after each prompt.

    Parameters
    ----------
    model : Model
    prompts : sequence of (sequence of int)
    steers : sequence of sequence of Steer or HeadScale
        Of each prompt.
    watched : Watched
    n_new : int
        How many tokens would be generated, for steers that count them.
    known : dict of prompt -> Known, optional
        Unsteered states of prompts, below all steers: see `beginnings`.
    progress : callable(fraction, text), optional

    Returns
    -------
    logprobs : float32 array, shape (n_prompts, n_answers)
        Natural log.
    entropy : float32 array, shape (n_prompts,)
        Of the whole next-token distribution, nats.
    """
    found: list[np.ndarray] = []
    entropies: list[np.ndarray] = []
    for start in range(0, len(prompts), MOST_ROWS):
        here = slice(start, start + MOST_ROWS)
        mine, rows = prompts[here], steers[here]
        begun = [(known or {}).get(tuple(prompt)) for prompt in mine]
        steered = Steered(model, rows, mine)
        tokens, entropy = next_token_and_entropy(
            model, mine, steered, watched.tokens, None, known=begun
        )
        whole = watched.of_texts(model, mine, rows, n_new)
        found.append(watched.at(0, watched.of_tokens(tokens), whole).astype(np.float32))
        entropies.append(entropy)
        asked = min(start + MOST_ROWS, len(prompts))
        if progress is not None:
            progress(asked / len(prompts), f"{asked} of {len(prompts)} next words")
    if not found:
        return np.zeros((0, len(watched.answers)), np.float32), np.zeros(0, np.float32)
    return np.concatenate(found), np.concatenate(entropies)


def beginnings(
    model: Model, prompts: Sequence[Sequence[int]], steers: Sequence[Sequence[AnySteer]]
) -> dict[tuple[int, ...], Known]:
    """Return what prompts hold below all of some steers, which their placebos share.

    Parameters
    ----------
    model : Model
    prompts : sequence of (sequence of int)
    steers : sequence of sequence of Steer or HeadScale
        Whoever will be asked about acts where one of these does, or above.

    Returns
    -------
    dict of prompt -> Known
        Empty of a model on a server, and where a steer acts inside the first block's way.
    """
    found: dict[tuple[int, ...], Known] = {}
    # the prompts themselves, which know their turns
    for prompt in {tuple(one): one for one in prompts}.values():
        # off: only what is held below them counts, and a strength of their own may be too large
        rows = [[steer.times(0) for steer in mine] for mine in steers]
        steered = Steered(model, rows, [prompt] * len(rows), 1, keeping=True)
        if not steered.keeping:
            break
        generate_rows(model, [prompt] * len(rows), steered, max_new_tokens=1)
        found |= read_so_far(steered, [prompt])
    return found


def read_so_far(steered: Steered, prompts: Sequence[Sequence[int]]) -> dict[tuple[int, ...], Known]:
    """Return what rows that were written held below their steers, of their prompts alone."""
    return {
        tuple(prompt): Known(steered.known[n].depth, steered.known[n].states[: len(prompt)])
        for n, prompt in enumerate(prompts)
        if n in steered.known
    }
