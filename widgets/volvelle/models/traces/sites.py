"""Where a trace reads and writes.

Sites come as ``(path, io)`` or ``(path, io, payload)`` in the order the forward pass reaches them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


def given_at(lm: Any, path: str, io: str) -> Any:
    """Return what passes a place: a tensor, or a tuple or list that begins with it."""
    envoy = lm.get(path)
    return envoy.output if io == "output" else envoy.input


def state_at(lm: Any, path: str, io: str) -> torch.Tensor:
    """Return the state at a place, whether the module gives a tensor or a tuple.

    Writing into what is returned writes into the model.
    """
    state = given_at(lm, path, io)
    return state[0] if isinstance(state, (tuple, list)) else state


def rows_of(state: torch.Tensor, rows: int) -> torch.Tensor:
    """Bring a state to (rows, tokens, d): OPT's mlp works on (rows * tokens, d).

    Raises
    ------
    ValueError
        For a state that is laid out in another way, such as Gemma-3n's four streams.
    """
    if state.dim() == 3 and state.shape[0] == rows:
        return state
    if state.dim() == 2 and len(state) % rows == 0:
        return state.view(rows, -1, state.shape[-1])
    raise ValueError(
        f"a state has shape {tuple(state.shape)}, expected ({rows} rows, tokens, width)"
    )
