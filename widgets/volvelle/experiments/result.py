"""What every result of a verb can do: say itself, become a table, be kept in a file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Self

from volvelle.archive import file
from volvelle.arguments.call import checked_in

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

# Rows of a table that a cell shows.
ROWS = 8


@checked_in
class Result:
    """Base of the results: frozen dataclasses whose fields are the format of their file.

    A subclass says what its files are called and which layout they have, as in ``class
    Wheel(Result, kind="Wheel", version=1)``; `version` is raised when its fields change. A field
    with ``metadata=IN_MEMORY`` is in no file.

    Attributes
    ----------
    file_format : Format
        What a file of this class says it is: kind and version.
    """

    file_format: ClassVar[file.Format]

    def __init_subclass__(cls, *, kind: str = "", version: int = 0, **more: Any) -> None:
        super().__init_subclass__(**more)
        if kind:
            cls.file_format = file.Format(kind, version)

    def summary(self) -> str:
        """Return what was found, in a sentence or a few."""
        raise NotImplementedError

    def to_pandas(self) -> pd.DataFrame:
        """Return what was found as a data frame."""
        raise NotImplementedError

    def save(self, path: str | Path) -> Path:
        """Write everything to one safetensors file: numbers and JSON, no pickle.

        Parameters
        ----------
        path : str or pathlib.Path
            ``.safetensors`` is added where it does not end so. An existing file is replaced
            once the new one is whole.

        Returns
        -------
        pathlib.Path
            Where it is.

        Raises
        ------
        FileNotFoundError, IsADirectoryError
            Where there is no such folder, or the path is one.
        ValueError
            For the suffix of another kind of file.
        """
        return file.save(self, path)

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read what `save` wrote.

        Parameters
        ----------
        path : str or pathlib.Path
            With or without ``.safetensors``.

        Raises
        ------
        FileNotFoundError, IsADirectoryError
            Where there is no such file.
        ValueError
            For a file of something else, a damaged one, and one of a newer volvelle.
        """
        return file.load(cls, path)

    def _preview(self) -> pd.DataFrame:
        """Return the table whose first rows a cell shows."""
        return self.to_pandas()

    def _repr_html_(self) -> str:
        from html import escape

        table = self._preview()
        n = len(table)
        shown = table.head(ROWS).to_html(
            index=False, escape=True, max_cols=12, border=0, float_format="{:.3g}".format
        )
        more = f"<p>{n:,} rows in all, in .to_pandas()</p>" if n > ROWS else ""
        return (
            f"<p><b>{escape(self.file_format.kind)}</b>: {escape(self.summary())}</p>{shown}{more}"
        )
