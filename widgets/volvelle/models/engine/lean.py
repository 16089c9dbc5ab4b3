"""Runs without the wrapper on modules that nobody reads."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator


@contextmanager
def unwrapped_but(module: Any, paths: Collection[str]) -> Iterator[None]:
    """Let all modules but some run as if nnsight had not wrapped them.

    nnsight puts a forward of its own on every module of the tree, which asks at each call
    whether somebody waits there: some 400 modules for each token of the demo model, 4 % of a
    generation. Here it is taken off where nobody can be waiting, and put back afterwards.

    Parameters
    ----------
    module : torch.nn.Module
        The wrapped tree.
    paths : collection of str
        Dotted paths of the modules that are read or written. The root always is.

    Notes
    -----
    Left alone is whatever is not nnsight's plain wrapper around the class's own forward:
    modules that accelerate spreads over devices, sourced ones, ones of another version. Then
    the run is slower, not wrong.
    """
    taken = []
    try:
        for path, child in module.named_modules():
            own = child.__dict__
            wrapper = own.get("forward")
            if not path or path in paths or "_hf_hook" in own or wrapper is None:
                continue
            state = getattr(wrapper, "state", None)
            if type(wrapper).__module__.startswith("nnsight.") and (
                getattr(state, "body", None) is type(child).forward
            ):
                taken.append((own, wrapper))
                del own["forward"]
        yield
    finally:
        for own, wrapper in taken:
            own["forward"] = wrapper
