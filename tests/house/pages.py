"""Pages in Markdown: what they link to, which names they mention, and what they show runs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import volvelle as vv

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def blocks(text: str) -> list[str]:
    """Return the ``python`` blocks of a page; ``py`` blocks are to be read, not run."""
    return [code for language, code in BLOCK.findall(text) if language == "python"]


def run(page: Path, model: Any, patch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Run the blocks of a page in its order; the names they leave.

    Parameters
    ----------
    page : Path
    model : Model
        What ``vv.load("smollm2")`` gives: loading it for each page would double the time.
    patch : MonkeyPatch
    """
    patch.setattr(vv, "load", {"smollm2": model}.__getitem__)
    names: dict[str, Any] = {}
    for block in blocks(page.read_text("utf-8")):
        exec(compile(block, page.name, "exec"), names)
    return names


def unknown_names(text: str) -> list[str]:
    """Return what a page says of ``vv.`` that does not exist."""
    missing = []
    for path in sorted(set(re.findall(r"\bvv\.([A-Za-z_]\w*(?:\.[a-z_]\w*)*)", text))):
        found = vv
        for name in path.split("."):
            found = getattr(found, name, None)
        if found is None:
            missing.append(f"vv.{path}")
    return missing


def links(text: str) -> list[str]:
    """Return where a page links to within the repository, code left out."""
    prose = re.sub(r"`[^`]*`", "", BLOCK.sub("", text))
    return re.findall(r"\]\((?!https?:)([^)]+)\)", prose)


def anchors(text: str) -> set[str]:
    """Return the anchors of a page's headings."""
    headings = re.findall(r"^#+ (.*)$", BLOCK.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken_links(page: Path) -> list[str]:
    """Return the links of a page that lead nowhere: no such file, no such heading in it."""
    broken = []
    for link in links(page.read_text("utf-8")):
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        known = target.is_file() and (not anchor or anchor in anchors(target.read_text("utf-8")))
        if not known:
            broken.append(link)
    return broken
