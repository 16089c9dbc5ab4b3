"""Whatever is made of states comes out the same wherever it is made.

Here; on a server whose states are brought back; and reduced by what runs inside the model there.
Each readout is a row of `READOUTS`, a further one is one more. The demo model stands for the one
on the server: the same traces run on it, without a request in between.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pytest

import volvelle as vv
from volvelle.experiments.circles.stimuli import read_stimuli
from volvelle.experiments.circles.vectors import class_vectors
from volvelle.experiments.maps.reading import read
from volvelle.experiments.maps.sides import side
from volvelle.experiments.readouts import class_means, codes, observe

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

# one by itself, one of a single token, none at all
TEXTS = [
    "The old sailor laughed. He had never been to Paris.",
    "No",
    "",
    "She wept, and I knew why.",
]
FELT = {
    "happy": ["We danced all night.", "The best news I ever had.", "What a wonderful day!"],
    "angry": ["He slammed the door.", "Give it back, you thief!", "They lied to me again."],
    "sad": ["She wept at the grave.", "Nobody came.", "I have lost all that I had."],
    "calm": ["The lake lay still.", "I closed my eyes and breathed.", "There was no hurry."],
}
# The bytes of states and of what is made of them there, from which a verb chooses its way.
WAYS = {"brought back": (0, 1), "reduced there": (1, 0)}
CLOSE = 1e-5  # of the largest number of its kind


class Readout(NamedTuple):
    """What is made of states.

    Attributes
    ----------
    verb : callable(model)
    numbers : callable(what the verb returns)
        Arrays by name.
    weighing : module
        Whose ``bytes_of_both`` the way is chosen by.
    said : str
        In the job's details, where it is done there.
    """

    verb: Callable[[vv.Model], Any]
    numbers: Callable[[Any], dict[str, np.ndarray]]
    weighing: ModuleType
    said: str


def words():
    """Directions that some texts are seen along."""
    rows = np.random.default_rng(0).standard_normal((6, 576)).astype(np.float32)
    return vv.Dictionary(rows, [f"w{i}" for i in range(6)], "resid_post.14", "words")


def readings(found):
    return {
        f"{what} {n}": array
        for n, one in enumerate(found)
        for what, array in (("codes", one.codes.toarray()), ("scored", one.scored))
    }


READOUTS = {
    "encode": Readout(
        lambda model: vv.encode(model, TEXTS, vv.demo_sae("a")),
        lambda found: {
            "codes": found.codes.toarray(),
            "fve": np.array([found.fve]),
            "outliers": ~found.outliers,
        },
        codes,
        "the texts are encoded there",
    ),
    "class means": Readout(
        lambda model: class_vectors(model, read_stimuli(FELT, None), cache=False),
        lambda found: {"means": found.means, "products": found.grams},
        class_means,
        "are reduced there",
    ),
    "observe": Readout(
        lambda model: model.call(
            lambda: read(
                model, TEXTS, [side(words(), "a"), side(vv.demo_sae("b"), "b")], lambda *_: None
            )
        ),
        readings,
        observe,
        "is sent",
    ),
}


@pytest.fixture(scope="module")
def made_here(model):
    """What a readout comes to here."""
    return functools.cache(lambda name: READOUTS[name].numbers(READOUTS[name].verb(model)))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", READOUTS)
def test_the_numbers_are_those_of_a_model_here(made_here, model_there, monkeypatch, name, way):
    readout = READOUTS[name]
    monkeypatch.setattr(readout.weighing, "bytes_of_both", lambda *_: WAYS[way])
    job = model_there.submit(lambda: readout.verb(model_there))
    found, wanted = readout.numbers(job.result()), made_here(name)
    assert (readout.said in " ".join(job.details)) == (way == "reduced there")
    assert found.keys() == wanted.keys()
    for what, array in wanted.items():
        largest = np.abs(array).max()
        assert largest > 0, what
        np.testing.assert_allclose(
            found[what], array, rtol=0, atol=CLOSE * largest, err_msg=what, strict=True
        )
