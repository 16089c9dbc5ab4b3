"""Where a view's built front end lies, how a page gets it, what stands in while there is none."""

from __future__ import annotations

import os
from pathlib import Path

STATIC = Path(__file__).resolve().parents[2] / "static"

# anywidget reads `_esm` files while the class is defined: a missing one would break
# `import volvelle`. This module is shown in the view's place instead.
_NOTICE = """\
export default {{
  render({{ el }}) {{
    const note = document.createElement("p");
    note.setAttribute("role", "alert");
    note.textContent = "volvelle: the front end of this view ({name}) is not built. In a clone, " +
      "run `npm ci && npm run build` in js/ (Node 20 or newer), then restart the kernel.";
    el.append(note);
  }},
}};
"""

# What anywidget imports, in a bundle's place: the bundle is a trait beside it. anywidget imports
# `_esm` once for every view that is made, and a page never lets go of a module: each view would
# leave its bundle there for good, with all that the bundle's own variables hold of what it drew
# last. This reads it from the trait once a page, and the views of one kind share it.
#
# JupyterLab keeps the model of a view that was closed, in what its kernel connection listens to:
# `_over` names what then is let go of. Only Python's close names anything, because some hosts clean
# up where a display goes whose model stays.
LOADER = """\
const bundles = (globalThis[Symbol.for("volvelle.bundles")] ??= new Map());
function load(text) {
  if (!bundles.has(text)) {
    const url = URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
    const loaded = import(url).finally(() => URL.revokeObjectURL(url));
    loaded.catch(() => bundles.delete(text));
    bundles.set(text, loaded);
  }
  return bundles.get(text);
}
export default {
  initialize({ model }) {
    return () => {
      const over = model.get("_over");
      // once what is shown of it has let go of it too
      setTimeout(() => over.forEach((name) => model.set(name, null)));
    };
  },
  async render(view) {
    return (await load(view.model.get("_bundle"))).default.render(view);
  },
};
"""


def bundle(name: str) -> Path | str:
    """Return what to give anywidget as ``_esm``.

    Parameters
    ----------
    name : str
        The view, as its file is called: ``"feature_activations"``.

    Returns
    -------
    pathlib.Path or str
        The built module's path, which `View` replaces by its text, or the text of a module that
        says how to build it.
    """
    path = STATIC / f"{name}.js"
    return path if path.is_file() else _NOTICE.format(name=name)


def bundle_text(name: str) -> str:
    """Return a built bundle's text, for a file that must stand alone.

    Raises
    ------
    FileNotFoundError
        When the front end is not built.
    """
    path = STATIC / f"{name}.js"
    if not path.is_file():
        raise FileNotFoundError(
            f"{path.name} is not built; run `npm ci && npm run build` in js/ (Node 20 or newer)"
        )
    return path.read_text(encoding="utf-8")


def watched() -> bool:
    """Return whether a saved bundle is to be shown at once, for work on the front end.

    anywidget then watches the file, and keeps every view of it for as long as Python runs.
    """
    return os.environ.get("ANYWIDGET_HMR") == "1"
