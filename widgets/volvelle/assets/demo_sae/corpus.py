"""Documents by register, from the fetched packages and the Python standard library.

A document is held out as a whole or trained on as a whole; `is_held_out` decides by name alone,
so that a changed quota or order never moves text from one side to the other.
"""

from __future__ import annotations

import ast
import email
import gzip
import hashlib
import html
import json
import re
import sysconfig
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

# One in twelve documents is held out.
HELD_OUT_EVERY = 12
# The one Gutenberg book kept out of training as a whole.
HELD_OUT_BOOK = "10007"
# Left out for rights (lyrics, one living author's books at length) or taste.
FORTUNES_SKIPPED = {"songs-poems", "pratchett", "ethnic", "men-women", "drugs", "ascii-art"}
STDLIB_SKIPPED = {
    "test",
    "tests",
    "idlelib",
    "lib2to3",
    "site-packages",
    "dist-packages",
    "idle_test",
    "__pycache__",
    "turtledemo",
    "pydoc_data",
}


@dataclass(frozen=True)
class Document:
    """A text with where it comes from.

    Parameters
    ----------
    register : str
        Kind of text: ``novels``, ``speeches``, ``fortunes``, ``mail``, ``manuals``,
        ``docstrings``, ``chat`` or ``notes``.
    name : str
        What identifies the source; the held-out split is made on it.
    text : str
        The text as a reader sees it.
    """

    register: str
    name: str
    text: str


def is_held_out(name: str) -> bool:
    """Return whether documents of this name are kept out of training.

    Parameters
    ----------
    name : str
        `Document.name`. A manual page and the docstrings of the module that it describes
        carry the same name and so fall on the same side.
    """
    if name.startswith("gutenberg/"):
        return name == f"gutenberg/{HELD_OUT_BOOK}"
    return int(hashlib.sha256(name.encode()).hexdigest(), 16) % HELD_OUT_EVERY == 0


def documents(folder: Path) -> list[Document]:
    """Read every fetched document, each text once.

    Parameters
    ----------
    folder : pathlib.Path
        Where `fetch.fetch` unpacked the packages.

    Returns
    -------
    list of Document
        In a fixed order (by register, then file name).
    """
    seen: set[str] = set()
    kept = []
    for read in (_novels, _speeches, _fortunes, _mail, _manuals, _docstrings):
        for document in read(folder):
            mark = re.sub(r"\W+", " ", document.text).strip()
            if len(mark) >= 24 and mark not in seen:
                seen.add(mark)
                kept.append(document)
    return kept


def _novels(folder: Path) -> Iterator[Document]:
    for path in sorted(folder.glob("moby-dick/package/data/*.txt")):
        yield Document("novels", f"moby-dick/{path.stem}", _unwrap(path.read_text()))
    for path in sorted(folder.glob("gutenberg/package/test/samples/catalog/**/*.txt")):
        if path.stem.endswith("-8"):  # the same book in another encoding
            continue
        raw = path.read_bytes().decode("latin-1").replace("\r\n", "\n")
        body = re.split(r"\*\*\* ?START OF[^\n]*\*\*\*", raw)[1]
        body = re.split(r"\*\*\* ?END OF", body)[0]
        body = re.sub(r"\A\s*Produced by[^\n]*\n(?:[^\n]+\n)*", "", body)
        yield Document("novels", f"gutenberg/{path.stem}", _unwrap(body).replace("_", ""))


def _speeches(folder: Path) -> Iterator[Document]:
    for path in sorted(folder.glob("sotu/package/data/*.txt")):
        yield Document("speeches", f"sotu/{path.stem}", path.read_text().strip())


def _fortunes(folder: Path) -> Iterator[Document]:
    for path in sorted(folder.glob("fortunes/usr/share/games/fortunes/*")):
        if path.suffix or path.is_dir() or path.name in FORTUNES_SKIPPED:
            continue
        for entry in path.read_text(errors="ignore").split("\n%\n"):
            text = entry.strip().expandtabs()
            yield Document("fortunes", f"fortunes/{text[:80]}", text)


