"""What the dictionaries explain outside of their registers: eight modern texts of our own.

``python -m volvelle.assets.demo_sae.modern`` measures the shipped dictionaries again, without
training, and writes the cards.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors.torch import load_file

from volvelle.assets.demo_sae import card, measure
from volvelle.assets.demo_sae.harvest import is_content, load_model, residuals

if TYPE_CHECKING:
    import torch

HERE = Path(__file__).parent


def measured(
    model: tuple[torch.nn.Module, Any], saes: dict[str, dict[str, torch.Tensor]], k: int
) -> dict[str, Any]:
    """Measure dictionaries on ``modern.json``, in fp32, as users run them.

    Parameters
    ----------
    model : tuple
        Body and tokenizer of `harvest.load_model`.
    saes : dict of str to dict of str to torch.Tensor
        Name -> tensors of a dictionary, float32.
    k : int

    Returns
    -------
    dict
        Per dictionary: a row of `measure.fve` per register and for ``all`` of them, and under
        ``first_too`` that of all tokens, position 0 and extreme norms with them.
    """
    body, tokenizer = model
    texts = json.loads((HERE / "modern.json").read_text(encoding="utf-8"))["texts"]
    rows = {
        register: residuals(body, [tokenizer(text)["input_ids"]], exact=True)[0]
        for register, text in texts.items()
    }
    later = np.concatenate([x[1:] for x in rows.values()])
    kinds = np.repeat(list(rows), [len(x) - 1 for x in rows.values()])
    content = np.flatnonzero(is_content(np.linalg.norm(later, axis=1)))
    everything = np.concatenate(list(rows.values()))
    return {
        name: {
            "all": measure.fve(sae, k, later, content),
            **{r: measure.fve(sae, k, later, content[kinds[content] == r]) for r in rows},
            "first_too": measure.fve(sae, k, everything, np.arange(len(everything))),
        }
        for name, sae in saes.items()
    }


def main() -> None:
    """Measure the shipped dictionaries and write the cards."""
    told = json.loads((HERE / "card.json").read_text())
    saes = {
        name: {
            key: value.float()
            for key, value in load_file(HERE / name / "sae_weights.safetensors").items()
        }
        for name in told["dictionaries"]
    }
    found = measured(load_model(), saes, told["recipe"]["k"])
    for name, figures in told["dictionaries"].items():
        figures["modern"] = found[name]
    card.write(HERE, told)
    print((HERE / "card.md").read_text())


if __name__ == "__main__":
    main()
