# What volvelle takes of scipy.linalg, which ships no types. A name that is missing here is added.
import numpy as np

def eigh(a: np.ndarray, *, subset_by_index: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]: ...
