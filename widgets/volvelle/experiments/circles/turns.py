"""Rows of a wheel: one steer per angle, run or written together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from volvelle.compute.circles.placebos import turned
from volvelle.compute.directions.directions import Direction
from volvelle.compute.steering.steers import Steer
from volvelle.experiments.circles.lexicons import distinct_words, norms_of, valence
from volvelle.experiments.circles.wheel import Text
from volvelle.progress import looking, share

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from volvelle.compute.circles.circle import FittedCircle
    from volvelle.compute.steering.where import Where
    from volvelle.models.model import Model
    from volvelle.models.verbs.writing import Writing

    Progress = Callable[[float, str], None]


class Turner:
    """One model and point, turned in any plane."""

    def __init__(
        self,
        model: Model,
        circle: FittedCircle,
        strengths: np.ndarray,
        angles: np.ndarray,
        where: Where,
    ) -> None:
        self.model = model
        self.point = circle.point
        self.strengths = strengths
        self.angles = angles
        self.where = where

    def steers(self, plane: np.ndarray) -> list[Steer]:
        """Return one steer per strength and angle, strengths outermost."""
        vectors = turned(plane, self.angles)
        directions = [
            Direction(vector, f"{angle:g}°", self.point)
            for vector, angle in zip(vectors, self.angles, strict=True)
        ]
        return [
            Steer(direction, float(strength), where=self.where)
            for strength in self.strengths
            for direction in directions
        ]

    def logprobs(
        self,
        planes: Sequence[np.ndarray],
        prompts: list[str],
        ids: list[int],
        progress: Progress | None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Ask every plane, strength, angle and prompt at once, and the prompts unsteered.

        Returns
        -------
        logprobs : array, shape (plane, strength, angle, prompt, word)
        baseline : array, shape (prompt, word)
        """
        steers = [steer for plane in looking(planes, 1) for steer in self.steers(plane)]
        rows = [*([steer] for steer in steers for _ in prompts), *([] for _ in prompts)]
        texts = prompts * (len(steers) + 1)
        found = self.model.next_token(texts, steers=rows, tokens=ids, progress=progress)
        shape = (len(planes), len(self.strengths), len(self.angles), len(prompts), len(ids))
        n = int(np.prod(shape[:4]))
        return found[:n].reshape(shape), found[n:]


@dataclass(frozen=True)
class Writer:
    """Texts around a wheel, all rows of a plane generated together."""

    turn: Turner
    prompts: list[str]
    writing: Writing
    norms: dict[str, tuple[float, float]] | None

    def write(
        self, planes: Sequence[tuple[str, int, np.ndarray]], progress: Progress | None
    ) -> list[Text]:
        """Return the unsteered texts, then those of every plane: its kind, number and axes."""
        texts = self._rows(("circle", 0), [([], 0.0, float("nan"))], None)
        for n, (kind, number, plane) in enumerate(planes):
            told = [
                ([steer], float(steer.strength), float(angle))
                for steer, angle in zip(
                    self.turn.steers(plane),
                    np.tile(self.turn.angles, len(self.turn.strengths)),
                    strict=True,
                )
            ]
            part = share(progress, n / len(planes), (n + 1) / len(planes))
            texts += self._rows((kind, number), told, part)
        return texts

    def _rows(
        self,
        plane: tuple[str, int],
        told: list[tuple[list[Steer], float, float]],
        progress: Progress | None,
    ) -> list[Text]:
        from volvelle.models.steering.steered import Steered
        from volvelle.models.verbs.write import generate_rows, row_seed

        model = self.turn.model
        cells = [
            (steers, strength, angle, p, sample)
            for steers, strength, angle in told
            for p in range(len(self.prompts))
            for sample in range(self.writing.samples)
        ]
        ids = [model.prompt_ids(prompt) for prompt in self.prompts]
        rows = [ids[p] for _, _, _, p, _ in cells]
        applied = Steered(model, [cell[0] for cell in cells], rows, self.writing.tokens)
        # one noise per prompt and sample, at every angle: angles differ by the steer alone
        how = self.writing
        seeds = [row_seed(how.seed, p * how.samples + sample) for _, _, _, p, sample in cells]
        written = generate_rows(
            model,
            rows,
            applied if any(cell[0] for cell in cells) else None,
            seeds=seeds,
            **how.told,
            progress=progress,
        )
        return [
            Text(
                plane=plane[0],
                drawn=plane[1],
                strength=strength,
                angle=angle,
                prompt=self.prompts[p],
                sample=sample,
                text=found.text,
                nll=float(-np.mean(found.logprobs)) if len(found.logprobs) else float("nan"),
                distinct=distinct_words(found.text),
                valence=valence(found.text),
                norms={} if self.norms is None else norms_of(found.text, self.norms),
            )
            for (_, strength, angle, p, sample), found in zip(cells, written, strict=True)
        ]
