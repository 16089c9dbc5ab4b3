from volvelle.names import closest, unknown


def test_the_closest_name_is_suggested_whatever_its_case():
    assert closest("JOI", ["joy", "fear"]) == "joy"
    assert (
        unknown("emotion", "joi", ["joy", "fear"]) == "unknown emotion 'joi'; did you mean 'joy'?"
    )


def test_what_exists_is_listed_where_nothing_is_near():
    assert unknown("point", "qqq", ["a", "b"]) == "unknown point 'qqq'; there are: a, b"
    assert unknown("point", "qqq", []) == "unknown point 'qqq'; there are none"
    assert unknown("point", "qqq", [f"p{i}" for i in range(20)]).endswith("p11 and 8 more")
