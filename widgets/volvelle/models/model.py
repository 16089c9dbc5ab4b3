"""A language model one can look into and turn, here or on a server."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from volvelle.arguments.call import checked_in
from volvelle.arguments.plain import MOST_SEED, whole
from volvelle.models.engine.engine import Engine
from volvelle.models.engine.sizes import check_before, check_context
from volvelle.models.engine.tokens import Tokens
from volvelle.models.verbs import observe, predict, read, write
from volvelle.progress import looking

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from volvelle.compute.directions.points import Point
    from volvelle.models.engine.proofs import Proofs
    from volvelle.models.verbs.capture import Capture
    from volvelle.models.verbs.predict import Unembedding
    from volvelle.models.verbs.read import WindowedCapture
    from volvelle.models.verbs.readout import Readout
    from volvelle.models.verbs.write import Generation


P = TypeVar("P", str, "Point")


@checked_in
class Model(Engine):
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

    # -- verbs -----------------------------------------------------------------

    def capture(
        self,
        texts: str | Tokens | Sequence[int] | Sequence[str | Tokens | Sequence[int]],
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
            ``mean`` leaves out position 0 and outliers. ``last`` of a text of one token is
            position 0, which `Capture.first` marks: for raw access, not for statistics.
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
            For unknown points, layers outside the model, texts over `context`; for texts under
            two tokens where `positions` is ``mean``.
        TypeError
            For a bare layer number.
        """
        rows = [self._read_whole(text) for text in looking(_several(texts), 16)]
        asked = list(points) if isinstance(points, (list, tuple)) else [points]
        places = [self.layout.point(point) for point in asked]
        return self.call(
            lambda: read.capture(self, rows, places, positions, reuse=reuse, progress=progress)
        )

    def _read_whole(self, text: Any) -> Tokens:
        """Return the tokens of a text that is to run in one piece."""
        check_before(self, text, "texts")
        return self._tokens_in("texts", text)

    def capture_windows(
        self,
        text: str | Tokens | Sequence[int],
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
        text : str, Tokens or sequence of int
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
        size = self.context if window is None else whole(window, "window", 2, self.context)
        again = max(1, size // 8) if overlap is None else whole(overlap, "overlap", 1, size - 1)
        return self.call(
            lambda: read.capture_windows(
                self, tokens, place, size, again, reuse=reuse, progress=progress
            )
        )

    def observe(
        self,
        texts: str | Tokens | Sequence[int] | Sequence[str | Tokens | Sequence[int]],
        asked: Mapping[P, Sequence[Readout]],
        *,
        window: int | None = None,
        overlap: int | None = None,
        first: bool = True,
        reuse: bool = False,
        progress: Callable[[float, str], None] | None = None,
    ) -> dict[P, list[Any]]:
        """Make readouts of what the model holds at points while it reads texts.

        On a server a readout is made where the states are, or they are brought back, by which
        moves fewer bytes; the job says which.

        Parameters
        ----------
        texts : str, Tokens, or a list of them or of token ids
            Longer ones than a window run in overlapping windows, where every token is read.
        asked : mapping of point to sequence of Readout
            What is to be made of the states of each point (`experiments.readouts`).
        window : int, optional
            Most tokens run together, 2...`context`; `context` by default.
        overlap : int, optional
            Tokens a later window reads again as context; an eighth of the window by default.
        first : bool
            Whether position 0 of each text is read.
        reuse : bool
            As in `capture`, of states that are brought or are here.
        progress : callable(fraction, text), optional

        Returns
        -------
        dict of point to list
            What each readout comes to, over the tokens that are read of all texts, one after
            the other.

        Raises
        ------
        ValueError
            As `capture` does, and for windows outside the context.
        """
        rows = [self._tokens_in("texts", text) for text in looking(_several(texts), 16)]
        places = {point: self.layout.point(point) for point in asked}
        wanted: dict[Point, list[Readout]] = {}
        for point, readouts in asked.items():  # one place may be spelled in two ways
            wanted.setdefault(places[point], []).extend(readouts)
        found = self.call(
            lambda: observe.observe(
                self,
                self.capture,
                rows,
                wanted,
                window=window,
                overlap=overlap,
                first=first,
                reuse=reuse,
                progress=progress,
            )
        )
        each = {place: iter(made) for place, made in found.items()}
        return {point: [next(each[place]) for _ in asked[point]] for point, place in places.items()}

    def generate(  # noqa: PLR0917 - the contract's order
        self,
        prompt: str | Tokens | Sequence[int] | Sequence[Mapping[str, str]],
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
        prompt : str, Tokens, ids, or chat messages
            A list of dicts with ``role`` and ``content`` is put in the model's template.
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
        seed = whole(seed, "seed", 0, MOST_SEED)
        ids = self.prompt_ids(prompt, chat=chat)
        return self.call(
            lambda: write.generate_rows(
                self,
                [ids],
                self._steered(steers, [ids], max_new_tokens),
                seeds=[write.row_seed(seed, 0)],
                max_new_tokens=max_new_tokens,
                temperature=temperature,
                on_token=on_token,
            )[0]
        )

    def _steered(self, steers: Any, rows: Sequence[Sequence[int]], n: int) -> Any:
        from volvelle.models.steering.steered import Steered, steers_of_rows

        of_rows = steers_of_rows(steers, len(rows))
        return Steered(self, of_rows, rows, n) if any(of_rows) else None

    def next_token(
        self,
        prompts: str | Tokens | Sequence[Any],
        steers: Any = (),
        tokens: Sequence[str | int] | None = None,
        *,
        chat: bool = False,
        progress: Callable[[float, str], None] | None = None,
    ) -> np.ndarray:
        """Return what the model expects next.

        Parameters
        ----------
        prompts : str, Tokens, ids or chat messages, or a list of them
        steers : Steer or sequence of Steer
        tokens : sequence of str or int, optional
            Which tokens; each string must be a single token, mind the leading space.
        chat : bool
            Put text prompts in the model's chat template, as the user's turn.
        progress : callable(fraction, text), optional

        Returns
        -------
        array, float32, shape (prompt, token)
            Natural-log probabilities; over the whole vocabulary without `tokens`.

        Raises
        ------
        ValueError
            For a string that is not one token, prompts over `context`, and ids that the model
            does not know.
        """
        several = looking(_several(prompts), 16)
        # a sweep asks the same few texts thousands of times
        split: dict[str, list[int]] = {}
        rows: list[list[int]] = []
        for prompt in several:
            ids = split.get(prompt) if isinstance(prompt, str) else None
            ids = self.prompt_ids(prompt, chat=chat) if ids is None else ids
            if isinstance(prompt, str):
                split[prompt] = ids
            rows.append(ids)
        check_context(self, map(len, rows), "prompts")
        wanted = None if tokens is None else [self.token_id(token) for token in tokens]
        return self.call(
            lambda: predict.next_token(self, rows, self._steered(steers, rows, 0), wanted, progress)
        )

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
        return predict.norm(self, self.layout.point(point))

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
        return self.call(lambda: predict.unembed(self, vectors, k))

    def check(self) -> Proofs:
        """Return what this model has proven of its points, trying it where it has not yet.

        Three passes over 80 tokens, on the first use of a point and then remembered under the
        model's weights: what the blocks hand on, what the attention and the mlp add, what the
        heads become, what the final norm and the unembedding make of the last state, whether
        padding or what follows changes a row, and whether what is written is met by the next
        block. A point whose equation fails is refused. On a server this rides in the first request
        that reads or turns a point; asked for by itself it is a request of its own.

        Returns
        -------
        Proofs
            One row per equation.

        Examples
        --------
        >>> import volvelle as vv
        >>> vv.load("smollm2").check().refused
        ()
        """
        return self.proving.proofs()

    def __repr__(self) -> str:
        where = "here" if not self.remote else f"remote={self.remote!r}"
        return (
            f"Model({self.name}: {self.n_layers} layers, d_model {self.d_model}, "
            f"context {self.context}, {where})"
        )


if TYPE_CHECKING:
    from volvelle.compute.directions.captures import Wrapped

    def _what_directions_read(model: Model) -> Wrapped:  # pyright holds it
        return model


def _several(texts: Any) -> list[Any]:
    """Return a list of texts from one or several."""
    if isinstance(texts, (str, Tokens)):
        return [texts]
    if not np.iterable(texts):
        raise TypeError(f"texts is {type(texts).__name__}, expected str or a list of them")
    listed = list(texts)
    if listed and all(isinstance(item, (int, np.integer, Mapping)) for item in listed):
        return [listed]
    return listed
