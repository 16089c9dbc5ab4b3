# What volvelle takes of pynndescent, which ships no types. A name that is missing here is added.
import numpy as np

class NNDescent:
    def __init__(
        self, data: np.ndarray, metric: str, n_neighbors: int, random_state: int, n_jobs: int
    ) -> None: ...
    @property
    def neighbor_graph(self) -> tuple[np.ndarray, np.ndarray]: ...
