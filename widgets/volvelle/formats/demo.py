"""The two dictionaries of the demo model that ship with volvelle."""

from __future__ import annotations

from importlib.resources import as_file, files

from volvelle.arguments.call import checked
from volvelle.formats.sae import SAE
from volvelle.names import unknown

NAMES = ("a", "b")


@checked
def demo_sae(name: str = "a") -> SAE:
    """Return a dictionary of the demo model, from the installed package.

    Parameters
    ----------
    name : str
        ``"a"`` or ``"b"``: TopK, k = 32, 4096 features at ``resid_post.14`` of
        SmolLM2-135M-Instruct; same data in the same order, different seeds.

    Returns
    -------
    SAE
        Labelled with the tokens each feature fires on most. Its card, `card.md` beside it,
        says what it was trained on and how much it explains.

    Raises
    ------
    ValueError
        For another name.
    """
    if name not in NAMES:
        raise ValueError(unknown("demo dictionary", name, NAMES))
    with as_file(files("volvelle.assets.demo_sae") / name) as folder:
        return SAE.load(folder, name=name)
