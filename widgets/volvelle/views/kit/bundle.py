"""Where a view's built front end lies, and what stands in for it while it is not built."""

from __future__ import annotations

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


def bundle(name: str) -> Path | str:
    """Return what to give anywidget as ``_esm``.

    Parameters
    ----------
    name : str
        The view, as its file is called: ``"feature_activations"``.

    Returns
    -------
    pathlib.Path or str
        The built module's path (anywidget watches it with ``ANYWIDGET_HMR=1``), or the text of
        a module that says how to build it.
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
