"""SAEs from folders, repositories and tensors. Every format has its own file and a line here."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, cast

import torch

import volvelle.compute.dictionaries.sae as compute
from volvelle.archive.paths import kind_of, path_of, refuse_odd
from volvelle.arguments.call import checked_in
from volvelle.arguments.said import seen
from volvelle.compute.dictionaries.parts import checked_scale, folded
from volvelle.formats import hub, sae_lens
from volvelle.formats.pickles import refuse_pickle
from volvelle.formats.sae_tensors import canonical, guess_architecture

if TYPE_CHECKING:
    from collections.abc import Sequence

    from volvelle.compute.directions.points import Point

# Asked in this order; a format is a module with recognises(folder), read(folder, options), FILES.
FORMATS = (sae_lens,)


@checked_in
class SAE(compute.SparseAutoencoder):
    """A sparse autoencoder that knows its files: that of `compute` with `load`."""

    @classmethod
    def load(
        cls,
        source: str | Path | Mapping[str, Any],
        *,
        point: str | Point | None = None,
        name: str | None = None,
        architecture: str | None = None,
        k: int | None = None,
        norm_scaling_factor: float | None = None,
        ignore: Sequence[str] = (),
        subfolder: str | None = None,
        revision: str | None = None,
    ) -> Self:
        """Load an SAE. Nothing that could run code is opened.

        Parameters
        ----------
        source : str, Path or mapping of str to array
            A folder as sae-lens writes it; a repository ``"org/name"`` or
            ``"org/name/sub/folder"`` on the hub; or the tensors ``W_enc``, ``W_dec``, ``b_dec``
            and what the architecture needs, in either orientation.
        point : str or Point
            The place it was trained at, where the source does not say, or says wrong.
        name : str
            What a reader calls it; the folder's name otherwise.
        architecture : str
            ``standard``, ``topk``, ``abstopk``, ``jumprelu``, ``gated``. For tensors guessed
            from their names and `k`.
        k : int
            Features alive at a token, for the top-k kinds.
        norm_scaling_factor : float
            For ``expected_average_only_in``: what inputs are multiplied by.
        ignore : sequence of str
            Tensors and keys of the configuration that you know do not matter. Any that volvelle
            does not read is refused otherwise.
        subfolder, revision : str
            Within a repository.

        Returns
        -------
        SAE

        Raises
        ------
        FileNotFoundError
            Where there is no such folder.
        OSError
            For a named pipe, a device or a socket, given as the folder or inside it.
        TypeError
            For what is neither a path nor a mapping.
        ValueError
            For missing or misshapen tensors, tensors and keys that are not read, NaN, a pickle
            file, an unknown architecture.
        """
        options = {
            "point": point,
            "name": name,
            "architecture": architecture,
            "k": k,
            "norm_scaling_factor": checked_scale(norm_scaling_factor),
            "ignore": tuple(ignore),
        }
        if not isinstance(source, (str, Path)):
            return cls(**_from_tensors(source, options))
        folder = _folder(source, subfolder, revision)
        for reader in FORMATS:
            if reader.recognises(folder):
                return cls(**reader.read(folder, options))
        raise ValueError(_unrecognised(folder))


def _from_tensors(source: Any, options: dict[str, Any]) -> dict[str, Any]:
    """Return constructor arguments for named tensors."""
    if not isinstance(source, Mapping):
        raise TypeError(
            f"source is {seen(source)}, expected a folder, a repository 'org/name' or a dict of "
            "tensors"
        )
    tensors = cast("Mapping[str, Any]", source)
    if options["point"] is None:
        raise ValueError(
            "tensors do not say where in the model they belong; "
            "write SAE.load(tensors, point='resid_post.14')"
        )
    # tensors of a training run go on changing: ours must not
    tensors = {n: t.clone() if isinstance(t, torch.Tensor) else t for n, t in tensors.items()}
    k = options["k"]
    architecture = options["architecture"] or guess_architecture(tensors, k)
    name = options["name"] or "sae"
    weights = canonical(tensors, architecture, k, name, ignore=options["ignore"])
    return {
        "weights": folded(weights, input_scale=options["norm_scaling_factor"]),
        "architecture": architecture,
        "point": options["point"],
        "name": name,
        "k": k,
    }


def _folder(source: str | Path, subfolder: str | None, revision: str | None) -> Path:
    """Return the local folder of a source, fetched where it is a repository."""
    path = path_of(source, "a folder of an SAE, or a repository 'org/name'", "source")
    kind = kind_of(path)
    if kind == "a file":
        refuse_pickle(path)
        path = path.parent
    elif kind == "a folder":
        path = path / subfolder if subfolder else path
    if kind in ("a file", "a folder"):
        if path.is_dir():
            refuse_odd(path)
        return path
    if kind is not None:
        raise OSError(f"{path} is {kind}, expected a folder of an SAE")
    if isinstance(source, str) and hub.is_repository(source):
        files = tuple(name for reader in FORMATS for name in reader.FILES)
        return hub.fetch(source, files, subfolder=subfolder, revision=revision)
    raise FileNotFoundError(
        f"there is no folder {str(source)!r} here, and it is no repository 'org/name'"
    )


def _unrecognised(folder: Path) -> str:
    """Return why a folder is no SAE that is read, and what would be."""
    if not folder.is_dir():
        return f"there is no folder {str(folder)!r}"
    inside = sorted(path.name for path in folder.iterdir())
    for path in sorted(folder.iterdir()):
        refuse_pickle(path)
    below = sorted(
        str(path.parent.relative_to(folder))
        for path in folder.rglob(sae_lens.CONFIG)
        if path.parent != folder
    )
    if below:
        more = "" if len(below) <= 12 else f" and {len(below) - 12} more"
        return (
            f"{folder.name} holds several SAEs; name one with subfolder=: "
            f"{', '.join(below[:12])}{more}"
        )
    formats = "; ".join(f"{', '.join(reader.FILES[:2])} (sae-lens)" for reader in FORMATS)
    return (
        f"{folder.name} holds no SAE that volvelle reads: it has "
        f"{', '.join(inside[:12]) or 'no files'}; read are {formats}"
    )
