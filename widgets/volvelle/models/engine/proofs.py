"""What a model has proven of its points: the equations that hold, and those that do not."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from volvelle.models.engine.finite import NotFinite

if TYPE_CHECKING:
    import pandas as pd

    from volvelle.compute.directions.points import Point

# Equations that each kind of point rests on. The embedding rests on none: it is what it is.
OF_ALL = ("stream", "looking ahead")
RESTS_ON = {
    "resid_pre": (*OF_ALL, "write"),
    "resid_mid": (*OF_ALL, "resid_mid"),
    "resid_post": (*OF_ALL, "write"),
    "attn_out": (*OF_ALL, "attn_out"),
    "attn_out_post": (*OF_ALL, "attn_out_post"),
    "mlp_out": (*OF_ALL, "mlp_out"),
    "mlp_out_post": (*OF_ALL, "mlp_out_post"),
    "z": (*OF_ALL, "z"),
}


@dataclass(frozen=True)
class Proof:
    """One equation, tried on the model at hand.

    Attributes
    ----------
    name : str
        What rests on it: ``"stream"``, ``"looking ahead"``, ``"write"``, a kind of point such as
        ``"mlp_out"``, ``"unembed"``, ``"right padding"`` or ``"left padding"``.
    equation : str
        In words.
    off : float
        By how much its sides differ at worst, as a share of what is compared; nan where it could
        not be tried.
    allowed : float
        How much rounding may make of it in the model's precision.
    where : str
        Where it was worst, or why it could not be tried.
    """

    name: str
    equation: str
    off: float
    allowed: float
    where: str = ""

    @property
    def holds(self) -> bool:
        """Whether both sides are equal, to rounding."""
        return self.off <= self.allowed

    def __str__(self) -> str:
        if self.holds:
            return f"{self.equation}: holds, to {self.off:.1g}"
        if math.isnan(self.off):
            return f"{self.equation}: cannot be tried ({self.where})"
        by = "" if math.isinf(self.off) else f" off by {self.off:.2g} of its size"
        return f"{self.equation}: does not hold,{by}{self.where and ' '}{self.where}"


@dataclass(frozen=True)
class Proofs:
    """What a model has proven. Made by `Model.check`.

    Attributes
    ----------
    model : str
    proofs : tuple of Proof
    missing : dict of str to str
        Kinds of points that the model has none of, and why.
    unsound : str
        Where and why what the model computes is NaN or infinite; "" where it is not.
    """

    model: str
    proofs: tuple[Proof, ...]
    missing: dict[str, str] = field(default_factory=dict)
    unsound: str = ""

    def __getitem__(self, name: str) -> Proof:
        for proof in self.proofs:
            if proof.name == name:
                return proof
        raise KeyError(f"no equation {name!r}; there are {[p.name for p in self.proofs]}")

    def __contains__(self, name: str) -> bool:
        return any(proof.name == name for proof in self.proofs)

    def __len__(self) -> int:
        return len(self.proofs)

    @property
    def refused(self) -> tuple[str, ...]:
        """Names of the equations that do not hold."""
        return tuple(proof.name for proof in self.proofs if not proof.holds)

    def hold(self, name: str, what: str) -> None:
        """Raise ValueError where an equation was tried and does not hold.

        Parameters
        ----------
        name : str
            Of the equation.
        what : str
            What rests on it, for the message.
        """
        if self.unsound:
            raise NotFinite(f"{self.model} is not given {what}: {self.unsound}")
        if name in self and not self[name].holds:
            raise ValueError(
                f"{self.model} is not given {what}: {self[name]}; model.check() shows what holds"
            )

    def offer(self, point: Point) -> None:
        """Raise ValueError for a point that is missing, or whose equations do not hold."""
        if point.kind in self.missing:
            raise ValueError(f"{self.model} has no {point}: {self.missing[point.kind]}")
        for name in RESTS_ON.get(point.kind, ()):
            self.hold(name, str(point))

    def to_pandas(self) -> pd.DataFrame:
        """Return one row per equation: name, holds, off, allowed, equation, where."""
        import pandas as pd

        rows = [(p.name, p.holds, p.off, p.allowed, p.equation, p.where) for p in self.proofs]
        columns = ["name", "holds", "off", "allowed", "equation", "where"]
        return pd.DataFrame(rows, columns=columns)

    def __repr__(self) -> str:
        wide = max((len(proof.name) for proof in self.proofs), default=0)
        lines = [
            f"  {'holds ' if proof.holds else 'FAILS '} {proof.name:{wide}}  {proof}"
            for proof in self.proofs
        ]
        n = len(self.proofs)
        if self.unsound:
            lines.append(f"  {self.unsound}")
        return (
            "\n".join([f"Proofs({self.model}: {n - len(self.refused)} of {n} hold", *lines]) + ")"
        )
