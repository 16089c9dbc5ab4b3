"""What is made of states where they are, here or on a server: all that one kind of it must say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy as np

    # ids (rows, tokens) right-padded; of each row, how many tokens are real, how many of the
    # first ones are context and not read, and the number of its text
    Batch = tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]

FLOAT = 4


class Size(NamedTuple):
    """How much is read.

    Attributes
    ----------
    n_tokens, n_texts : int
    width : int
        Of a state.
    """

    n_tokens: int
    n_texts: int
    width: int


class Bytes(NamedTuple):
    """What a readout moves, without compression, which does little to either.

    Attributes
    ----------
    sent, received : int
    """

    sent: int
    received: int


class Readout:
    """What is made of the states of texts at a point. `Model.observe` makes it.

    A further one says `each`, what travels with it, its bytes, and how it is joined.

    Attributes
    ----------
    positions : {"all", "last", "mean"}
        Of which states: of every token, or one of each text, as `Model.capture` pools them; a
        text whose last token is of outlying norm has NaN for its last state.
    each : callable(state, batch, sent)
        Class attribute, a function of `models.traces` named in `traces.bodies`: what is made of
        the states (rows, tokens, d) of one batch, in tensors. `sent` holds `modules` too.
    whole : callable(parts, places, sent), optional
        Class attribute, likewise: what is made of all batches, where they must come together.
    rests_on : tuple of str
        Class attribute: equations of `models.engine.proofs` without which it says nothing true.
    """

    positions: str = "all"
    each: ClassVar[Callable[..., Any]]
    whole: ClassVar[Callable[..., Any] | None] = None
    rests_on: ClassVar[tuple[str, ...]] = ()

    def sent(self) -> dict[str, Any]:
        """Return what `each` and `whole` need: plain values and tensors."""
        return {}

    @property
    def modules(self) -> dict[str, str]:
        """Paths of modules of the model that `each` calls, by their names in its ``sent``.

        Their weights stay where the model is, so on a server it is made there and nowhere else.
        """
        return {}

    @property
    def width(self) -> int | None:
        """How wide the states are that it reads; None where any will do."""
        return None

    def bytes(self, size: Size) -> Bytes:
        """Return what it moves where it is made on a server."""
        raise NotImplementedError

    def here(
        self,
        states: np.ndarray,
        batch: Batch,
        sent: Mapping[str, Any],
        tell: Callable[[float], None],
    ) -> Any:
        """Return what `each` does, of states that are here.

        Parameters
        ----------
        states : float32 array, shape (rows, tokens, d)
            Padded as the batch is; (rows, d) for other positions than ``"all"``, which are
            pooled already.
        batch : tuple of tensor
        sent : mapping
            As `each` takes it, modules in it.
        tell : callable(fraction)
            Called within what takes long; may raise to end it.
        """
        del tell
        rows = torch.from_numpy(states)
        if self.positions != "all":
            return rows
        with torch.no_grad():
            return type(self).each(rows, batch, sent)

    def joined(self, parts: Sequence[Any], order: np.ndarray | None) -> Any:
        """Return the readout of all texts.

        Parameters
        ----------
        parts : sequence
            What `each` gave, batch after batch; what `whole` gave, alone, where there is one.
        order : int array, shape (n_rows,), or None
            The rows of the batches in the order of the texts; None where they are in it.
        """
        raise NotImplementedError
