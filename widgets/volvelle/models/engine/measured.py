"""How a model that is here runs while it is measured, whatever its owner does with it."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

# What a module of torch calls in the place of its forward after `module.compile()`.
COMPILED = "_compiled_call_impl"


@contextmanager
def as_measured(module: Any) -> Iterator[None]:
    """Run a model without dropout, with named outputs and uncompiled; then as it was.

    Parameters
    ----------
    module : torch.nn.Module
        Its owner may be training it: each module's own ``training`` comes back.

    Notes
    -----
    A model in training draws dropout anew in each run; ``config.return_dict=False`` gives tuples
    where names are read; a module compiled in place does not call what nnsight puts on it.
    """
    before = _otherwise(module)
    for owner, name, _, wanted in before:
        setattr(owner, name, wanted)
    try:
        yield
    finally:
        for owner, name, had, _ in reversed(before):
            setattr(owner, name, had)


def _otherwise(module: Any) -> list[tuple[Any, str, Any, Any]]:
    """Return what is not as it is measured: whose, its name, its value and the one wanted."""
    found: list[tuple[Any, str, Any, Any]] = []
    for one in module.modules():
        if one.training:
            found.append((one, "training", True, False))
        if one.__dict__.get(COMPILED) is not None:
            found.append((one, COMPILED, one.__dict__[COMPILED], None))
        config = getattr(one, "config", None)
        if getattr(config, "return_dict", None) is False:
            found.append((config, "return_dict", False, True))
    return found
