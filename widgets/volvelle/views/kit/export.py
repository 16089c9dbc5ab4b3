"""A view as one HTML file: its bundle, its state, and a model small enough to read."""

from __future__ import annotations

import base64
import html
import json
from typing import TYPE_CHECKING, Any, cast

from volvelle.archive.paths import file_to_write
from volvelle.archive.whole import written_whole
from volvelle.arguments.texts import clean
from volvelle.views.kit.bundle import bundle_text

if TYPE_CHECKING:
    from pathlib import Path

# No request leaves the file: everything is inline, and the policy holds the browser to it.
_PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data: blob:; \
style-src 'unsafe-inline'; script-src 'unsafe-inline' blob:">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ margin: 1rem auto; padding: 0 1rem; max-width: 90rem; background: Canvas;
  color: CanvasText; font: 14px/1.45 system-ui, sans-serif; }}
</style>
</head>
<body>
<div id="view"></div>
<script type="application/json" id="state">{state}</script>
<script type="application/json" id="bundle">{bundle}</script>
<script type="module">{page}</script>
</body>
</html>
"""


# Where a buffer belongs in the state, and its bytes in base64.
Buffer = tuple[list[str | int], str]


def _apart(value: Any, at: list[str | int], buffers: list[Buffer]) -> Any:
    """Return `value` without its binary buffers, which go to `buffers` with their places.

    They travel beside the state, not in it: whatever a name or a text is, none is taken for one.
    """
    if isinstance(value, (bytes, bytearray, memoryview)):
        buffers.append((at, base64.b64encode(value).decode("ascii")))
        return None
    if isinstance(value, dict):
        named = cast("dict[Any, Any]", value)
        return {str(key): _apart(item, [*at, str(key)], buffers) for key, item in named.items()}
    if isinstance(value, (list, tuple)):
        listed = cast("list[Any]", value)
        return [_apart(item, [*at, i], buffers) for i, item in enumerate(listed)]
    return value


def _inline_json(value: Any) -> str:
    """Return JSON that cannot end its script element: no ``<`` is left in it."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def page(name: str, state: dict[str, Any], title: str) -> str:
    """Return the HTML of a view as it is now.

    Parameters
    ----------
    name : str
        Of its bundle: ``dual_umap`` for ``static/dual_umap.js``.
    state : dict
        Its traits as a page has them (`finite`, `clean`), buffers as bytes.
    title : str
        Title of the page.
    """
    quiet = {"_live": False, "status": "idle", "error": "", "_traceback": "", "_plan": ""}
    buffers: list[Buffer] = []
    rest = _apart(state | quiet, [], buffers)
    return _PAGE.format(
        title=html.escape(clean(title)),
        state=_inline_json({"state": rest, "buffers": buffers}),
        bundle=_inline_json(bundle_text(name)),
        page=bundle_text("export_page").replace("</script", "<\\/script"),
    )


def write_html(path: str | Path, name: str, state: dict[str, Any], title: str) -> Path:
    """Write `page` to `path` and return where it went."""
    target = file_to_write(path, "a file to write the page to, such as view.html")
    text = page(name, state, title)
    with written_whole(target) as part:
        part.write_text(text, encoding="utf-8")
    return target
