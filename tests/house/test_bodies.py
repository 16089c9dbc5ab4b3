"""What travels is what was recorded with its format number."""

from house.bodies import RECORDED, bodies


def test_the_code_that_travels_is_that_recorded_for_its_number():
    assert bodies() == RECORDED.read_text(encoding="utf-8"), (
        "a function that travels is another: where what is sent to it or what comes back changed, "
        "raise its number in models/traces/bodies.py; then run `make surface`"
    )
