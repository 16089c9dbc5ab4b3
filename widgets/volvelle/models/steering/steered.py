"""From steers to what a trace applies, and back to what it applied."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from volvelle.arguments import plain
from volvelle.arguments.said import came
from volvelle.compute.directions.points import Point
from volvelle.compute.steering.steers import HeadScale, Steer
from volvelle.models.engine.chats import Prompt
from volvelle.models.steering.tensors import STEERS, Read, lay_out
from volvelle.models.verbs.known import Beginning, Known
from volvelle.progress import looking

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch

    from volvelle.models.engine.engine import Engine
    from volvelle.models.steering.tensors import LaidOut
    from volvelle.models.verbs.write import Generation

AnySteer = Steer | HeadScale

# Gemma-3n and later: number of last blocks that read the keys and values of earlier ones.
SHARING = "num_kv_shared_layers"


@dataclass(frozen=True, eq=False)
class Applied:
    """What steering did to one row.

    Attributes
    ----------
    masks : array, bool, shape (n_steers, n_tokens)
        Where each steer acted: inside the asked-for selection, its condition met, strength not
        0. Prompt first, then the generated tokens; the last of these is never read, so never
        steered.
    sizes : dict of point -> array, float32, shape (2, n_tokens)
        |delta| and |h| (before steering) at every token; NaN at the last generated one.
    """

    masks: np.ndarray
    sizes: dict[str, np.ndarray] = field(repr=False)

    @property
    def ratio(self) -> dict[str, np.ndarray]:
        """|delta| / |h| per point and token."""
        return {point: size[0] / size[1] for point, size in self.sizes.items()}

    def of_text(self, n_prompt: int, n_written: int) -> Applied:
        """Return what it did to a text that ended before others of its batch.

        What the batch read behind its end, and its last token, are no part of it.
        """
        length = n_prompt + n_written
        masks = self.masks[:, :length].copy()
        sizes = {point: size[:, :length].copy() for point, size in self.sizes.items()}
        if n_written:
            masks[:, -1] = False
            for size in sizes.values():
                size[:, -1] = np.nan
        return Applied(masks, sizes)


class Steered:
    """The steers of some rows: laid out for the rows that run together, noted afterwards.

    Parameters
    ----------
    model : Engine
    rows : sequence of sequence of Steer or HeadScale
        The steers of each row.
    prompts : sequence of int array
        Each row's token ids, of chats as `Engine.prompt_ids` returns them. Rows with one prompt
        may share one array.
    n : int
        Tokens to generate.
    noting : bool
        Whether to measure what is applied.
    keeping : bool
        Whether to keep what `scoring.score` can go on from, of models that run here: the states
        that reach the first steered place, where nothing has been steered yet, and all rows'
        keys and values.
    forced : sequence of sequence of int, optional
        Of each row, tokens that are read behind its prompt in the same pass, as generated ones.

    Attributes
    ----------
    applied : dict of row -> Applied
    known : dict of row -> Known
        Where the first steered place is what a block gives.
    """

    def __init__(
        self,
        model: Engine,
        rows: Sequence[Sequence[AnySteer]],
        prompts: Sequence[Any],
        n: int = 0,
        *,
        noting: bool = False,
        keeping: bool = False,
        forced: Sequence[Sequence[int]] = (),
    ) -> None:
        self.model = model
        self.rows = [list(row) for row in looking(rows)]
        self.n = n
        self.noting = noting
        self.keeping = keeping and not model.remote
        self.applied: dict[int, Applied] = {}
        self.known: dict[int, Known] = {}
        self._laid: dict[tuple[int, ...], LaidOut] = {}
        self._caches: dict[int, tuple[Any, int, int]] = {}
        self._forced = [np.asarray(tokens, dtype=np.int64) for tokens in forced]
        special = np.asarray(model.special_ids, dtype=np.int64)
        # keyed by the object: a sweep shares one prompt
        seen: dict[int, Read] = {}
        self._prompts = []
        for prompt in looking(prompts):
            if id(prompt) not in seen:
                ids = np.asarray(prompt, dtype=np.int64)
                read = Read(ids, np.isin(ids, special))
                if isinstance(prompt, Prompt):
                    known = prompt.turns
                    read = read._replace(chat=known, trouble="" if known else prompt.trouble)
                seen[id(prompt)] = read
            self._prompts.append(seen[id(prompt)])

    def __call__(self, members: Sequence[int]) -> list[tuple[Point, dict[str, Any]]]:
        """Return ``(point, payload)`` pairs for the rows that run together."""
        laid = lay_out(
            [self.rows[n] for n in members],
            [self._prompts[n] for n in members],
            self.model,
            n=self.n,
            forced=[self._forced[n] for n in members] if self._forced else (),
        )
        if self.noting or self.keeping:
            self._laid[tuple(members)] = laid
        return [
            (Point.parse(point), payload)
            for point, (_, _, payload) in zip(laid.points, laid.sites, strict=True)
        ]

    def strength_of(self, row: int) -> float:
        """Return the largest strength of a row, without its sign."""
        return max((abs(steer.strength) for steer in self.rows[row]), default=0.0)

    def said(self, row: int) -> str:
        """Return what turns a row, with its strength; "" where nothing does."""
        return " and ".join(_said(steer) for steer in self.rows[row] if steer.strength)

    def alone(self, row: int, written: Sequence[int] = ()) -> list[tuple[Point, dict[str, Any]]]:
        """Return a row's steers laid out for one pass over its prompt and what it has written."""
        forced = np.asarray(written, dtype=np.int64)
        laid = lay_out(
            [self.rows[row]], [self._prompts[row]], self.model, n=self.n, forced=[forced]
        )
        return [
            (Point.parse(point), payload)
            for point, (_, _, payload) in zip(laid.points, laid.sites, strict=True)
        ]

    def note(self, members: Sequence[int], notes: Sequence[Sequence[Any]]) -> None:
        """Keep what a trace noted.

        Parameters
        ----------
        members : sequence of int
            The rows that ran together.
        notes : sequence over passes of sequence over steered sites
            ``(masks, lengths)`` as `formulas.steering.steer` notes them.
        """
        laid = self._laid[tuple(members)]
        steered = [
            (point, owners)
            for point, owners in zip(laid.points, laid.owners, strict=True)
            if owners
        ]
        width = max(len(self._prompts[n].ids) for n in members)
        for b, n in enumerate(members):
            ids = self._prompts[n].ids
            start = width - len(ids)
            # the token after the last pass is never read
            length = len(ids) + len(notes) if self.n else len(ids)
            masks = np.zeros((len(self.rows[n]), length), dtype=bool)
            sizes: dict[str, np.ndarray] = {}
            for s, (point, owners) in enumerate(steered):
                size = np.full((2, length), np.nan, dtype=np.float32)
                for step, sites in enumerate(notes):
                    found, lengths = sites[s]
                    place = slice(0, len(ids)) if step == 0 else len(ids) + step - 1
                    row = slice(start, None) if step == 0 else 0
                    size[:, place] = lengths[:, b, row].numpy()
                    for mask, owner in zip(found, owners, strict=True):
                        if owner[b] >= 0:
                            masks[owner[b], place] |= mask[b, row].numpy()
                sizes[point] = size
            self.applied[n] = Applied(masks, sizes)

    def keep(self, members: Sequence[int], before: Sequence[torch.Tensor], cache: Any) -> None:
        """Keep what a run of some rows left behind.

        Parameters
        ----------
        members : sequence of int
            The rows that ran together.
        before : sequence over passes of torch.Tensor, shape (rows, tokens, d)
            The states that reached the first steered place.
        cache : transformers Cache or None
            Their keys and values.
        """
        import torch

        padded = max(len(self._prompts[n].ids) for n in members)
        for b, n in enumerate(members):
            self._caches[n] = (cache, b, padded - len(self._prompts[n].ids))
        laid = self._laid[tuple(members)]
        depth = depth_of(self.model, *laid.sites[0][:2]) if laid.sites and before else 0
        if not depth:
            return
        width = before[0].shape[1]
        written = torch.cat([before[0][:, width:], *before[1:]], dim=1)
        for b, n in enumerate(members):
            prompt = before[0][b, width - len(self._prompts[n].ids) :]
            self.known[n] = Known(depth, torch.cat([prompt, written[b]]))

    def beginning(self, n: int, written: Generation) -> Beginning | None:
        """Return what an unsteered row left behind for others that begin as it does.

        Parameters
        ----------
        n : int
            Its number; none of its steers had a strength.
        written : Generation
            What it wrote.
        """
        cache, b, start = self._caches.get(n, (None, 0, 0))
        return Beginning.of(written, cache, b, start)


