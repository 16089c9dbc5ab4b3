"""What is chosen together is coloured, in as many colours as the page has."""

import re

from house.tree import ROOT

from volvelle.views.kit.selections import MOST_COLOURED


def test_as_many_features_may_be_chosen_as_there_are_colours():
    source = (ROOT / "js/src/lib/ui/colour.ts").read_text("utf-8")
    rows = re.search(r"OKABE_ITO: RGB\[\] = \[(.*?)\n\];", source, re.DOTALL)[1]
    assert len(re.findall(r"\[\d+, \d+, \d+\]", rows)) == MOST_COLOURED
    assert f"export const MOST_COLOURED = {MOST_COLOURED};" in source
