import numpy as np
import pytest
from gguf import GGUFReader, GGUFWriter

from volvelle.compute.directions.directions import Direction
from volvelle.compute.steering.steers import Steer
from volvelle.formats.control_vector import ControlVector


def vector(layers=range(1, 30), d=576):
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((len(layers), d)).astype(np.float32)
    return ControlVector(
        [Direction(row, "happy", f"resid_post.{i}") for i, row in zip(layers, rows, strict=True)],
        "happy",
        "llama",
    )


def written_by_repeng(path, directions):
    """Repeng's own calls, in its order."""
    writer = GGUFWriter(str(path), "controlvector")
    writer.add_string("controlvector.model_hint", "llama")
    writer.add_uint32("controlvector.layer_count", len(directions))
    for layer, row in directions.items():
        writer.add_tensor(f"direction.{layer}", row)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def test_a_file_reads_back_equal(tmp_path):
    one = vector()
    again = ControlVector.load(one.save(tmp_path / "happy.gguf"))
    assert (again.name, again.model_hint, again.layers) == ("happy", "llama", one.layers)
    for a, b in zip(one.directions, again.directions, strict=True):
        np.testing.assert_array_equal(a.vector, b.vector)
        assert a.point == b.point


def test_the_file_is_byte_for_byte_what_repeng_writes(tmp_path):
    one = vector()
    one.save(tmp_path / "ours.gguf")
    written_by_repeng(
        tmp_path / "theirs.gguf", {d.point.layer: np.array(d.vector) for d in one.directions}
    )
    assert (tmp_path / "ours.gguf").read_bytes() == (tmp_path / "theirs.gguf").read_bytes()


def test_repengs_order_from_the_last_layer_down_is_read_in_layer_order(tmp_path):
    rows = {i: np.full(8, i, dtype=np.float32) for i in (3, 2, 1)}
    written_by_repeng(tmp_path / "v.gguf", rows)
    one = ControlVector.load(tmp_path / "v.gguf")
    assert one.layers == (1, 2, 3)
    assert one.at(2).vector[0] == 2
    assert str(one.at(2).point) == "resid_post.2"


def test_the_header_says_what_llama_cpp_looks_for(tmp_path):
    reader = GGUFReader(str(vector().save(tmp_path / "v.gguf")))
    assert reader.get_field("general.architecture").contents() == "controlvector"
    assert reader.get_field("controlvector.layer_count").contents() == 29
    assert {t.name for t in reader.tensors} == {f"direction.{i}" for i in range(1, 30)}


def test_a_file_of_something_else_is_refused(tmp_path):
    writer = GGUFWriter(str(tmp_path / "m.gguf"), "llama")
    writer.add_tensor("direction.1", np.zeros(4, dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    with pytest.raises(ValueError, match="'llama' file, not a control vector"):
        ControlVector.load(tmp_path / "m.gguf")
    (tmp_path / "x.gguf").write_bytes(b"no file of that kind, but long enough to be looked at")
    with pytest.raises(ValueError, match="no whole GGUF file"):
        ControlVector.load(tmp_path / "x.gguf")


@pytest.mark.parametrize(
    ("tensor", "key", "count", "says"),
    [
        ("bias.1", None, 2, r"v\.gguf holds the tensor 'bias\.1': .* write the file again without"),
        (None, "controlvector.scale", 1, r"v\.gguf holds the key 'controlvector\.scale'"),
        (None, None, 3, r"v\.gguf tells 3 layers and holds 1 directions"),
        ("direction.x", None, 2, r"holds 'direction\.x', expected direction\.<layer>"),
    ],
)
def test_nothing_in_a_file_is_lost(tmp_path, tensor, key, count, says):
    writer = GGUFWriter(str(tmp_path / "v.gguf"), "controlvector")
    writer.add_string("controlvector.model_hint", "llama")
    writer.add_string("general.name", "a note")
    writer.add_uint32("controlvector.layer_count", count)
    if key:
        writer.add_float32(key, 2.0)
    for name in filter(None, ("direction.1", tensor)):
        writer.add_tensor(name, np.ones(4, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    with pytest.raises(ValueError, match=says):
        ControlVector.load(tmp_path / "v.gguf")


def test_a_control_vector_steers_every_layer_with_one_strength():
    steer = Steer(vector([2, 5], d=8), 0.4, unit="raw")
    assert [(str(p.point), p.strength) for p in steer.parts()] == [
        ("resid_post.2", 0.4),
        ("resid_post.5", 0.4),
    ]
    assert steer.name == "happy"


def test_a_range_of_layers_can_be_cut_out():
    assert vector(range(1, 10), 4).between(3, 5).layers == (3, 4, 5)


@pytest.mark.parametrize(
    ("directions", "message"),
    [
        ([], "at least one"),
        ([Direction([1.0], "a", "mlp_out.1")], "resid_post"),
        (
            [Direction([1.0], "a", "resid_post.1"), Direction([1.0, 2], "b", "resid_post.2")],
            "width",
        ),
        ([Direction([1.0], "a", "resid_post.1")] * 2, r"two directions at resid_post\.1"),
    ],
)
def test_what_a_file_cannot_hold_is_refused(directions, message):
    with pytest.raises(ValueError, match=message):
        ControlVector(directions)


def test_a_missing_layer_is_named():
    with pytest.raises(KeyError, match="no direction at layer 0"):
        vector([1, 2], 4).at(0)
