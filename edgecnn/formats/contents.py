"""Identify files by content, and suggest what to do with those that are not models.

Downloads go wrong in the same few ways: a Git LFS pointer instead of the file, a page that asks
for a login, an archive around the model, a model of another framework. Each starts with bytes of
its own, and each has a remedy.
"""

from __future__ import annotations

import codecs
import re
import shlex
from collections.abc import Callable
from pathlib import Path

from edgecnn.formats.archives import zip_names
from edgecnn.formats.base import Format
from edgecnn.formats.kinds import Content, all_formats, content_of, known_suffixes
from edgecnn.formats.messages import describe_message

HEAD_BYTES = 4096
_SCANNED_BYTES = 8 << 20


def identify(path: Path) -> Content | None:
    """What a regular, non-empty file holds; None where nothing known is recognized.

    Only looks at the file's beginning and its structure: whether it is whole is judged by
    `check`. Raises OSError.
    """
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    for known in all_formats():
        if carries_mark(known, head) and known.holds(path, head):
            return content_of(known)
    for magic, offset, describe in _MAGIC:
        if head[offset : offset + len(magic)] == magic:
            return describe(path, head)
    text = _as_text(head)
    return _text(path, text) if text is not None else _unmarked(path, head)


def carries_mark(known: type[Format], head: bytes) -> bool:
    """Whether a file that begins with `head` has one of the marks that the format's files have."""
    return any(head[at : at + len(magic)] == magic for magic, at in known.magic)


def _unmarked(path: Path, head: bytes) -> Content | None:
    """A file that is not text and carries no mark: only its structure shows what it is."""
    for known in all_formats():
        if not known.magic and known.holds(path, head):
            return content_of(known)
    return describe_message(path)


def _plain(what: str, hint: str) -> Callable[[Path, bytes], Content]:
    return lambda path, _head: Content("", what, _filled(hint, path))


def _zip(path: Path, _head: bytes) -> Content:
    names = zip_names(path)
    if names is None:
        return Content("", "a zip archive that breaks off or has too many members", _AGAIN)
    bare = {name.rpartition("/")[2] for name in names}
    inside = sorted(name for name in names if Path(name).suffix.lower() in known_suffixes())
    numpy = bool(names) and all(name.endswith(".npy") for name in names)
    core_ml = bare & {"com.apple.CoreML", "model.mlmodel"}
    cases: tuple[tuple[object, str, str], ...] = (
        ("data.pkl" in bare, "a PyTorch file", _TORCH),
        (numpy, "NumPy arrays (.npz)", "pass the model file; arrays are data: --data"),
        (core_ml, "a Core ML package", _COREML),
        (inside, "a zip archive", f"{_UNPACK}: {', '.join(inside[:3])}"),
    )
    first_case = next((case for case in cases if case[0]), (True, "a zip archive", _UNPACK))
    return Content("", first_case[1], first_case[2])


def _hdf5(path: Path, _head: bytes) -> Content:
    """Keras before version 3. Its configuration is a text inside, which HDF5 does not compress."""
    with path.open("rb") as file:
        start = file.read(_SCANNED_BYTES)
        file.seek(max(0, path.stat().st_size - _SCANNED_BYTES))
        text = start + file.read(_SCANNED_BYTES)
    if b"model_config" not in text:
        if b"layer_names" in text or b"keras_version" in text:
            hint = f"with its architecture: edgecnn convert NAME --weights {path.name}"
            return Content("", "weights of Keras without a network (HDF5)", hint)
        return Content("", "an HDF5 file", "save the model as .keras, .onnx or .tflite")
    hint = f"convert it: {convert_command(path)}"
    return Content("", "a model of Keras 2 (HDF5)", hint)


def convert_command(path: Path) -> str:
    return f"edgecnn convert {shlex.quote(str(path))} --to onnx:float32 --out artifacts"


def _safetensors(path: Path, head: bytes) -> Content | None:
    if 0 < int.from_bytes(head[:8], "little") < path.stat().st_size:
        hint = "export the network that they belong to as ONNX"
        return Content("", "weights without a network (safetensors)", hint)
    return _unmarked(path, head)


