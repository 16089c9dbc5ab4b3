"""A view as one HTML file: its bundle, its state, and a model small enough to read."""

from __future__ import annotations

import base64
import html
import json
from pathlib import Path
from typing import Any

from volvelle.archive.whole import written_whole
from volvelle.views.kit.bundle import bundle_text

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


def _jsonable(value: Any) -> Any:
    """Return `value` with each binary buffer as ``{"$base64": text}``."""
    if isinstance(value, (bytes, bytearray, memoryview)):
        return {"$base64": base64.b64encode(value).decode("ascii")}
    if isinstance(value, dict):
        return {str(key): _jsonable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_jsonable(item) for item in value]
    return value


def _inline_json(value: Any) -> str:
    """Return JSON that cannot end its script element: no ``<`` is left in it."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def page(name: str, state: dict[str, Any], title: str) -> str:
    """Return the HTML of a view as it is now.

    Parameters
    ----------
    name : str
        Of its bundle: ``dual_umap`` for ``static/dual_umap.js``.
    state : dict
        Its traits.
    title : str
        Title of the page.
    """
    quiet = {"_live": False, "status": "idle", "error": "", "_traceback": "", "_plan": ""}
    return _PAGE.format(
        title=html.escape(title),
        state=_inline_json(_jsonable(state | quiet)),
        bundle=_inline_json(bundle_text(name)),
        page=bundle_text("export_page").replace("</script", "<\\/script"),
    )


def write_html(path: str | Path, name: str, state: dict[str, Any], title: str) -> Path:
    """Write `page` to `path` and return where it went."""
    target = Path(path).expanduser()
    if target.is_dir():
        raise IsADirectoryError(f"{target} is a folder; give a file name, such as view.html")
    with written_whole(target) as part:
        part.write_text(page(name, state, title), encoding="utf-8")
    return target
