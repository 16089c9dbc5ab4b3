"""What a closed view leaves behind: nothing in Python, no comm, no layout."""

import gc
import weakref

import anywidget
import comm
import ipywidgets
import numpy as np
import pytest
from traitlets import Int

from volvelle.views.kit.arrays import Array
from volvelle.views.kit.declared import requests_of
from volvelle.views.kit.view import View


class Plain(View):
    count = Int(0).tag(sync=True)
    data = Array("f4").tag(sync=True)

    def _on_double(self, of: int):
        self.count = 2 * of


def comms():
    return len(comm.get_comm_manager().comms)


def test_a_closed_view_leaves_no_comm():
    before = comms()
    Plain(count=3).close()
    assert comms() == before


def test_a_bare_anywidget_leaves_its_layouts_comm():
    """What the late layout is for; where this fails, ipywidgets has mended it."""
    before = comms()
    anywidget.AnyWidget().close()
    assert comms() == before + 1


def test_a_view_has_one_comm_until_its_layout_is_looked_at():
    before = comms()
    view = Plain()
    assert comms() == before + 1
    assert view.get_state()["layout"] is None
    view.layout.width = "50%"
    assert view.get_state()["layout"] == f"IPY_MODEL_{view.layout.model_id}"
    assert comms() == before + 2
    view.close()
    assert comms() == before


def test_the_page_is_told_of_a_layout_that_is_made_late(monkeypatch):
    view, sent = Plain(), []
    monkeypatch.setattr(view, "_send", lambda message, buffers=None: sent.append(message["state"]))
    layout = view.layout
    assert sent == [{"layout": f"IPY_MODEL_{layout.model_id}"}]
    assert view.layout is layout
    assert len(sent) == 1
    view.close()


@pytest.mark.parametrize("later", [False, True])
def test_a_layout_made_of_a_dict_is_closed_with_its_view(later):
    before = comms()
    view = Plain() if later else Plain(layout={"width": "40%"})
    if later:
        view.layout = {"width": "40%"}
    assert view.layout.width == "40%"
    view.close()
    assert comms() == before


def test_a_layout_that_was_given_outlives_its_view():
    layout = ipywidgets.Layout(width="30%")
    Plain(layout=layout).close()
    assert layout.comm is not None
    layout.close()


def test_a_layout_handed_on_to_another_view_outlives_the_first():
    first = Plain()
    second = Plain(layout=first.layout)
    first.close()
    assert second.layout.comm is not None
    second.layout.close()
    second.close()


def test_a_closed_view_is_freed_whatever_the_page_asked_of_it():
    view = Plain()
    view.set_state({"_request": {"serial": 1, "kind": "double", "of": 4}})
    assert view.count == 8
    own = weakref.ref(type(view))  # anywidget makes a class for every view
    assert requests_of(type(view))["double"] == {"of": int}
    view.close()
    del view
    gc.collect()
    assert own() is None


def test_the_page_is_told_what_to_let_go_of_only_as_a_view_closes():
    view = Plain(data=np.zeros(9, np.float32))
    assert view._over == []
    view.close()
    assert {"_bundle", "data", "status"} <= set(view._over)
    # what the host itself reads of a closed widget stays
    assert not {"layout", "_view_name", "_esm", "_anywidget_id"} & set(view._over)