def _as_text(head: bytes) -> str | None:
    """The file's beginning as text; None for bytes that are not text."""
    for mark, encoding in ((b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16")):
        if head.startswith(mark):
            return head[: len(head) // 2 * 2].decode(encoding, "replace")
    try:  # a character may be cut at the end
        text = codecs.getincrementaldecoder("utf-8-sig")().decode(head)
    except UnicodeDecodeError:
        return None
    controls = sum(char < " " and char not in "\t\n\r\f\x1b" for char in text)
    return text if text and not controls else None


def _text(path: Path, text: str) -> Content:
    start = text.lstrip().lower()
    for pattern, what, hint in _TEXTS:
        if re.match(pattern, start, re.DOTALL):
            return Content("", what, _filled(hint, path))
    first = " ".join(text.split())
    excerpt = first if len(first) <= 60 else first[:60] + "…"
    return Content("", f'a text file ("{excerpt}")', _filled(_MODEL_FILE, path))


def _filled(hint: str, path: Path) -> str:
    """With the file's name, and the endings of the formats that are known."""
    if hint == _MODEL_FILE:
        endings = [each.suffixes[0] for each in all_formats()]
        *usual, last = (each for each in endings if not each.endswith("seq2seq"))
        return f"pass a {', '.join(usual)} or {last} file"
    return hint.replace("NAME", path.name)


_MODEL_FILE = "pass a model file"
_AGAIN = "download or copy it again"
_LOGIN = "the download gave a page, perhaps a login: open its address in a browser"
_TORCH = "export it from PyTorch: torch.onnx.export(model, example_input, 'model.onnx')"
_COREML = "export the network it was made from to ONNX or TFLite"
_UNPACK = "unpack it, then pass the model file inside"
_IMAGE = "pass the model file; images are data: --data folder:DIR"

_TEXTS: tuple[tuple[str, str, str], ...] = (
    (
        r"version https://git-lfs",
        "a Git LFS pointer, not the file itself",
        "fetch the file: git lfs install, then git lfs pull --include NAME",
    ),
    (r"(\.\./)*\.?/?(\.git/)?annex/objects/", "a git-annex pointer", "git annex get NAME"),
    (r"(<!--.*?-->\s*)?(<!doctype\s+html|<html|<head|<body)", "a web page (HTML)", _LOGIN),
    (
        r"(<\?xml.*?\?>\s*)?<net\b",
        "an OpenVINO IR network (XML)",
        "benchmark the ONNX or TFLite file that it was made from",
    ),
    (r"<\?xml.*accessdenied|<\?xml.*<error>", "an error message of a server (XML)", _LOGIN),
    (r"<\?xml|<[a-z]+[ >]", "an XML file", _MODEL_FILE),
    (
        r'\{.*"measurements"\s*:',
        "a results file of edgecnn",
        "edgecnn report NAME makes a page of it; pass a model file here",
    ),
    (
        r'\{.*"(modeltopology|weightsmanifest)"',
        "a TensorFlow.js model",
        "convert the Keras model or SavedModel that it was made from",
    ),
    (
        r'\{.*"(parent_sha256|preprocessing)"',
        "a manifest of edgecnn",
        "pass the model file next to it",
    ),
    (
        r'\{.*"class_name"\s*:',
        "the configuration of a Keras model (JSON)",
        "with its weights: edgecnn convert NAME --weights FILE --to onnx:float32 --out artifacts",
    ),
    (r"[\[{]", "a JSON file", "if it was downloaded, it may be an error message: read it"),
    (
        r"(ir_version\s*:|<\s*ir_version)",
        "an ONNX model written as text",
        "read it with google.protobuf.text_format and save it with onnx.save()",
    ),
    (r"7767517\b", "an ncnn network (.param)", "benchmark the ONNX file that it was made from"),
    (
        r"(name\s*:|layer\s*\{|input\s*:).*(layer|input)",
        "a Caffe network (prototxt)",
        "convert it to ONNX first",
    ),
    (r"\[net\]|\[network\]", "a Darknet configuration", "convert it to ONNX first"),
    (
        r".*(unsigned char|alignas|uint8_t)\s+\w+\s*\[",
        "a TFLite model as a C array",
        "pass the .tflite file that it was made from",
    ),
)
"""(pattern at the start of the lowered text, what it is, what to do; NAME is the file's)."""

_Describe = Callable[[Path, bytes], Content | None]
_MAGIC: tuple[tuple[bytes, int, _Describe], ...] = (
    (b"PK\x03\x04", 0, _zip),
    (b"PK\x05\x06", 0, _zip),
    (b"\x89HDF\r\n\x1a\n", 0, _hdf5),
    (
        b"ORTM",
        4,
        _plain(
            "a model in ONNX Runtime's own format (.ort)", "pass the .onnx file it was made from"
        ),
    ),
    (b"\x80\x02", 0, _plain("a pickle, perhaps of PyTorch or scikit-learn", _TORCH)),
    (b"\x80\x03", 0, _plain("a pickle, perhaps of PyTorch or scikit-learn", _TORCH)),
    (b"\x80\x04", 0, _plain("a pickle, perhaps of PyTorch or scikit-learn", _TORCH)),
    (b"\x80\x05", 0, _plain("a pickle, perhaps of PyTorch or scikit-learn", _TORCH)),
    (b"GGUF", 0, _plain("a GGUF file (a language model)", "pass a .tflite or .onnx file")),
    (b'{"', 8, _safetensors),
    (b"ftrt", 0, _plain("a TensorRT engine", "pass the ONNX file it was made from")),
    (b"ptrt", 0, _plain("a TensorRT engine", "pass the ONNX file it was made from")),
    (b"RKNN", 0, _plain("an RKNN model", "pass the ONNX or TFLite file it was made from")),
    (b"\x93NUMPY", 0, _plain("a NumPy array (.npy)", "pass the model file; arrays are data")),
    (b"\x1f\x8b", 0, _plain("a gzip archive", _UNPACK)),
    (b"BZh", 0, _plain("a bzip2 archive", _UNPACK)),
    (b"\xfd7zXZ\x00", 0, _plain("an xz archive", _UNPACK)),
    (b"\x28\xb5\x2f\xfd", 0, _plain("a zstd archive", _UNPACK)),
    (b"7z\xbc\xaf\x27\x1c", 0, _plain("a 7-Zip archive", _UNPACK)),
    (b"Rar!", 0, _plain("a RAR archive", _UNPACK)),
    (b"ustar", 257, _plain("a tar archive", _UNPACK)),
    (b"\x89PNG", 0, _plain("an image (PNG)", _IMAGE)),
    (b"\xff\xd8\xff", 0, _plain("an image (JPEG)", _IMAGE)),
    (b"GIF8", 0, _plain("an image (GIF)", _IMAGE)),
    (b"%PDF", 0, _plain("a PDF document", _MODEL_FILE)),
    (
        b"\x7fELF",
        0,
        _plain("a program or library (ELF)", _MODEL_FILE),
    ),
    (
        b"MZ",
        0,
        _plain("a program of Windows", _MODEL_FILE),
    ),
    (bytes(64), 0, _plain("a file of zeros (a download that did not finish)", _AGAIN)),
)
"""(bytes, where they stand, what it is)."""
