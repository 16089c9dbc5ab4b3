"""Steers laid out for a batch: static tensors a trace can use without asking anything."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch

from volvelle.arguments.said import came
from volvelle.compute.steering.steers import HeadScale, Steer
from volvelle.compute.steering.thinking import KINDS
from volvelle.models.engine.chats import think_table
from volvelle.models.engine.facts import heads_of
from volvelle.models.steering.readers import reader, sae_reader
from volvelle.models.verbs.predict import norm
from volvelle.progress import looking

if TYPE_CHECKING:
    from collections.abc import Sequence

    from volvelle.compute.directions.points import Point
    from volvelle.compute.steering.parts import Part
    from volvelle.compute.steering.thinking import ThinkTable
    from volvelle.compute.steering.turns import ChatTurns
    from volvelle.compute.steering.where import When, Where
    from volvelle.models.engine.architecture import Site
    from volvelle.models.engine.engine import Engine

    AnySteer = Steer | HeadScale


class Read(NamedTuple):
    """A row's prompt without padding, as steers look at it.

    Attributes
    ----------
    ids : int array, shape (n_tokens,)
    special : bool array, shape (n_tokens,)
    chat : ChatTurns or None
        Of a chat.
    trouble : str
        What to say of a chat whose turns are not known.
    """

    ids: np.ndarray
    special: np.ndarray
    chat: ChatTurns | None = None
    trouble: str = ""


@dataclass
class LaidOut:
    """Steers of a batch, laid out.

    Attributes
    ----------
    sites : list of (path, io, payload)
        In the order of the forward pass; payloads as `formulas.steering.steer` takes them.
    owners : list of list of int array (B,)
        Per site, per op: which of a row's steers the op belongs to, -1 for none.
    points : list of str
        A name for each site.
    """

    sites: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)
    owners: list[list[np.ndarray]] = field(default_factory=list)
    points: list[str] = field(default_factory=list)


def lay_out(
    rows: Sequence[Sequence[AnySteer]],
    prompts: Sequence[Read],
    model: Engine,
    *,
    n: int = 0,
    padded: str = "left",
    forced: Sequence[np.ndarray] = (),
) -> LaidOut:
    """Lay out each row's steers for one batch.

    Parameters
    ----------
    rows : sequence of sequence of Steer or HeadScale
        One entry per row; a row may have none.
    prompts : sequence of Read
    model : Engine
    n : int
        Tokens to generate.
    padded : {"left", "right"}
        On which side the batch's prompts are padded.
    forced : sequence of int array, optional
        Of each row, tokens that are read behind its prompt in the same pass, as generated ones.

    Returns
    -------
    LaidOut

    Raises
    ------
    ValueError
        For steers that do not fit the model, conditions read after the place they decide about,
        and selections that are empty.

    Notes
    -----
    Rows share an op where their steers have the same method at the same site and the same
    number in the row, so that a sweep of strengths and placebos is one op.
    """
    builder = _Builder(rows, prompts, model, n, padded=padded, forced=forced)
    for row, steers in enumerate(looking(rows, 8)):
        slots: dict[tuple[str, str], int] = {}
        for owner, steer in enumerate(steers):
            if not isinstance(steer, (Steer, HeadScale)):
                raise TypeError(came("a member of steers", steer, STEERS))
            for part in steer.parts():
                builder.place(row, owner, part, slots)
    return builder.laid_out()


# What steers are, in an error.
STEERS = "a steer or a list of them: vv.Steer(direction, strength), vv.HeadScale(layer, head)"


class _Builder:
    """Collects parts by site and slot, then makes tensors of them.

    Parameters
    ----------
    rows, prompts, model, n, padded, forced
        As in `lay_out`.
    """

    def __init__(
        self,
        rows: Sequence[Sequence[AnySteer]],
        prompts: Sequence[Read],
        model: Engine,
        n: int,
        *,
        padded: str,
        forced: Sequence[np.ndarray],
    ) -> None:
        self.n_rows = len(rows)
        self.prompts = prompts
        self.model = model
        self.n = n
        self.padded = padded
        self.forced = list(forced) or [np.zeros(0, dtype=np.int64)] * len(rows)
        lengths = (len(p.ids) + len(f) for p, f in zip(prompts, self.forced, strict=True))
        self.width = max(lengths, default=0)
        self.sites: dict[tuple[str, str], Site] = {}
        self.names: dict[tuple[str, str], str] = {}
        # site -> op key -> row -> (owner, part)
        self.ops: dict[tuple[str, str], dict[tuple, dict[int, tuple[int, Part]]]] = {}
        self.n_heads, self.d_head = heads_of(model)
        self.conditions: dict[tuple, tuple[int, tuple[str, str], When]] = {}
        self.masks: dict[tuple, np.ndarray] = {}

    @cached_property
    def table(self) -> ThinkTable:
        """What each token does to a text that may hold thinking."""
        return think_table(self.model.tokenizer)

    def place(self, row: int, owner: int, part: Part, slots: dict[tuple[str, str], int]) -> None:
        site = self._site(part.point)
        self._check_width(part)
        here = (site.path, site.io)
        slot = slots[here] = slots.get(here, -1) + 1
        when = None if part.where.when is None else self._condition(part.where.when, site)
        own: tuple = ()
        if part.method == "clamp":
            own = (id(part.settings["sae"]), part.settings["features"])
        key = (slot, part.method, when, own)
        self.ops.setdefault(here, {}).setdefault(key, {})[row] = (owner, part)

    def _site(self, point: Point) -> Site:
        site = self.model.site(self.model.layout.point(point))
        here = (site.path, site.io)
        self.sites[here] = site
        self.names.setdefault(here, str(point))
        self.ops.setdefault(here, {})
        return site

    def _check_width(self, part: Part) -> None:
        model = self.model
        width = self.n_heads * self.d_head if part.point.kind == "z" else model.layout.d_model
        if part.method == "heads":
            if part.settings["head"] >= self.n_heads:
                head, last = part.settings["head"], self.n_heads - 1
                raise ValueError(f"head {head} is outside {model.name}'s 0...{last}")
        elif part.writes.shape[-1] != width:
            raise ValueError(
                f"direction {part.name!r} is {part.writes.shape[-1]}-dimensional, "
                f"{part.point} of {model.name} has {width}"
            )

    def _condition(self, when: When, steered: Site) -> int:
        site = self._site(when.feature.point)
        if site.order > steered.order:
            raise ValueError(
                f"the condition reads {when.feature.point}, which comes after the steered place "
                f"{self.names[steered.path, steered.io]}; choose a feature of an earlier point"
            )
        width = self.n_heads * self.d_head if when.feature.point.kind == "z" else self.model.d_model
        if len(when.feature.vector) != width:
            raise ValueError(
                f"the condition's {when.feature.name!r} is {len(when.feature.vector)}-dimensional, "
                f"{when.feature.point} of {self.model.name} has {width}"
            )
        key = (id(when.feature), when.above)
        if key not in self.conditions:
            self.conditions[key] = (len(self.conditions), (site.path, site.io), when)
        return self.conditions[key][0]

    def laid_out(self) -> LaidOut:
        laid = LaidOut()
        for here in sorted(self.sites, key=lambda h: self.sites[h].order):
            ops, owners = [], []
            for key in sorted(self.ops[here], key=lambda k: k[0]):
                members = self.ops[here][key]
                ops.append(self._op(key, members))
                owner = np.full(self.n_rows, -1)
                owner[list(members)] = [o for o, _ in members.values()]
                owners.append(owner)
            conditions = [
                {"key": number, "reader": reader(when.feature), "above": float(when.above)}
                for number, place, when in self.conditions.values()
                if place == here
            ]
            payload: dict[str, Any] = {"ops": ops, "conditions": conditions}
            if any(op["kinds"] is not None for op in ops):
                payload["think"] = self._think()
            laid.sites.append((*here, payload))
            laid.owners.append(owners)
            laid.points.append(self.names[here])
        return laid

    # -- one op ------------------------------------------------------------------------------

    def _op(self, key: tuple, members: dict[int, tuple[int, Part]]) -> dict[str, Any]:
        _, method, when, _ = key
        parts = {row: part for row, (_, part) in members.items()}
        strength = np.zeros(self.n_rows, dtype=np.float32)
        strength[list(parts)] = [part.strength for part in parts.values()]
        op = {"method": method, "when": when, "strength": torch.from_numpy(strength)}
        return {**op, **self._masks(parts), **self._tensors(method, parts)}

    def _tensors(self, method: str, parts: dict[int, Part]) -> dict[str, Any]:
        first = next(iter(parts.values()))
        if method == "heads":
            gain = np.ones((self.n_rows, self.n_heads), dtype=np.float32)
            for row, part in parts.items():
                gain[row, part.settings["head"]] = part.settings["factor"]
            return {"gain": torch.from_numpy(gain)}
        if method == "clamp":
            sae, features = first.settings["sae"], first.settings["features"]
            return {
                "reader": sae_reader(sae, features),
                "level": self._stack({r: p.settings["level"] for r, p in parts.items()}),
                "decoder": self._stack({r: p.writes for r, p in parts.items()}),
            }
        scales = {row: self._scale(part) for row, part in parts.items()}
        tensors = {"vector": self._stack({r: p.writes * scales[r] for r, p in parts.items()})}
        if method != "add":
            tensors["unit"] = self._stack({r: np.asarray(p.reads) for r, p in parts.items()})
        bound = {
            row: norm(self.model, self.model.layout.point(part.point))
            if part.unit == "norm" and method == "cap"
            else 1.0
            for row, part in parts.items()
        }
        for name in ("factor", "low", "high"):
            if name in first.settings:
                tensors[name] = self._stack(
                    {r: np.float32(p.settings[name] * bound[r]) for r, p in parts.items()}
                )
        return tensors

    def _scale(self, part: Part) -> float:
        needs = part.method == "add" and part.unit == "norm"
        return part.scale(norm(self.model, self.model.layout.point(part.point)) if needs else 1.0)

    def _stack(self, values: dict[int, Any]) -> torch.Tensor:
        """Rows without a value get zeros: their strength is 0."""
        shape = np.shape(next(iter(values.values())))
        stacked = np.zeros((self.n_rows, *shape), dtype=np.float32)
        for row, value in values.items():
            stacked[row] = value
        return torch.from_numpy(stacked)

    # -- masks -------------------------------------------------------------------------------

    def _masks(self, parts: dict[int, Part]) -> dict[str, Any]:
        prompt = np.zeros((self.n_rows, self.width), dtype=bool)
        generated = np.zeros((self.n_rows, self.n), dtype=bool)
        kept = np.zeros((self.n_rows, self.n), dtype=bool)
        kinds = np.ones((self.n_rows, len(KINDS)), dtype=bool)
        include: dict[int, np.ndarray] = {}
        exclude: dict[int, np.ndarray] = {}
        for row, part in parts.items():
            where = part.where
            mask = self._prompt_mask(where, row)
            strings = {s: self.model.token_id(s) for s in where.strings}
            special, said = self.model.special_ids, None
            chat = self.prompts[row].chat
            if chat is not None:
                table = self.table
                special = [*special, *table.marks]
                said = table.read(self.forced[row], chat.state)[0]
                kinds[row] = where.written_kinds()
            forced = where.known_mask(self.forced[row], self.n, special, strings, said)
            read = np.concatenate([mask, forced])
            start = self.width - len(read) if self.padded == "left" else 0
            prompt[row, start : start + len(read)] = read
            generated[row] = where.generated_mask(self.n) & kinds[row].any()
            include[row], exclude[row], kept[row] = where.generated_tokens(self.n, special, strings)
            _check_not_empty(where, read, generated[row], include[row], self.n, chat)
        return {
            "prompt": torch.from_numpy(prompt),
            "generated": torch.from_numpy(generated),
            "kept": torch.from_numpy(kept),
            "include": self._table(include),
            "exclude": self._table(exclude),
            "kinds": None if kinds.all() or not self.n else torch.from_numpy(kinds),
        }

    def _prompt_mask(self, where: Where, row: int) -> np.ndarray:
        read = self.prompts[row]
        key = (id(where), id(read.ids))
        if key not in self.masks:
            if read.trouble and not (where.turns == "all" and where.special):
                raise ValueError(read.trouble)
            strings = {s: self.model.token_id(s) for s in where.strings}
            self.masks[key] = where.prompt_mask(read.ids, read.special, strings, read.chat)
        return self.masks[key]

    def _think(self) -> dict[str, Any]:
        """Return what tells thinking from answering while rows are written."""
        table = self.table
        states = [0 if read.chat is None else read.chat.state for read in self.prompts]
        return {
            "tokens": torch.from_numpy(table.tokens),
            "after": torch.from_numpy(table.after),
            "kinds": torch.from_numpy(table.kinds),
            "state": torch.tensor(states, dtype=torch.long),
        }

    def _table(self, ids: dict[int, np.ndarray]) -> torch.Tensor | None:
        longest = max((len(found) for found in ids.values()), default=0)
        if not longest:
            return None
        table = np.full((self.n_rows, longest), -1, dtype=np.int64)
        for row, found in ids.items():
            table[row, : len(found)] = found
        return torch.from_numpy(table)


def _check_not_empty(  # noqa: PLR0917 - what is left of one row, each by its name
    where: Where,
    read: np.ndarray,
    generated: np.ndarray,
    include: np.ndarray,
    n: int,
    chat: ChatTurns | None,
) -> None:
    """Refuse a place that names no token at all.

    Parameters
    ----------
    where : Where
    read : bool array
        Of the prompt, and of what is read behind it in the same pass.
    generated : bool array, shape (n,)
    include : int array
        Tokens touched wherever they come.
    n : int
        Tokens to be written.
    chat : ChatTurns or None
    """
    written = chat is None or where.written_kinds().any()
    later = (generated.any() or len(include)) and written
    if where.generated not in ("none", "all") and n and not later:
        whose = "" if written else f": they are the assistant's, and turns={where.turns!r}"
        raise ValueError(
            f"generated={where.generated!r} names none of the {n} tokens to come{whose}"
        )
    if read.any() or (where.generated != "none" and written and (n or where.turns is None)):
        return
    if chat is None:
        raise ValueError(
            f"prompt={where.prompt!r} leaves no token of this prompt to steer once position 0 and "
            "special tokens are out; admit them with first=True, special=True"
        )
    raise ValueError(
        f"prompt={where.prompt!r}, turns={where.turns!r} leave no token of this prompt to steer "
        f"(the turns are {chat.said}) once position 0 and the template's own tokens are out; admit "
        "them with first=True, special=True, or let the model write"
    )
