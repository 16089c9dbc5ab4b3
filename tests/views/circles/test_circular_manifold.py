"""CircularManifold: traits in, traits out, without a browser."""

import numpy as np
import pytest
from traitlets import TraitError
from views.circles.planted import DEGREES, NAMES, circle

import volvelle as vv
from volvelle.views.circles.circular_manifold import CircularManifold


@pytest.fixture(scope="module")
def found():
    return circle()


@pytest.fixture
def view(found):
    return CircularManifold(found)


def test_it_is_a_public_name():
    assert vv.CircularManifold is CircularManifold


def test_the_names_lie_inside_the_ring_at_their_angles(view, found):
    assert view._names == list(NAMES)
    angle, radius, reference, *_ = np.asarray(view._places).T
    assert np.allclose(angle, found.angles, atol=1e-3)
    assert radius.max() == pytest.approx(0.8, abs=1e-5)
    assert np.allclose(reference, DEGREES)


def test_the_score_comes_with_its_null_in_a_sentence(view):
    assert "95 % of shuffles below" in view._facts["verdict"]


def test_a_circle_without_reference_says_that_nothing_was_tested(found):
    untested = vv.fit_circle(found.dictionary)
    view = CircularManifold(untested)
    assert np.isnan(np.asarray(view._places)[:, 2]).all()
    assert not view._facts["scored"]
    assert "nothing to test" in view._facts["verdict"]


@pytest.mark.parametrize(("given", "kept"), [(370, 10), (-90, 270), (720, 0)])
def test_an_angle_wraps(view, given, kept):
    view.angle = given
    assert view.angle == kept


def test_the_direction_is_the_circles_at_the_hand(view, found):
    view.angle = 75
    assert np.allclose(view.direction.vector, found.direction(75).vector)
    assert str(view.direction.point) == "resid_post.1"
    assert "75°" in view.direction.name


def test_the_hand_is_a_steer(view):
    view.angle, view.strength = 90, 0.2
    assert view.steer.strength == 0.2
    assert view.steer.unit == "norm"


def test_strength_stays_within_the_rim(view):
    with pytest.raises(TraitError, match=r"strength 0\.5 is outside 0\.\.\.0\.3"):
        view.strength = 0.5
    view.rim = 1.0
    view.strength = 0.5
    assert view.strength == 0.5


def test_an_unknown_name_suggests_the_closest(view):
    with pytest.raises(TraitError, match="did you mean 'tense'"):
        view.selected = ["tens"]


def test_what_is_no_circle_is_refused():
    with pytest.raises(TypeError, match="fit_circle"):
        CircularManifold([1, 2, 3])


def test_the_table_has_a_row_per_name(view):
    view.selected = ["calm"]
    table = view.to_pandas()
    assert table.name.tolist() == list(NAMES)
    assert table[table.selected].name.tolist() == ["calm"]


def test_a_plain_circle_of_compute_is_shown_too(found):
    from volvelle.compute.circles.fit import fit_circle

    plain = fit_circle(found.dictionary, dict(zip(NAMES, DEGREES, strict=True)), n_null=50)
    assert len(CircularManifold(plain).to_pandas()) == len(NAMES)


def test_it_exports_to_one_file(view, tmp_path):
    text = view.to_html(tmp_path / "dial.html").read_text()
    assert "excited" in text
    assert "fake, sentences" in text
