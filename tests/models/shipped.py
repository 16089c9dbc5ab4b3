"""What travels to a server, module by module."""

from __future__ import annotations

import importlib
import pkgutil

from volvelle.models.remote.backend import SHIPPED


def modules():
    """Return every module of the packages that travel, the packages themselves included."""
    found = []
    for package in SHIPPED:
        inside = pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
        found += [package, *(importlib.import_module(module.name) for module in inside)]
    return found
