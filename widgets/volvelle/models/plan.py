"""What a run will send to a server and bring back, about, before it does."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from volvelle.models.engine.sizes import fewest_tokens

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from volvelle.models.engine.engine import Engine
    from volvelle.models.verbs.readout import Readout, Size

# Bytes of a request without its data, as it travels: measured on NDIF 0.1.2 with nnsight 0.8.1.
CODE = 6_000
STEERED = 10_000
SCORED = 2_000  # what scores the texts travels with what writes them
NORM = (7_500, 2_700)  # measuring the norms of one kind of point, all layers at once
# Bytes back for a written token: id, log-probabilities, sizes of the change, streamed lines.
PER_TOKEN = 20
FLOAT = 4
# A view sends at most as many tokens of text to a server, and has it write at most as many per
# row: a slip of the hand must stay cheap where others wait.
MOST_READ = 2000
MOST_WRITTEN = 128


class Plan(NamedTuple):
    """An estimate of one run.

    Attributes
    ----------
    what : str
        In words: ``"6 tokens to read"``.
    sent, received : int
        Bytes.
    """

    what: str
    sent: int
    received: int

    def text(self, host: str) -> str:
        """Return the sentence a view shows beside Run."""
        return (
            f"Run sends {self.what} to {host}: about {size(self.sent)} there, "
            f"{size(self.received)} back."
        )


def observing(size: Size, readouts: Iterable[Sequence[Readout]], what: str = "") -> Plan:
    """Estimate reading texts, by whichever way `Model.observe` takes at each point.

    Parameters
    ----------
    size : Size
    readouts : iterable of sequence of Readout
        Of each point.
    what : str, optional
        In words; how many texts and tokens by default.
    """
    from volvelle.models.verbs.way import weighed

    n, texts = size.n_tokens, f"{size.n_texts} texts, " if size.n_texts > 1 else ""
    sent, received = CODE + 2 * n, 1_000
    for each in readouts:
        back, made = weighed(each, size)
        there = sum(made) < back or any(one.modules for one in each)
        sent, received = sent + made.sent * there, received + (made.received if there else back)
    return Plan(what or f"{texts}{n:,} token{'s' if n != 1 else ''} to read", sent, received)


def writing(rows: int, n_new: int, vectors: int, width: int, *, scored: bool = True) -> Plan:
    """Estimate rows of steered writing; each vector travels once."""
    what = f"{rows} row{'s' if rows != 1 else ''} of {n_new} tokens to write"
    sent = STEERED + vectors * width * FLOAT + SCORED * scored
    return Plan(what, sent, 2_000 + rows * n_new * PER_TOKEN)


def measuring(model: Engine, points: Iterable[str]) -> list[Plan]:
    """Estimate measuring the norms that strengths are multiples of; none that are known."""
    known = {str(point) for point in model.norms}
    n = len({point.partition(".")[0] for point in points if point not in known})
    return [Plan("a neutral text to measure norms on", n * NORM[0], n * NORM[1])] if n else []


def together(plans: Sequence[Plan]) -> Plan:
    """Add estimates up."""
    sent, received = sum(p.sent for p in plans), sum(p.received for p in plans)
    return Plan(", ".join(p.what for p in plans), sent, received)


def n_tokens(model: Engine, texts: Sequence[str]) -> int:
    """Count the tokens of texts; the tokenizer is here, nothing is sent."""
    fewest, _ = fewest_tokens(model.tokenizer, sum(map(len, texts)), MOST_READ)
    if fewest > MOST_READ:
        return fewest  # or more: too many to split on the notebook's own thread
    return sum(len(model.tokens(text)) for text in texts)


def too_many(n: int, instead: str, most: int = MOST_READ) -> str:
    """Say that a text is too long to be sent by a view, and what takes all of it."""
    return (
        f"the text has {n:,} tokens, and a view sends at most {most:,} to a server at "
        f"once; shorten it, or use {instead} for all of it"
    )


def check_read(n: int, instead: str, most: int = MOST_READ) -> None:
    """Raise ValueError for more tokens than a view sends at once."""
    if n > most:
        raise ValueError(too_many(n, instead, most))


def host_of(model: Engine) -> str:
    """Return where a model runs; "" for this machine."""
    if not model.remote:
        return ""
    from volvelle.models.remote import servers

    return servers.host_of(model.remote)


def size(n: float) -> str:
    """Return bytes as people read them, in decimal units: ``12 kB``, ``1.2 MB``."""
    units = ("B", "kB", "MB", "GB", "TB")
    at = 0
    while n >= 999.5 and at < len(units) - 1:
        n, at = n / 1000, at + 1
    return f"{n:.1f} {units[at]}" if n < 9.95 and at else f"{n:.0f} {units[at]}"
