"""A `.keras` file from anywhere: what is good loads, what is not is refused with the reason."""

from __future__ import annotations

import functools
import json
import os
import shutil
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest

from edgecnn import models
from edgecnn.errors import InputError
from edgecnn.keras_files import archive, import_keras, load_keras
from edgecnn.keras_files.library import without_native_log


@pytest.fixture(scope="module")
def good_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("keras") / "good.keras"
    models.build("simple", input_shape=(8, 8, 1), seed=0).save(path)
    return path


def rewritten(source, target, change=None, extra=(), compression=zipfile.ZIP_STORED):
    """Copy an archive, with `change(name, content)` applied and `extra` members added."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w", compression) as new:
        for name in old.namelist():
            content = old.read(name)
            new.writestr(name, change(name, content) if change else content)
        for name, content in extra:
            new.writestr(name, content)
    return target


def with_config(source, target, edit):
    def change(name, content):
        if name != "config.json":
            return content
        config = json.loads(content)
        edit(config)
        return json.dumps(config)

    return rewritten(source, target, change)


def test_an_archive_that_was_packed_again_still_loads(good_file, tmp_path):
    packed = rewritten(good_file, tmp_path / "p.keras", compression=zipfile.ZIP_DEFLATED)

    assert load_keras(packed).count_params() == load_keras(good_file).count_params()


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_a_truncated_file_is_refused(good_file, tmp_path, share):
    content = good_file.read_bytes()
    path = tmp_path / "cut.keras"
    path.write_bytes(content[: int(len(content) * share)])

    with pytest.raises(InputError, match="not a complete Keras 3"):
        load_keras(path)


def test_a_file_that_is_no_archive_is_refused(tmp_path):
    path = tmp_path / "text.keras"
    path.write_text("not a model at all")

    with pytest.raises(InputError, match="is a text file"):
        load_keras(path)


def test_another_kind_of_model_is_refused(model_file):
    with pytest.raises(InputError, match=r"expected a \.keras file"):
        load_keras(model_file)


def test_flipped_bytes_in_the_weights_are_noticed(good_file, tmp_path):
    content = bytearray(good_file.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 64] = bytes(64)
    path = tmp_path / "flipped.keras"
    path.write_bytes(content)

    with pytest.raises(InputError, match="is not whole"):
        load_keras(path)


@pytest.mark.parametrize("trusted", [False, True])
def test_a_bomb_is_refused_before_keras_sees_it_even_from_a_trusted_source(keras_bomb, trusted):
    with pytest.raises(InputError, match="zip bomb"):
        load_keras(keras_bomb, allow_unsafe=trusted)


def test_more_than_the_limit_in_total_is_refused(good_file, monkeypatch):
    monkeypatch.setattr(archive, "MAX_UNPACKED_BYTES", 10_000)

    with pytest.raises(InputError, match="would unpack to"):
        load_keras(good_file)


def test_too_many_members_are_refused(good_file, tmp_path):
    path = rewritten(
        good_file, tmp_path / "many.keras", extra=[(f"assets/{i}", b"") for i in range(1_001)]
    )

    with pytest.raises(InputError, match="members, expected at most"):
        load_keras(path)


@pytest.mark.parametrize("member", ["../outside", "/etc/outside", "assets/../../outside"])
def test_a_member_outside_the_archive_is_refused(good_file, tmp_path, member):
    path = rewritten(good_file, tmp_path / "climbing.keras", extra=[(member, b"x")])

    with pytest.raises(InputError, match="points outside"):
        load_keras(path)


def test_two_members_of_one_name_are_refused(good_file, tmp_path):
    path = tmp_path / "twice.keras"
    shutil.copy(good_file, path)
    with warnings.catch_warnings(), zipfile.ZipFile(path, "a") as archive:
        warnings.simplefilter("ignore", UserWarning)  # zipfile's own remark on the duplicate
        archive.writestr("config.json", b"{}")

    with pytest.raises(InputError, match="same name"):
        load_keras(path)


def test_an_archive_of_something_else_is_refused(tmp_path):
    path = tmp_path / "other.keras"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("word/document.xml", b"<w/>")

    with pytest.raises(InputError, match="is a zip archive"):
        load_keras(path)


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"{}", b"\xff\xfe", b"[" * 100_000, b'{"class_name": "Dense"}']
)
def test_a_config_that_is_no_model_is_refused(good_file, tmp_path, content):
    path = rewritten(
        good_file, tmp_path / "x.keras", lambda name, old: content if "config" in name else old
    )

    with pytest.raises(InputError, match=r"x\.keras"):
        load_keras(path)


def test_an_archive_without_weights_is_refused(good_file, tmp_path):
    path = tmp_path / "w.keras"
    with zipfile.ZipFile(good_file) as old, zipfile.ZipFile(path, "w") as new:
        new.writestr("config.json", old.read("config.json"))

    with pytest.raises(InputError, match="cannot read it"):
        load_keras(path)


def test_weights_of_another_architecture_are_refused(good_file, tmp_path):
    other = tmp_path / "other.keras"
    models.build("simple", input_shape=(12, 12, 1), seed=0).save(other)
    with zipfile.ZipFile(other) as archive:
        weights = archive.read("model.weights.h5")
    path = rewritten(
        good_file, tmp_path / "m.keras", lambda name, old: weights if name.endswith("h5") else old
    )

    with pytest.raises(InputError, match="cannot read it"):
        load_keras(path)


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_weights_with_a_damaged_byte_are_refused(good_file, tmp_path, compression):
    path = rewritten(good_file, tmp_path / "m.keras", compression=compression)
    with zipfile.ZipFile(path) as archive:
        member = archive.getinfo("model.weights.h5")
    content = bytearray(path.read_bytes())
    content[member.header_offset + 30 + len(member.filename) + member.compress_size // 2] ^= 0xFF
    path.write_bytes(content)

    with pytest.raises(InputError, match="not whole"):
        load_keras(path)


def test_no_room_for_the_copy_is_not_called_a_damaged_file(good_file, monkeypatch):
    full = functools.partial(Path("/dev/full").open, "r+b", buffering=0)
    monkeypatch.setattr(archive.tempfile, "TemporaryFile", full)
    with pytest.raises(OSError, match="No space left"):
        load_keras(good_file)


@pytest.fixture
def lambda_file(tmp_path):
    """A real Lambda layer, whose code would leave a file behind when it runs."""
    keras = import_keras()
    trace = tmp_path / "the-code-ran"
    source = f"lambda x: (open({str(trace)!r}, 'w').close(), x)[1]"
    layer = keras.layers.Lambda(eval(source), output_shape=(4,), name="sneaky")
    model = keras.Sequential([keras.Input((4,)), layer])
    path = tmp_path / "lambda.keras"
    model.save(path)
    trace.unlink(missing_ok=True)
    return path, trace


def test_a_lambda_layer_is_named_and_never_run(lambda_file):
    path, trace = lambda_file

    with pytest.raises(InputError, match="Lambda layer named 'sneaky'") as caught:
        load_keras(path)

    assert "--allow-unsafe" in caught.value.hint
    assert not trace.exists()


def test_a_lambda_layer_loads_when_the_user_trusts_the_file(lambda_file):
    path, trace = lambda_file

    model = load_keras(path, allow_unsafe=True)
    model.predict_on_batch(np.ones((1, 4), np.float32))

    assert trace.exists()


def test_code_hidden_in_an_argument_is_found(good_file, tmp_path):
    def edit(config):
        layer = config["config"]["layers"][1]["config"]
        layer["activation"] = {"class_name": "__lambda__", "config": {"value": "4wAAAA=="}}

    path = with_config(good_file, tmp_path / "hidden.keras", edit)

    with pytest.raises(InputError, match="Python lambda"):
        load_keras(path)


def test_a_class_from_any_python_module_is_not_imported(good_file, tmp_path):
    def edit(config):
        config["config"]["layers"][1].update(module="os", class_name="system", registered_name=None)

    path = with_config(good_file, tmp_path / "os.keras", edit)

    with pytest.raises(InputError, match="not registered here"):
        load_keras(path)


def test_a_missing_custom_class_is_named(tmp_path):
    keras = import_keras()

    @keras.saving.register_keras_serializable("edgecnn_test")
    class Doubling(keras.layers.Layer):
        def call(self, x):
            return x * 2

    path = tmp_path / "custom.keras"
    keras.Sequential([keras.Input((4,)), Doubling()]).save(path)
    keras.saving.get_custom_objects().clear()

    with pytest.raises(InputError, match="Doubling"):
        load_keras(path)


def test_layers_larger_than_memory_are_refused(good_file, tmp_path):
    def edit(config):
        config["config"]["layers"][-1]["config"]["units"] = 1 << 62

    path = with_config(good_file, tmp_path / "vast.keras", edit)

    with pytest.raises(InputError, match="cannot read it"):
        load_keras(path)


def test_importing_keras_passes_on_what_is_no_log_line(capfd):
    with without_native_log():
        os.write(2, b"I0000 00:00:17 port.cc:153] oneDNN custom operations are on.\nKeep me\n")

    assert capfd.readouterr().err == "Keep me\n"


@pytest.mark.parametrize("key", ["vocabulary", "idf_weights"])
def test_a_layer_that_reads_a_file_of_this_machine_is_refused(good_file, tmp_path, key):
    with zipfile.ZipFile(good_file) as archive:
        config = json.loads(archive.read("config.json"))
    lookup = {"class_name": "StringLookup", "config": {"name": "words", key: "/etc/passwd"}}
    config["config"]["layers"].append(lookup)
    path = rewritten(
        good_file,
        tmp_path / "reads.keras",
        lambda name, content: json.dumps(config).encode() if name == "config.json" else content,
    )

    with pytest.raises(InputError, match=rf"reads its {key} from the file '/etc/passwd'"):
        load_keras(path)


def _external_link(weights, name):
    import h5py

    weights[name] = h5py.ExternalLink("/etc/passwd", "/x")


def _external_data(weights, name):
    weights.create_dataset(name, (4,), "u1", external=[("/etc/passwd", 0, 4)])


def _virtual_data(weights, name):
    import h5py

    layout = h5py.VirtualLayout((4,), "u1")
    layout[:] = h5py.VirtualSource("/etc/passwd", "x", (4,))
    weights.create_virtual_dataset(name, layout)


@pytest.mark.parametrize("add", [_external_link, _external_data, _virtual_data])
@pytest.mark.parametrize("name", ["stolen", "layers/inside/vars/0"])
def test_weights_in_another_file_are_refused(good_file, tmp_path, add, name):
    import h5py

    with zipfile.ZipFile(good_file) as archive:
        archive.extract("model.weights.h5", tmp_path)
    with h5py.File(tmp_path / "model.weights.h5", "r+") as weights:
        add(weights, name)
    content = (tmp_path / "model.weights.h5").read_bytes()
    path = rewritten(
        good_file,
        tmp_path / "reads.keras",
        lambda name, old: content if name == "model.weights.h5" else old,
    )

    with pytest.raises(InputError, match="lies in another file, outside of the archive"):
        load_keras(path)
