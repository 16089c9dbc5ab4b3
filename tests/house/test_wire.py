"""What the page is told of every view's wire is what the Python traits say."""

from typing import Any, Literal, TypedDict

import pytest
import traitlets
from house import wire
from house.tree import ROOT

from volvelle.views.kit.arrays import Array, Packed
from volvelle.views.kit.declared import page_writes, type_of
from volvelle.views.kit.view import View

WRITTEN = wire.wire()


class Inner(TypedDict):
    sizes: list[float | None]


class Outer(TypedDict, total=False):
    by_name: dict[str, Inner]
    packed: Packed


@pytest.mark.parametrize("path", WRITTEN, ids=lambda path: str(path.relative_to(ROOT / "js/src")))
def test_the_page_is_typed_as_the_traits_are_now(path):
    same = path.is_file() and path.read_text(encoding="utf-8") == WRITTEN[path]
    assert same, f"run `make wire`: {path.relative_to(ROOT)} is not what the Python traits say"


def test_nothing_is_left_of_a_view_that_is_gone():
    assert set(ROOT.glob("js/src/**/traits.ts")) == set(WRITTEN)


@pytest.mark.parametrize("path", [path for path in WRITTEN if path != wire.BASE], ids=str)
def test_no_trait_is_spelled_out_beside_the_written_ones(path):
    """The glue of a view takes its traits from the written file; no interface is made by hand."""
    own = [*path.parent.glob("*.ts*"), ROOT / f"js/src/widgets/{path.parent.name}.ts"]
    others = [each.read_text(encoding="utf-8") for each in own if each != path]
    assert any("./traits" in text or "/traits" in text for text in others)
    assert not any("extends BaseTraits {" in text for text in others)
    assert not any("as unknown as Traits" in text for text in others)
    assert not any("as unknown as Model" in text for text in others)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (list[int | str], "(number | string)[]"),
        (list[list[float | None]], "(number | null)[][]"),
        (list[Literal["a", "b"]], '("a" | "b")[]'),
        (dict[str, dict[str, bool]], "Record<string, Record<string, boolean>>"),
        (Array("u1"), "WireArray"),
        (Any, "unknown"),
    ],
)
def test_a_type_is_written_in_typescript(kind, text):
    assert wire.ts(kind) == text


def test_a_record_is_written_with_those_it_is_made_of():
    assert [one.__name__ for one in wire.records_in(list[Outer])] == ["Inner", "Outer"]
    assert wire.of_record(Outer) == (
        "export interface Outer {\n  by_name?: Record<string, Inner>;\n  packed?: WireArray;\n}"
    )


def test_a_choice_too_long_for_a_line_stands_one_option_a_line():
    options = [f"option number {i}" for i in range(6)]
    text = wire.member("many", Literal[tuple(options)])
    assert text.splitlines() == [
        "  many:",
        *(f'    | "{one}"' for one in options[:-1]),
        f'    | "{options[-1]}";',
    ]


def test_a_trait_that_does_not_say_what_it_holds_is_named():
    class Silent(View):
        told = traitlets.Dict().tag(sync=True)

    with pytest.raises(TypeError, match="'told' does not say what it holds"):
        type_of(Silent.class_traits()["told"])


def test_the_page_writes_public_traits_and_its_requests_alone():
    traits = View.class_traits(sync=True)
    written = {name for name, trait in traits.items() if page_writes(trait)}
    assert written == {"_request", "_view_count", "tabbable", "tooltip"}
