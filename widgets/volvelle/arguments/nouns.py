"""The classes of this package that arguments are of: how each is told, and where one comes from.

Classes of one file each are told by their name; models and SAEs by what they can do, so that one
may write another.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Noun:
    """What an argument is called, and how it is told from others.

    Attributes
    ----------
    said : str
        In a sentence, ``"a model"``.
    way_out : str
        How to get one.
    does : tuple of str
        Attributes one of which tells it; without any the name of its class does.
    """

    said: str
    way_out: str = ""
    does: tuple[str, ...] = ()

    def fits(self, value: object, name: str) -> bool:
        """Whether a value is one; `name` is its class's."""
        if isinstance(value, type):
            return False
        if self.does:
            return any(hasattr(type(value), one) or one in vars_of(value) for one in self.does)
        return any(kind.__name__ == name for kind in type(value).__mro__)


def vars_of(value: object) -> dict[str, object]:
    """Return the attributes an object holds itself; none where it has no place for them."""
    return getattr(value, "__dict__", {})


_MODEL = Noun("a model", "vv.load('smollm2') or vv.wrap(...) gives one", ("capture", "submit"))
_SAE = Noun(
    "an SAE",
    "vv.demo_sae('a') has one of the demo model, and vv.SAE.load(folder, repository or tensors, "
    "point=...) reads others",
    ("encode_sparse",),
)
_CIRCLE = Noun("a circle", "vv.emotion_circle(model) and vv.fit_circle(dictionary) give one")
_DIRECTION = Noun(
    "a direction", "write vv.Direction(vector, name, point), sae.feature(i) or dictionary[name]"
)

NOUNS = {
    "Model": _MODEL,
    "Captures": _MODEL,
    "Wrapped": _MODEL,
    "SparseAutoencoder": _SAE,
    "SAE": _SAE,
    "Circle": _CIRCLE,
    "FittedCircle": _CIRCLE,
    "Direction": _DIRECTION,
    "Feature": Noun("a feature of an SAE", "write sae.feature(i)"),
    "Dictionary": Noun(
        "a dictionary", "write vv.Dictionary(vectors, names, point), or take sae.decoder"
    ),
    "Contrast": Noun("a contrast"),
    "Exchange": Noun("an exchange"),
    "Steer": Noun("a steer", "write vv.Steer(direction, strength)"),
    "Where": Noun("a place", "write vv.Where(prompt=..., generated=...)"),
    "When": Noun("a condition", "write vv.When(sae.feature(i), above=3.0)"),
    "Tokens": Noun("tokens", "model.tokens(text) gives them"),
    "Dose": Noun("what vv.dose returns", "write vv.dose(model, prompt, steers)"),
    "SteeringRun": Noun("what vv.steer returns"),
    "Wheel": Noun("what vv.steer_around returns"),
    "DualLayout": Noun("what vv.dual_layout returns"),
    "Activations": Noun("what vv.encode returns"),
}
