"""What encoding texts will send, about."""

from __future__ import annotations

from typing import TYPE_CHECKING

from volvelle.models.plan import MOST_READ, check_read, host_of, n_tokens, observing, too_many

if TYPE_CHECKING:
    from collections.abc import Sequence

    from volvelle.compute.dictionaries.sae import SparseAutoencoder
    from volvelle.models.model import Model

INSTEAD = "vv.encode(model, text, sae)"


def encoding(model: Model, sae: SparseAutoencoder, texts: Sequence[str]) -> str:
    """Return the sentence beside Run of a view that encodes texts on a server.

    Parameters
    ----------
    model : Model
    sae : SAE
    texts : sequence of str
    """
    n = n_tokens(model, texts)
    if n > MOST_READ:
        return too_many(n, INSTEAD)
    if not n:
        return "Nothing to send yet: write a text."
    from volvelle.experiments.readouts.codes import Codes
    from volvelle.models.verbs.readout import Size

    size = Size(n, len(texts), sae.d_model)
    return observing(size, [[Codes(sae, fits=True)]]).text(host_of(model))


def check_texts(model: Model, texts: Sequence[str]) -> None:
    """Raise ValueError for more text than a view sends at once."""
    check_read(n_tokens(model, texts), INSTEAD)
