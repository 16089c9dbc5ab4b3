from pathlib import Path

import numpy as np

def save_file(
    tensor_dict: dict[str, np.ndarray],
    filename: str | Path,
    metadata: dict[str, str] | None = None,
) -> None: ...