def _mail(folder: Path) -> Iterator[Document]:
    for path in sorted(folder.glob("spam-assassin/package/data/easy-ham-*/*.json")):
        message = email.message_from_string(json.loads(path.read_text())["text"])
        for part in message.walk():
            if part.get_content_type() == "text/plain":
                body = part.get_payload(decode=True) or b""
                text = _clean_mail(body.decode("latin-1"))
                if len(text) > 80:
                    yield Document("mail", f"mail/{path.stem}", text)
                break


def _clean_mail(body: str) -> str:
    """Keep what the writer wrote: no quotations, signatures, list footers, addresses or markup."""
    body = body.replace("\r\n", "\n")
    body = re.split(r"\n-- ?\n|\n_{8,}|\n-----BEGIN PGP|\n-{10,} Yahoo", body)[0]
    lines = [
        line.rstrip()
        for line in body.split("\n")
        if not re.match(r"\s*[>|:}]|.{0,8}>|.*\b(wrote|writes):?\s*$|-----", line)
    ]
    text = html.unescape(re.sub(r"<[^<>\n]{1,200}>", "", "\n".join(lines)))
    text = re.sub(r"\S+@\S+", "", text)
    text = re.sub(r"https?://\S+|www\.\S+", "", text)
    return re.sub(r"\n{3,}", "\n\n", text).strip()


def _manuals(folder: Path) -> Iterator[Document]:
    sources = folder / "python3.11-doc/usr/share/doc/python3.11/html/_sources"
    for path in sorted(sources.rglob("*.rst.txt")):
        page = str(path.relative_to(sources)).removesuffix(".rst.txt")
        if page in {"license", "contents", "copyright"}:
            continue
        name = page.removeprefix("library/")
        name = f"python/{name.split('.')[0]}" if page != name else f"python-doc/{page}"
        yield Document("manuals", name, _plain_rst(path.read_text()))
    jargon = folder / "jargon-text/usr/share/doc/jargon-text/jargon.txt.gz"
    text = gzip.decompress(jargon.read_bytes()).decode("utf-8", errors="ignore")
    text = re.sub(r"^   ", "", text, flags=re.MULTILINE)
    for entry in re.split(r"\n(?=:[^:\n]+:)", text)[1:]:
        yield Document("manuals", f"jargon/{entry[:40]}", _unwrap(entry.strip()))


def _plain_rst(text: str) -> str:
    """Take the markup of a reStructuredText page away; keep prose, signatures and code."""
    text = re.sub(r":[\w:.+-]+:`[~!]?([^`<]*?)(?: <[^`]*>)?`", r"\1", text)
    text = re.sub(
        r"^\.\. (?:function|method|class|data|attribute|exception)::", "", text, flags=re.MULTILINE
    )
    text = re.sub(r"^ *(?:\.\. .*|[=*\-~^\"'#]{3,}|:\w+:.*)\n", "", text, flags=re.MULTILINE)
    text = re.sub(r"``([^`]*)``", r"\1", text)
    return re.sub(r"\n{3,}", "\n\n", text).strip()


def _docstrings(_folder: Path) -> Iterator[Document]:
    root = Path(sysconfig.get_path("stdlib"))
    for path in sorted(root.rglob("*.py")):
        inside = path.relative_to(root)
        if STDLIB_SKIPPED & set(inside.parts):
            continue
        module = inside.parts[0].removesuffix(".py").lstrip("_")
        try:
            tree = ast.parse(path.read_text())
        except (SyntaxError, UnicodeDecodeError):
            continue  # a template or a deliberately broken file
        for node in ast.walk(tree):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                yield Document("docstrings", f"python/{module}", ast.get_docstring(node) or "")


def _unwrap(text: str) -> str:
    """Join the lines of each paragraph: a column width is not what a dictionary should learn."""
    paragraphs = re.split(r"\n\s*\n", text.strip())
    return "\n\n".join(re.sub(r"\s*\n\s*", " ", p).strip() for p in paragraphs if p.strip())
