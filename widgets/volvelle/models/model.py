"""A language model one can look into and turn, here or on a server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from volvelle.models.engine.at_work import AtWork
from volvelle.models.engine.facts import Facts
from volvelle.models.engine.prefix import Prefixes
from volvelle.models.engine.running import Runner
from volvelle.models.engine.tokens import Tokens, tokenize, tokens_of_ids
from volvelle.models.verbs import predict as predicting
from volvelle.models.verbs import read as reading
from volvelle.models.verbs import write as writing
from volvelle.names import known_keywords_in

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from volvelle.compute.directions.points import Point
    from volvelle.models.engine.architecture import Layout
    from volvelle.models.verbs.capture import Capture
    from volvelle.models.verbs.predict import Unembedding
    from volvelle.models.verbs.read import WindowedCapture
    from volvelle.models.verbs.write import Generation


@known_keywords_in
class Model(Facts, AtWork):
    """A language model under nnsight. Made by `volvelle.load` and `volvelle.wrap`.

    Attributes
    ----------
    name : str
    n_layers, d_model : int
    context : int
        Tokens it reads at once.
    tokenizer : transformers tokenizer
    remote : bool or str
        False here; True on NDIF; the address of another server.
    nnsight : TransformersModel
        The wrapped model, for traces of one's own. Trace it on `worker` (``model.call``) while
        views of it are open: nnsight cannot trace one model from two threads.
    layout : Layout
        Where the named points lie.
    """

    def __init__(self, lm: Any, layout: Layout, *, remote: bool | str = False) -> None:
        super().__init__(lm, layout)
        self.remote = remote
        self.prefixes = Prefixes()
        self.run = Runner(lm, layout, remote)
        self._norms: dict[Point, float] = {}

    # -- verbs -----------------------------------------------------------------

    def tokens(self, text: str | Tokens | Sequence[int]) -> Tokens:
        """Split a text into the tokens the model is given.

        Parameters
        ----------
        text : str, Tokens or sequence of int
            Special tokens written out in a string are read as such. Ids are decoded.

        Returns
        -------
        Tokens
        """
        if isinstance(text, Tokens):
            return text
        if isinstance(text, str):
            return tokenize(self.tokenizer, text)
        if not np.iterable(text):
            raise TypeError(f"text is {type(text).__name__}, expected str or token ids")
        return tokens_of_ids(self.tokenizer, [int(i) for i in np.asarray(text).ravel()])

    def capture(
        self,
        texts: str | Tokens | Sequence[str | Tokens | Sequence[int]],
        points: str | Point | Sequence[str | Point],
        positions: str = "all",
        *,
        reuse: bool = False,
        progress: Callable[[float, str], None] | None = None,
    ) -> Capture:
        """Read what the model holds at points while it reads texts.

        Parameters
        ----------
        texts : str, Tokens, or a list of them or of token ids
            Each at most `context` tokens; `capture_windows` takes longer ones.
        points : str, Point or a list of them, in any order
            ``resid_post.14``, ``model.layers.14.output`` or ``blocks.14.hook_resid_post``.
        positions : {"all", "last", "mean"}
            ``mean`` leaves out position 0 and outliers.
        reuse : bool
            Compute only what changed since an earlier text captured with ``reuse=True`` at the
            same points: what follows the common beginning. Exact to float rounding. For
            positions "all" of up to 8 texts; ignored otherwise.
        progress : callable(fraction, text), optional

        Returns
        -------
        Capture
            ``capture[point]`` float32, shape (text, token, d) or (text, d).

        Raises
        ------
        ValueError
            For unknown points, layers outside the model, texts over `context`.
        TypeError
            For a bare layer number.
        """
        rows = [self.tokens(text) for text in _several(texts)]
        asked = list(points) if isinstance(points, (list, tuple)) else [points]
        places = [self.layout.point(point) for point in asked]
        return self.call(
            lambda: reading.capture(self, rows, places, positions, reuse=reuse, progress=progress)
        )

    def capture_windows(
        self,
        text: str | Tokens,
        point: str | Point,
        window: int | None = None,
        overlap: int | None = None,
        *,
        reuse: bool = False,
        progress: Callable[[float, str], None] | None = None,
    ) -> WindowedCapture:
        """Read one point along a text of any length.

        Parameters
        ----------
        text : str or Tokens
        point : str or Point
        window : int, optional
            Tokens run together, 2...`context`; `context` by default, so that a text that fits
            runs whole.
        overlap : int, optional
            Tokens a later window reads again as context; an eighth of the window by default.
        reuse, progress
            As in `capture`.

        Returns
        -------
        WindowedCapture
            ``.states`` (n_tokens, d), ``.windows``, ``.left_out``, ``.outliers``.
        """
        tokens, place = self.tokens(text), self.layout.point(point)
        size = self.context if window is None else window
        if size > self.context:
            raise ValueError(f"window {size} exceeds {self.name}'s context of {self.context}")
        again = max(1, size // 8) if overlap is None else overlap
        return self.call(
            lambda: reading.capture_windows(
                self, tokens, place, size, again, reuse=reuse, progress=progress
            )
        )

    def generate(  # noqa: PLR0917 - the contract's order
        self,
        prompt: str | Tokens | Sequence[int],
        steers: Any = (),
        max_new_tokens: int = 48,
        temperature: float = 0.0,
        seed: int = 0,
        chat: bool = False,
        on_token: Callable[[int, int, int], None] | None = None,
    ) -> Generation:
        """Continue a prompt.

        Parameters
        ----------
        prompt : str, Tokens or ids
        steers : Steer or sequence of Steer
        max_new_tokens : int
        temperature : float
            0 takes the likeliest token; otherwise tokens are drawn from softmax(logits / t).
        seed : int
            Of the row's own generator: the same draw whatever else runs.
        chat : bool
            Wrap the prompt in the model's chat template, as the user's turn.
        on_token : callable(row, step, token id), optional
            Called as tokens come, on the model's thread; what it raises ends the generation.

        Returns
        -------
        Generation
            ``.text`` is the continuation.
        """
        ids = self.prompt_ids(prompt, chat=chat)
        return self.call(
            lambda: writing.generate_rows(
                self,
                [ids],
                self._steered(steers, [ids], max_new_tokens),
                seeds=[writing.row_seed(seed, 0)],
                max_new_tokens=max_new_tokens,
                temperature=temperature,
                on_token=on_token,
            )[0]
        )

    def prompt_ids(self, prompt: str | Tokens | Sequence[int], *, chat: bool = False) -> list[int]:
        """Return the ids of a prompt, in the chat template where asked for."""
        if not chat:
            return self.tokens(prompt).ids.tolist()
        if not isinstance(prompt, str):
            raise TypeError("chat=True wraps a prompt given as text in the chat template")
        if not getattr(self.tokenizer, "chat_template", None):
            raise ValueError(f"{self.name}'s tokenizer has no chat template; use chat=False")
        text = self.tokenizer.apply_chat_template(
            [{"role": "user", "content": prompt}], tokenize=False, add_generation_prompt=True
        )
        return list(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    def _steered(self, steers: Any, rows: Sequence[Sequence[int]], n: int) -> Any:
        from volvelle.models.steering.steered import Steered, steers_of_rows

        of_rows = steers_of_rows(steers, len(rows))
        return Steered(self, of_rows, rows, n) if any(of_rows) else None

    def next_token(
        self,
        prompts: str | Tokens | Sequence[str | Tokens | Sequence[int]],
        steers: Any = (),
        tokens: Sequence[str | int] | None = None,
    ) -> np.ndarray:
        """Return what the model expects next.

        Parameters
        ----------
        prompts : str, Tokens or a list of them
        steers : Steer or sequence of Steer
        tokens : sequence of str or int, optional
            Which tokens; each string must be a single token, mind the leading space.

        Returns
        -------
        array, float32, shape (prompt, token)
            Natural-log probabilities; over the whole vocabulary without `tokens`.

        Raises
        ------
        ValueError
            For a string that is not one token.
        """
        rows = [self.tokens(prompt).ids.tolist() for prompt in _several(prompts)]
        wanted = None if tokens is None else [self.token_id(token) for token in tokens]
        return self.call(
            lambda: predicting.next_token(self, rows, self._steered(steers, rows, 0), wanted)
        )

    def token_id(self, token: str | int) -> int:
        """Return the id of a string that is one token."""
        if isinstance(token, (int, np.integer)):
            if not 0 <= token < self.vocabulary:
                raise ValueError(
                    f"token {token} is outside {self.name}'s 0...{self.vocabulary - 1}"
                )
            return int(token)
        ids = list(self.tokenizer(token, add_special_tokens=False)["input_ids"])
        if len(ids) != 1:
            pieces = [self.tokenizer.decode([i]) for i in ids]
            raise ValueError(
                f"{token!r} is {len(ids)} tokens of {self.name} {pieces}; only single tokens "
                "have a next-token probability (words in a sentence begin with a space)"
            )
        return int(ids[0])

    def norm(self, point: str | Point) -> float:
        """Return the median norm of the states at a point: the unit of a steer's strength.

        Parameters
        ----------
        point : str or Point

        Returns
        -------
        float
            Over the shipped neutral text, without position 0 and outliers; measured once.
        """
        place = self.layout.point(point)
        if place not in self._norms:
            if self.run.weighing:  # a request of its own, which is not what is asked about
                return 1.0
            self.call(lambda: self._measure(place))
        return self._norms[place]

    def _measure(self, place: Point) -> None:
        with self.run.alone():  # two jobs that need it wait for one request
            predicting.measure_norms(self, place, self._norms)

    def unembed(self, vectors: Any, k: int = 10) -> Unembedding:
        """Return the tokens that directions promote and suppress.

        Parameters
        ----------
        vectors : Direction, Dictionary, or array, shape (d_model,) or (n, d_model)
        k : int
            How many of each.

        Returns
        -------
        Unembedding
            Logit effects ``W_U (gain * v)``: the final norm's gain folded in (and its centring,
            for a LayerNorm), its division left out; each direction's effects are centred over
            the vocabulary, which leaves probabilities as they are.
        """
        return self.call(lambda: predicting.unembed(self, vectors, k))

    def __repr__(self) -> str:
        where = "here" if not self.remote else f"remote={self.remote!r}"
        return (
            f"Model({self.name}: {self.n_layers} layers, d_model {self.d_model}, "
            f"context {self.context}, {where})"
        )


def _several(texts: Any) -> list[Any]:
    """Return a list of texts from one or several."""
    if isinstance(texts, (str, Tokens)):
        return [texts]
    if not np.iterable(texts):
        raise TypeError(f"texts is {type(texts).__name__}, expected str or a list of them")
    listed = list(texts)
    if listed and all(isinstance(item, (int, np.integer)) for item in listed):
        return [listed]
    return listed
