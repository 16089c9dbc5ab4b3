import numpy as np
import pytest

from volvelle.compute.directions.directions import Direction
from volvelle.compute.steering.where import When, Where

IDS = np.array([1, 10, 11, 2, 12, 10])
SPECIAL = np.array([True, False, False, True, False, False])
DIRECTION = Direction(np.ones(3), "a", "resid_post.1")


def mask(where, **names):
    return where.prompt_mask(IDS, SPECIAL, names).astype(int).tolist()


def test_all_leaves_out_special_tokens_and_position_0():
    assert mask(Where()) == [0, 1, 1, 0, 1, 1]


def test_first_alone_admits_position_0_even_when_it_is_special():
    assert mask(Where(first=True)) == [1, 1, 1, 0, 1, 1]


def test_special_does_not_admit_position_0():
    assert mask(Where(special=True)) == [0, 1, 1, 1, 1, 1]


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        (-1, [0, 0, 0, 0, 0, 1]),
        ([1, -2], [0, 1, 0, 0, 1, 0]),
        ((1, 3), [0, 1, 1, 0, 0, 0]),
        ((-2, None), [0, 0, 0, 0, 1, 1]),
        (slice(None, 2), [0, 1, 0, 0, 0, 0]),
        ({"tokens": [10]}, [0, 1, 0, 0, 0, 1]),
        ({"tokens": 10, "positions": 2}, [0, 1, 1, 0, 0, 1]),
        ({"tokens": " cat"}, [0, 0, 0, 0, 1, 0]),
        ({"exclude_tokens": [10]}, [0, 0, 1, 0, 1, 0]),
        ({"window": (0, None), "exclude_positions": -1}, [0, 1, 1, 0, 1, 0]),
        ({"positions": [1, 2], "exclude_window": (2, 4)}, [0, 1, 0, 0, 0, 0]),
        ("none", [0, 0, 0, 0, 0, 0]),
    ],
)
def test_every_spelling_selects_what_it_says(prompt, expected):
    assert mask(Where(prompt=prompt), **{" cat": 12}) == expected


def test_a_where_reads_back_in_a_spelling_json_can_hold():
    where = Where(prompt=[1, -2], generated=slice(3, None))
    assert where.prompt == {"positions": [1, -2]}
    assert where.generated == {"window": [3, None]}
    assert Where(prompt=where.prompt, generated=where.generated) == where
    assert (Where().prompt, Where(generated=None).generated) == ("all", "none")


@pytest.mark.parametrize(
    ("where", "message"),
    [
        (lambda: Where(prompt=[0]), "first=True"),
        (lambda: Where(prompt=[3]), "special=True"),
        (lambda: Where(prompt={"tokens": [99]}), "no token of this prompt"),
    ],
)
def test_an_empty_selection_is_refused_with_the_way_out(where, message):
    with pytest.raises(ValueError, match=message):
        mask(where())


def test_a_position_outside_the_prompt_is_refused():
    with pytest.raises(IndexError, match=r"position 6 is outside the prompt's 0\.\.\.5"):
        mask(Where(prompt=[6]))


def test_a_prompt_of_one_token_may_leave_nothing():
    assert not Where().prompt_mask(np.array([5]), np.array([False])).any()


def test_generated_places_are_counted_from_the_first_new_token():
    assert Where(generated=(1, 3)).generated_mask(4).tolist() == [False, True, True, False]
    assert Where(generated=[0]).generated_mask(3).tolist() == [True, False, False]
    assert Where(generated=[9]).generated_mask(3).tolist() == [False] * 3
    assert Where(generated={"exclude_positions": 0}).generated_mask(2).tolist() == [False, True]


def test_negative_generated_positions_are_refused():
    with pytest.raises(ValueError, match="nobody knows yet"):
        Where(generated=[-1]).generated_mask(4)


def test_special_ids_are_excluded_among_generated_tokens_unless_asked_for():
    _, exclude, kept = Where().generated_tokens(2, [2, 0])
    assert exclude.tolist() == [0, 2]
    assert kept.tolist() == [True, True]
    include, exclude, _ = Where(generated={"tokens": [5]}, special=True).generated_tokens(2, [2])
    assert (include.tolist(), exclude.tolist()) == ([5], [])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("some", "'all', 'none'"),
        ({"position": 1}, "did you mean 'positions'"),
        ((1, 2, 3), "single positions go in a list"),
        (True, "names no tokens"),
        (slice(0, 4, 2), "unbroken"),
    ],
)
def test_an_unknown_spelling_is_refused_with_those_that_exist(given, message):
    with pytest.raises((TypeError, ValueError), match=message):
        Where(prompt=given)


def test_steering_nothing_is_refused():
    with pytest.raises(ValueError, match="steer nothing"):
        Where(prompt="none", generated=None)


def test_a_condition_is_a_when():
    feature = Direction([1.0, 0], "x", "resid_post.0")
    assert Where(when=When(feature, above=1)).when.above == 1
    with pytest.raises(TypeError, match=r"vv\.When"):
        Where(when=feature)


def test_strings_among_the_tokens_are_listed_once_for_the_tokenizer():
    where = Where(prompt={"tokens": [" a", 3]}, generated={"exclude_tokens": [" a", " b"]})
    assert where.strings == (" a", " b")


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: When("x", above=1.0), "feature='x' must be a direction"),
        (lambda: When(DIRECTION, above=float("nan")), "above=nan"),
        (lambda: When(DIRECTION, above="high"), "above='high'"),
        (lambda: Where(prompt=[1.5]), "positions of prompt are integers"),
    ],
)
def test_what_is_no_condition_and_no_position_is_refused(make, said):
    with pytest.raises((TypeError, ValueError), match=said):
        make()


@pytest.mark.parametrize(
    ("where", "wanted"),
    [
        (Where(), [1, 0, 1, 1]),
        (Where(special=True), [1, 1, 1, 1]),
        (Where(generated="none"), [0, 0, 0, 0]),
        (Where(generated=[2, 9]), [0, 0, 1, 0]),
        (Where(generated={"tokens": [5], "exclude_positions": [0]}), [0, 0, 0, 1]),
        (Where(generated={"exclude_tokens": [7]}), [1, 0, 0, 1]),
    ],
)
def test_generated_tokens_that_are_known_are_masked_as_if_they_came_one_by_one(where, wanted):
    mask = where.known_mask(np.array([5, 1, 7, 5]), 10, special_ids=[1])
    assert mask.astype(int).tolist() == wanted
