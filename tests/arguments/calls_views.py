"""Public calls of the views' floor; each view's traits are set on it too, once it is made."""

from arguments import made
from arguments.calls import RUNS, Row

import volvelle as vv

FEW = {"max_new_tokens": 2, "placebo": 1}
# What a view of a circle alone says to a text.
NO_MODEL = {"text": ("no model",), "texts": ("no model",)}


def steering_once():
    """A view of its own: what is added stays."""
    return vv.Steering(made.model(), {"joy": made.direction()}, "hello", **FEW).wait(60)


def settled(view):
    return view.wait(15)


def shown():
    return {"model": made.model(), "sae": made.sae(), "text": "hello"}


VIEWS = [
    Row("FeatureActivations", None, shown, cost=RUNS),
    Row(
        "Steering",
        None,
        lambda: (
            {"model": made.model(), "directions": made.direction(), "prompt": "hello"}
            | {"sae": made.sae()}
            | FEW
        ),
        cost=RUNS,
        also={"prompt": ("messages",)},
    ),
    Row("DoseResponse", None, lambda: {"result": made.dose()}, cost=RUNS),
    Row("EmotionCircle", None, lambda: {"circle": made.circle()}, cost=RUNS, also=NO_MODEL),
    Row(
        "EmotionCircle",
        None,
        lambda: {"model": made.model(), "circle": made.circle(), "text": "hello"} | FEW,
        as_="of a model",
        cost=RUNS,
    ),
    Row("CircularManifold", None, lambda: {"circle": made.circle()}, cost=RUNS),
    Row("DualUMAP", None, lambda: {"a": made.layout()}, cost=RUNS),
    Row("Jobs", None, lambda: {"model": made.model()}, cost=RUNS),
]
ROWS = [
    Row(
        "FeatureActivations.from_values",
        None,
        lambda: {"tokens": ["a", "b"], "values": [[1.0], [2.0]], "names": ["x"]},
        cost=RUNS,
    ),
    Row("FeatureActivations.to_pandas", made.activations_view),
    Row("EmotionCircle.to_pandas", made.circle_view),
    Row("CircularManifold.wait", made.manifold, lambda: {"timeout": 1.0}),
    Row(
        "CircularManifold.to_html",
        made.manifold,
        lambda: {"path": "page.html"},
        cost=RUNS,
        also={"path": ("file", "folder", "named pipe")},
    ),
    Row("DualUMAP.stability", made.map_view, lambda: {"n_seeds": 1}, cost=RUNS),
    Row(
        "Steering.add",
        steering_once,
        lambda: {"direction": made.direction("fear")},
        settled,
        cost=RUNS,
    ),
    Row(
        "Steering.remember", steering_once, lambda: {"direction": made.direction("fear")}, cost=RUNS
    ),
    Row(
        "Steering.remove",
        steering_once,
        lambda: {"name": "joy"},
        settled,
        cost=RUNS,
        also={"name": ("direction",)},
    ),
    Row(
        "Steering.restore",
        made.steering_with_history,
        lambda: {"number": 1},
        settled,
        cost=RUNS,
        also={"number": ("run",)},
    ),
]
# What they ask for is a job that there may be none of.
REFUSED = [
    Row("Jobs.cancel", made.jobs, lambda: {"number": 10**9}, also={"number": ("job",)}),
    Row("Jobs.again", made.jobs, lambda: {"number": 10**9}, also={"number": ("job",)}),
]
EXCEPT = {
    "DualUMAP.get_state": "of the notebook, which asks for what a page is to have",
    "DualUMAP.set_state": "of the page: tests/views/test_page_messages.py sends it odd messages",
}
