"""Progress of a part, told as that of the whole."""

from volvelle.progress import share


def test_a_part_is_told_as_its_stretch_of_the_whole():
    heard = []
    part = share(lambda *told: heard.append(told), 0.2, 0.6, "window 2 of 3: ")
    part(0.0, "read")
    part(0.5, "half")
    assert heard == [(0.2, "window 2 of 3: read"), (0.4, "window 2 of 3: half")]


def test_parts_of_parts_keep_their_place():
    heard = []
    share(share(heard.append, 0.5, 1), 0, 0.5)(1)
    assert heard == [0.75]


def test_a_part_that_tells_no_words_is_given_some():
    heard = []
    share(lambda *told: heard.append(told), 0, 1, "neighbours")(0.5)
    assert heard == [(0.5, "neighbours")]


def test_where_nobody_listens_nothing_is_told():
    assert share(None, 0, 1) is None
