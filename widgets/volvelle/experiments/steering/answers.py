"""Answers to watch: a token, a text of several tokens, or spellings of either counted together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from volvelle.arguments import plain
from volvelle.arguments.call import checked
from volvelle.arguments.texts import clean, cleaned
from volvelle.models.engine.sizes import check_before, check_context
from volvelle.models.engine.tokens import split
from volvelle.models.steering.score import score_steered
from volvelle.models.steering.steered import Steered

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from volvelle.models.model import Model

    Progress = Callable[[float, str], None] | None


# Words of a set that its name says.
MOST_NAMED = 3


@dataclass(frozen=True)
class Answer:
    """What the model may say, in one spelling or several.

    Attributes
    ----------
    name : str
    spellings : tuple of tuple of int
        Token ids of each. None begins with another, so that their probabilities add up.
    strings : tuple of str
        The same as text.
    """

    name: str
    spellings: tuple[tuple[int, ...], ...]
    strings: tuple[str, ...]

    @property
    def tokens(self) -> list[int]:
        """The spellings that are one token."""
        return [ids[0] for ids in self.spellings if len(ids) == 1]

    @property
    def texts(self) -> list[tuple[int, ...]]:
        """The spellings that are several tokens."""
        return [ids for ids in self.spellings if len(ids) > 1]


@checked
def spellings(word: str) -> tuple[str, ...]:
    """Return the usual spellings of a word: one entry of ``watch=`` that counts them together.

    Parameters
    ----------
    word : str

    Returns
    -------
    tuple of str
        As given, in lower case and capitalised, each with and without a leading space.

    Examples
    --------
    >>> vv.spellings("yes")
    ('yes', ' yes', 'Yes', ' Yes')
    """
    if not isinstance(word, str) or not word.strip():
        raise ValueError(f"word={word!r} must be a text that is not empty")
    bare = word.strip()
    forms = dict.fromkeys((bare, bare.lower(), bare.capitalize()))
    return tuple(spelled for form in forms for spelled in (form, f" {form}"))


def answers_of(model: Model, watch: Any, taken: Sequence[str] = ()) -> tuple[Answer, ...]:
    """Return what is to be watched.

    Parameters
    ----------
    model : Model
    watch : str, int, a list of them or of tuples of them, or dict of name -> str, int or tuple
        Each entry is one answer: a text exactly as written, a token's id, or several texts that
        count together: spellings of a word, named by the first, or a set of words, named by
        them. A dict names them.
    taken : sequence of str
        Names that mean something else.

    Raises
    ------
    ValueError, TypeError
        For empty texts, ids outside the vocabulary, names that are taken or used twice.
    """
    if not isinstance(watch, np.ndarray) and hasattr(watch, "tolist") and np.ndim(watch) == 1:
        watch = plain.listed(watch)  # a column of texts
    if isinstance(watch, Mapping):
        named = [(str(name), given) for name, given in watch.items()]
    elif isinstance(watch, (str, int, np.integer)):
        named = [("", watch)]
    elif isinstance(watch, (list, tuple, set, frozenset, np.ndarray)):
        named = [("", given) for given in watch]
    else:
        raise TypeError(
            f"watch={watch!r} is no answer; give a text, a token's id, a tuple of spellings, or a "
            "list of them"
        )
    found: dict[str, Answer] = {}
    for name, given in named:
        answer = _answer(model, clean(name), given)
        if answer.name in taken:
            raise ValueError(
                f"watch: {answer.name!r} is also a measure's name; name it in a dict, as in "
                f"watch={{'the word {answer.name}': {answer.name!r}}}"
            )
        if found.setdefault(answer.name, answer) != answer:
            raise ValueError(f"watch: two answers are named {answer.name!r}; name them in a dict")
    return tuple(found.values())


def _answer(model: Model, name: str, given: Any) -> Answer:
    listed = list(given) if isinstance(given, (list, tuple, set, frozenset)) else [given]
    listed = cleaned(listed)
    if not listed:
        raise ValueError("watch holds an answer without a spelling")
    ids = {ids_of(model, one): None for one in listed}
    # "New" counts what goes on as "New York" already
    kept = tuple(
        mine for mine in ids if not any(mine[: len(o)] == o for o in ids if len(o) < len(mine))
    )
    strings = tuple(model.tokenizer.decode(list(mine)) for mine in kept)
    spelled = [
        one if isinstance(one, str) else model.tokenizer.decode([int(one)]) for one in listed
    ]
    return Answer(name or _called(spelled), kept, strings)


def _called(spelled: Sequence[str]) -> str:
    """Return the first spelling of one word; of a set of words, the words."""
    words = list(dict.fromkeys(one.strip().lower() or one for one in spelled))
    if len(words) == 1:
        return spelled[0]
    more = f" +{len(words) - MOST_NAMED}" if len(words) > MOST_NAMED else ""
    return " / ".join(words[:MOST_NAMED]) + more


def ids_of(model: Model, text: Any) -> tuple[int, ...]:
    """Return the tokens of a text as the tokenizer splits it by itself, or of one id."""
    if isinstance(text, (int, np.integer)) and not isinstance(text, bool):
        try:
            return (model.token_id(int(text)),)
        except ValueError as error:
            raise ValueError(f"watch: {error}") from error
    if not isinstance(text, str):
        raise TypeError(f"watch holds {text!r}; an answer is a text, or a token's id")
    check_before(model, text, "watch")
    ids = split(model.tokenizer, text, add_special_tokens=False)["input_ids"]
    if not len(ids):
        raise ValueError(f"watch holds {text!r}, which has no tokens")
    return tuple(int(i) for i in ids)


class Watched:
    """The probabilities of some answers, from those of tokens and of whole texts.

    Parameters
    ----------
    answers : sequence of Answer

    Attributes
    ----------
    tokens : list of int
        What must be known of the next token's distribution.
    once : bool array, shape (n_answers,)
        Answers with a spelling of several tokens: known where they are scored only.
    """

    def __init__(self, answers: Sequence[Answer]) -> None:
        self.answers = tuple(answers)
        self.tokens = [token for answer in answers for token in answer.tokens]
        self.once = np.array([bool(answer.texts) for answer in answers], dtype=bool)
        self._counts = [len(answer.tokens) for answer in answers]
        self._plain = all(count == 1 for count in self._counts) and not self.once.any()

    def check(self, model: Model, prompts: Sequence[Sequence[int]], name: str = "prompt") -> None:
        """Raise ValueError where prompts, and the answers behind them, exceed the context."""
        longest = max((len(text) for answer in self.answers for text in answer.texts), default=1)
        check_context(model, map(len, prompts), name, longest - 1)

    def of_tokens(self, logprobs: np.ndarray) -> np.ndarray:
        """Add up the spellings that are one token.

        Parameters
        ----------
        logprobs : float array, shape (..., n_tokens)
            Natural log, in the order of `tokens`.

        Returns
        -------
        float array, shape (..., n_answers)
            Natural log; -inf where an answer has no such spelling.
        """
        if self._plain:
            return logprobs
        parts = np.split(logprobs, np.cumsum(self._counts)[:-1], axis=-1) if self._counts else []
        sums = [np.logaddexp.reduce(part, axis=-1, initial=-np.inf) for part in parts]
        shape = (*logprobs.shape[:-1], 0)
        return np.stack(sums, axis=-1) if sums else np.zeros(shape, logprobs.dtype)

    def at(self, step: int, tokens: np.ndarray, whole: np.ndarray) -> np.ndarray:
        """Return what is known of the answers before one step's token is written.

        Parameters
        ----------
        step : int
        tokens : float array, shape (..., n_answers)
            Of `of_tokens`, there.
        whole : float array, shape (..., n_answers)
            Of `of_texts`, right after the prompt.

        Returns
        -------
        float array, shape (..., n_answers)
            Natural log; NaN for answers of several tokens at later steps.
        """
        if not self.once.any():
            return tokens
        return np.logaddexp(tokens, whole) if step == 0 else np.where(self.once, np.nan, tokens)

    def along(self, tokens: np.ndarray, whole: np.ndarray) -> np.ndarray:
        """Return what is known before each token of one text.

        Parameters
        ----------
        tokens : float array, shape (n_steps, n_tokens)
        whole : float array, shape (n_answers,)

        Returns
        -------
        float32 array, shape (n_steps, n_answers)
        """
        found = self.of_tokens(tokens)
        steps = [self.at(step, row, whole) for step, row in enumerate(found)]
        return np.array(steps, dtype=np.float32).reshape(found.shape)

    def of_texts(
        self,
        model: Model,
        prompts: Sequence[Sequence[int]],
        steers: Sequence[Sequence[Any]],
        n: int = 0,
        progress: Progress = None,
    ) -> np.ndarray:
        """Score the spellings that are several tokens behind each prompt, and add them up.

        A text's probability is the product of its tokens', each given those before it: they
        are put there, and steered as generated tokens are.

        Parameters
        ----------
        model : Model
        prompts : sequence of (sequence of int)
        steers : sequence of sequence of Steer or HeadScale
            Of each prompt.
        n : int
            How many tokens are generated, for steers that count them.
        progress : callable(fraction, text), optional

        Returns
        -------
        float array, shape (n_prompts, n_answers)
            Natural log; -inf where an answer has no such spelling.
        """
        found = np.full((len(prompts), len(self.answers)), -np.inf)
        asked = [
            (row, column, text)
            for row in range(len(prompts))
            for column, answer in enumerate(self.answers)
            for text in answer.texts
        ]
        if not asked:
            return found
        steered = Steered(
            model,
            [steers[row] for row, *_ in asked],
            [prompts[row] for row, *_ in asked],
            n,
            forced=[text[:-1] for *_, text in asked],
        )
        texts = [(prompts[row], text) for row, _, text in asked]
        for (row, column, _), each in zip(
            asked, score_steered(model, texts, steered, progress), strict=True
        ):
            found[row, column] = np.logaddexp(found[row, column], each.sum(dtype=float))
        return found
