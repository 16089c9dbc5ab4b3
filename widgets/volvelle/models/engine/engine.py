"""What every verb works with: a model's facts, its tokens, and who runs its traces."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from volvelle.arguments.call import checked_in
from volvelle.arguments.said import seen
from volvelle.arguments.texts import clean
from volvelle.models.engine.at_work import AtWork
from volvelle.models.engine.chats import Prompt, checked_messages
from volvelle.models.engine.facts import Facts
from volvelle.models.engine.prefix import Prefixes
from volvelle.models.engine.proofs import RESTS_ON
from volvelle.models.engine.proving import Proving
from volvelle.models.engine.running import Runner
from volvelle.models.engine.sizes import check_before, check_ids
from volvelle.models.engine.tokens import Tokens, bos_trouble, string_of, tokenize, tokens_of_ids

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from volvelle.compute.directions.points import Point
    from volvelle.models.engine.architecture import Layout, Site


# Longest text of one token, in characters; those of vocabularies are under 200.
LONGEST_TOKEN = 1000
# Tokens of a text that is several which a message names.
MOST_PIECES = 8


@checked_in
class Engine(Facts, AtWork):
    """A model without its verbs. `Model` documents it.

    Attributes
    ----------
    run : Runner
        Runs the bodies of `models.traces`.
    prefixes : Prefixes
        Beginnings of texts that were read with ``reuse=True``.
    proving : Proving
        What it has proven of its points.
    norms : dict of Point to float
        Median norms that were measured; forgotten, as prefixes are, when the weights change.
    """

    def __init__(self, lm: Any, layout: Layout, *, remote: bool | str = False) -> None:
        super().__init__(lm, layout)
        self.remote = remote
        self.prefixes = Prefixes()
        self.run = Runner(lm, layout, remote)
        self.norms: dict[Point, float] = {}
        norms, prefixes = self.norms, self.prefixes

        def forget() -> None:
            norms.clear()
            prefixes.clear()

        self.run.rider = self.proving = Proving(self, self.run, forget)
        self._warned: set[str] = set()

    def tokens(self, text: str | Tokens | Sequence[int]) -> Tokens:
        """Split a text into the tokens the model is given.

        Parameters
        ----------
        text : str, Tokens or sequence of int
            Special tokens written out in a string are read as such. Ids are decoded.

        Returns
        -------
        Tokens

        Raises
        ------
        ValueError
            For more than a million characters, and ids that the model has no embedding for.
        """
        return self._tokens_in("text", text)

    def _tokens_in(self, name: str, text: Any) -> Tokens:
        """Do what `tokens` does, for an argument that errors are to call by its own name."""
        if isinstance(text, Tokens):
            check_ids(self, text.ids, name)
            return text
        if isinstance(text, str):
            found = tokenize(self.tokenizer, text, name=name)
            check_ids(self, found.ids, name)
            self._warn_once(bos_trouble(self.tokenizer, found.ids[:2].tolist()))
            return found
        if not np.iterable(text):
            raise TypeError(f"{name} is {type(text).__name__}, expected str or token ids")
        ids = [int(i) for i in np.asarray(text).ravel().tolist()]
        check_ids(self, ids, name)
        return tokens_of_ids(self.tokenizer, ids)

    def _warn_once(self, trouble: str) -> None:
        if trouble and trouble not in self._warned:
            self._warned.add(trouble)
            warnings.warn(f"{self.name}: {trouble}", stacklevel=5)

    def site(self, point: Point) -> Site:
        """Return where a point lies, once the model has proven it.

        On a server the first request proves it, and raises when it comes back.

        Raises
        ------
        ValueError
            For a point that the model has not, or whose equations do not hold on it.
        """
        site = self.layout.site(point)
        if point.kind in RESTS_ON:
            self.proving.claim(lambda proofs: proofs.offer(point))
        return site

    def hold(self, name: str, what: str) -> None:
        """Raise ValueError where an equation does not hold on this model; see `Proofs.hold`."""
        self.proving.claim(lambda proofs: proofs.hold(name, what))

    def hold_padding(self, lengths: Iterable[int], side: str) -> None:
        """Raise ValueError where rows of unequal length would not be what they are alone."""
        if len(set(lengths)) > 1:
            self.hold(
                f"{side} padding", "texts of unequal length together (give them one at a time)"
            )

    def token_id(self, token: str | int) -> int:
        """Return the id of a string that is one token."""
        if isinstance(token, (int, np.integer)):
            if not 0 <= token < self.vocabulary:
                raise ValueError(
                    f"token {token} is outside {self.name}'s 0...{self.vocabulary - 1}"
                )
            return int(token)
        if len(token) > LONGEST_TOKEN:
            raise ValueError(f"token has {len(token):,} characters, which no single token has")
        ids = list(self.tokenizer(clean(token), add_special_tokens=False)["input_ids"])
        if len(ids) != 1:
            pieces = [string_of(self.tokenizer, i) for i in ids[:MOST_PIECES]]
            more = ", ..." if len(ids) > MOST_PIECES else ""
            raise ValueError(
                f"{seen(token)} is {len(ids)} tokens of {self.name} ({', '.join(map(repr, pieces))}"
                f"{more}); only single tokens "
                "have a next-token probability (words in a sentence begin with a space)"
            )
        return int(ids[0])

    def prompt_ids(
        self,
        prompt: str | Tokens | Sequence[int] | Mapping[str, str] | Sequence[Mapping[str, str]],
        *,
        chat: bool = False,
    ) -> list[int]:
        """Return the ids of a prompt, in the chat template where asked for.

        Parameters
        ----------
        prompt : str, Tokens, sequence of int, or sequence of dict
            Dicts are chat messages with ``role`` and ``content``, put in the model's template.
        chat : bool
            Put a text in the template as the user's turn.

        Returns
        -------
        list of int
            Of a chat a `Prompt`, which knows whose the tokens are.

        Raises
        ------
        ValueError
            For messages without role or content, roles no template knows, messages the model's
            template refuses, and models without a template.
        TypeError
            For messages whose content is no text; for tokens with ``chat=True``.
        """
        if isinstance(prompt, Mapping):
            prompt = [cast("Mapping[str, str]", prompt)]
        check_before(self, prompt, "prompt")
        if isinstance(prompt, (list, tuple)) and prompt and isinstance(prompt[0], Mapping):
            messages = checked_messages(prompt)
            check_before(self, "".join(one["content"] for one in messages), "prompt")
        elif not chat:
            return self._tokens_in("prompt", prompt).ids.tolist()
        elif isinstance(prompt, str):
            messages = [{"role": "user", "content": prompt}]
        else:
            raise TypeError("chat=True wraps a prompt given as text in the chat template")
        if not getattr(self.tokenizer, "chat_template", None):
            raise ValueError(
                f"{self.name}'s tokenizer has no chat template; give the prompt as text, with "
                "chat=False"
            )
        found = Prompt(self.tokenizer, messages, self.name)
        check_ids(self, found, "prompt")
        return found
