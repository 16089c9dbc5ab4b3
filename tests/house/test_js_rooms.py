"""Who may import whom in the front end. That no imports go in circles is biome's to say."""

import os
import re

import pytest
from house.tree import ROOT

SRC = ROOT / "js" / "src"
# static, re-exported, for its effects, at run time; of a type or not
IMPORT = re.compile(r"""(?:\bfrom|\bimport)\s*\(?\s*["'](\.[^"']*)["']""")
# A view's folder that draws with another view's, and why.
BORROWED: set[tuple[str, str]] = set()


def room(path):
    """lib/ui/label.tsx -> (lib, ui), views/jobs/row -> (views, jobs), widgets/jobs.ts likewise."""
    top, _, rest = path.partition("/")
    return top, re.sub(r"\.tsx?$", "", rest.partition("/")[0])


def allowed(importer, imported):
    """Whether a file of js/src may import another; both as paths from there."""
    (top, name), (other, its) = room(importer), room(imported)
    if (top, name) == (other, its):
        return True
    match top:
        case "lib":  # ui stands on wire, every other room of lib on these two
            return other == "lib" and its in {"wire", "ui"} and name != "wire"
        case "views":
            return other == "lib" or (other == "views" and (name, its) in BORROWED)
        case "widgets":  # glue: one view's traits to that view's drawing
            return (other, its) in {("lib", "wire"), ("views", name)}
        case "export":  # what stands in for a notebook: it knows no view
            return other == "export"
    return False


def imports():
    """Every import of one file by another, both as paths from js/src."""
    for path in sorted(SRC.glob("*/**/*.ts*")):
        importer = path.relative_to(SRC).as_posix()
        for target in IMPORT.findall(path.read_text(encoding="utf-8")):
            yield importer, os.path.normpath(f"{importer}/../{target}").replace(os.sep, "/")


def test_every_room_of_the_front_end_imports_only_those_below():
    found = list(imports())
    assert found
    assert [f"{one} -> {other}" for one, other in found if not allowed(one, other)] == []


def test_every_borrowing_is_in_use():
    seen = {
        (room(one)[1], room(other)[1])
        for one, other in imports()
        if one[:5] == other[:5] == "views"
    }
    assert seen >= BORROWED


@pytest.mark.parametrize(
    ("importer", "imported"),
    [
        ("lib/wire/model.ts", "lib/ui/status"),
        ("lib/ui/label.tsx", "lib/dial/state"),
        ("lib/dial/panel.tsx", "lib/scatter/camera"),
        ("lib/ui/label.tsx", "views/jobs/data"),
        ("lib/wire/model.ts", "widgets/jobs"),
        ("views/jobs/index.tsx", "views/steering/data"),
        ("views/jobs/index.tsx", "views/steering"),
        ("views/jobs/index.tsx", "widgets/jobs"),
        ("widgets/jobs.ts", "views/steering/data"),
        ("widgets/jobs.ts", "lib/ui/status"),
        ("export/page.ts", "views/jobs"),
    ],
)
def test_a_forbidden_import_is_caught(importer, imported):
    assert not allowed(importer, imported)


def test_an_import_is_found_however_it_is_written():
    lines = """
    import { a } from "./a";
    import type { B } from "./b";
    import {
      c,
    } from './c';
    export * from "./d";
    import "./e.css";
    const f = await import("./f");
    import { render } from "preact";
    """
    assert IMPORT.findall(lines) == ["./a", "./b", "./c", "./d", "./e.css", "./f"]
