"""See what a language model represents, and turn it, inside a notebook cell.

Public names are resolved on first use: ``import volvelle`` loads neither torch nor umap.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import ModuleType

__version__ = "0.1.0"

# public name -> the module that holds it
_HOMES = {
    # models
    "load": "models.load.load",
    "wrap": "models.load.load",
    "remote_models": "models.remote.servers",
    "RemoteFailure": "models.remote.errors",
    "Model": "models.model",
    # directions and dictionaries
    "Direction": "compute.directions.directions",
    "Dictionary": "compute.directions.directions",
    "Feature": "compute.directions.directions",
    "Steer": "compute.steering.steers",
    "HeadScale": "compute.steering.steers",
    "Where": "compute.steering.where",
    "When": "compute.steering.where",
    "ControlVector": "formats.control_vector",
    "SAE": "formats.sae",
    "demo_sae": "formats.demo",
    # verbs
    "steer": "experiments.steering.steer",
    "dose": "experiments.steering.dose",
    "Dose": "experiments.steering.dose_result",
    "SteeringRun": "experiments.steering.steering_run",
    "spellings": "experiments.steering.answers",
    "encode": "experiments.activations.encode",
    "Activations": "experiments.activations.encode",
    "dual_layout": "experiments.maps.dual_layout",
    "DualLayout": "experiments.maps.dual_layout",
    "emotion_circle": "experiments.circles.emotion_circle",
    "fit_circle": "experiments.circles.fit_circle",
    "Circle": "experiments.circles.fit_circle",
    "check_circle": "experiments.circles.check_circle",
    "steer_around": "experiments.circles.steer_around",
    "Wheel": "experiments.circles.wheel",
    # views
    "FeatureActivations": "views.activations.feature_activations",
    "DualUMAP": "views.maps.dual_umap",
    "EmotionCircle": "views.circles.emotion_circle",
    "CircularManifold": "views.circles.circular_manifold",
    "Steering": "views.steering.steering",
    "DoseResponse": "views.steering.dose_response",
    "Jobs": "views.jobs.jobs",
    # housekeeping
    "cache_dir": "cache",
}

__all__ = ["__version__", *_HOMES]  # noqa: PLE0604  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        from volvelle.names import unknown

        raise AttributeError(unknown("name in volvelle", name, _HOMES))
    module: ModuleType = import_module(f"volvelle.{_HOMES[name]}")
    value = getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
