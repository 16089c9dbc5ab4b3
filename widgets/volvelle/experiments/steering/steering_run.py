"""The result of `volvelle.steer`: texts, probabilities and sizes, with the placebo beside them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from volvelle.arguments.call import checked_result
from volvelle.experiments.result import Result
from volvelle.experiments.steering.summary import summarise
from volvelle.experiments.steering.sweep import Sweep

if TYPE_CHECKING:
    import pandas as pd


@checked_result
@dataclass(frozen=True, eq=False)
class SteeringRun(Sweep, Result, kind="SteeringRun", version=1):
    """What a steer does at several strengths, and what placebos of the same size do.

    Attributes
    ----------
    model : str
    prompts : tuple of PromptCard
        Each with ``text`` as the model read it, template included, ``ids``, ``strings`` and
        ``turns`` (whose each token of a chat is); ``prompt``, ``prompt_ids``,
        ``prompt_strings`` and ``prompt_turns`` are those of the first.
    steers : tuple of SteerCard
        Formula, neutral value, place, and the strength in every unit.
    strengths : tuple of float
        Multipliers, ascending, 0 among them.
    watch : tuple of str
        Names of the answers that were followed.
    spellings : tuple of tuple of str
        What counted as each.
    effects : Effects or None
        What the steers and all placebos do to the watched answers right after the prompts;
        None where none was watched.
    rows : tuple of SteeredRow
    norms : dict of point -> float
        Median residual norm of each steered point: the unit ``norm``.
    settings : dict
        ``seed``, ``temperature``, ``max_new_tokens``, ``samples``, ``placebo``, ``chat``;
        ``strengths`` is ``"given"`` or ``"default"``.
    vectors : dict of str -> float32 array
        The directions, ``"0.1"`` for the second of the first steer.
    """

    def to_pandas(self) -> pd.DataFrame:
        """Return one line per row.

        Columns: prompt, kind, placebo, strength, sample, text, n_tokens, perplexity, repetition,
        ratio (median |delta|/|h| where it acted), one ``P(answer)`` per watched answer
        (right after the prompt), per steered
        point the median |delta| as it is and in residual norms (``|delta| point [raw]``,
        ``[norm]``), and one ``<steer> [unit]`` per steer of method add and unit with its
        effective strength.
        """
        import pandas as pd

        lines = []
        for row in self.rows:
            line: dict[str, Any] = {
                "prompt": row.prompt,
                "kind": row.kind,
                "placebo": row.number,
                "strength": row.strength,
                "sample": row.sample,
                "text": row.text,
                "n_tokens": len(row.ids),
                "perplexity": row.perplexity,
                "repetition": row.repetition,
                "ratio": row.ratio,
            }
            line |= {f"P({t})": float(p) for t, p in zip(self.watch, row.next, strict=True)}
            for point, delta in row.deltas.items():
                line[f"|delta| {point} [raw]"] = delta
                line[f"|delta| {point} [norm]"] = delta / self.norms[point]
            for steer in self.steers:
                for unit, value in steer.effective(row.strength).items():
                    if value is not None:
                        line[f"{steer.name} [{unit}]"] = value
            lines.append(line)
        return pd.DataFrame(lines)

    def tokens_to_pandas(self) -> pd.DataFrame:
        """Return one line per generated token.

        Columns: prompt, kind, placebo, strength, sample, position (0 is the first new token),
        string, id, logprob, base_logprob, steered (any steer acted on it), ratio.
        """
        import pandas as pd

        frames = []
        for row in self.rows:
            n = len(self.prompts[row.prompt].ids)
            ratios = np.stack([*row.ratios.values(), np.zeros(n + len(row.ids))])
            frames.append(
                pd.DataFrame(
                    {
                        "prompt": row.prompt,
                        "kind": row.kind,
                        "placebo": row.number,
                        "strength": row.strength,
                        "sample": row.sample,
                        "position": np.arange(len(row.ids)),
                        "string": row.strings,
                        "id": row.ids,
                        "logprob": row.logprobs,
                        "base_logprob": row.base_logprobs,
                        "steered": row.masks[:, n:].any(axis=0),
                        "ratio": np.fmax.reduce(ratios[:, n:], axis=0),
                    }
                )
            )
        return pd.concat(frames, ignore_index=True)

    def summary(self) -> str:
        """Return one honest sentence: effects and their p, what they hold for, the collapse."""
        return summarise(self)

    def __repr__(self) -> str:
        names = " and ".join(steer.name for steer in self.steers)
        points = ", ".join(dict.fromkeys(p for steer in self.steers for p in steer.points[:3]))
        kinds = [kind for kind, _ in self.placebos]
        placebo = ", ".join(f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(kinds))
        strengths = ", ".join(f"{s:g}" for s in self.strengths)
        strengths += " (default)" if self.settings.get("strengths") == "default" else ""
        return (
            f"SteeringRun({self.model}, {names!r} at {points}, strengths {strengths}, "
            f"{placebo + ' placebos' if placebo else 'no placebo'}: {self.summary()})"
        )
