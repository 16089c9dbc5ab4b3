# What volvelle takes of safetensors, whose own types leave out what comes back.
from os import PathLike
from types import TracebackType
from typing import Self

import numpy as np

class SafetensorError(Exception): ...

class safe_open:
    def __init__(self, filename: str | PathLike[str], framework: str) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...
    def metadata(self) -> dict[str, str] | None: ...  # None where a file has none
    def keys(self) -> list[str]: ...
    def get_tensor(self, name: str) -> np.ndarray: ...