def _said(steer: AnySteer) -> str:
    """Return a steer's name and strength, and what of it is the multiplier's."""
    placebo = "a placebo of " if isinstance(steer, Steer) and steer.turned is not None else ""
    times = ""
    if steer.multiplier != 1:
        own = steer.strength / steer.multiplier
        times = f" (multiplier {steer.multiplier:g} of its own {own:g})"
    return f"{placebo}{steer.name!r} at strength {steer.strength:g}{times}"


def depth_of(model: Engine, path: str, io: str) -> int:
    """Return how many blocks a state has passed that is the output of one; 0 elsewhere.

    0 also where later blocks look at more of the earlier ones than their output.
    """
    config = model.nnsight._module.config.get_text_config()  # noqa: SLF001 - nnsight's name
    stack, _, layer = path.rpartition(".")
    if stack != model.layout.blocks or io != "output" or getattr(config, SHARING, 0):
        return 0
    return int(layer) + 1


def steers_of_rows(steers: Any, n_rows: int) -> list[list[AnySteer]]:
    """Return each row's steers.

    Parameters
    ----------
    steers : Steer or HeadScale, a sequence of them, or a sequence of sequences
        One; several, for every row; or one sequence per row.
    n_rows : int

    Raises
    ------
    ValueError
        Where there are not as many sequences as rows.
    """
    if isinstance(steers, (Steer, HeadScale)):
        return [[steers]] * n_rows
    listed = plain.listed(steers)
    if listed is None:
        raise TypeError(came("steers", steers, STEERS))
    if not any(isinstance(entry, (list, tuple)) for entry in listed):
        return [listed] * n_rows
    rows = [[entry] if isinstance(entry, (Steer, HeadScale)) else list(entry) for entry in listed]
    if len(rows) != n_rows:
        raise ValueError(
            f"steers has {len(rows)} rows, there are {n_rows} prompts; give one list of steers per "
            "prompt, or one flat list for all"
        )
    return rows
