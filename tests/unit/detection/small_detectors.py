"""Detectors of a few hundred weights, in the words of other makers, that really see: red squares of
16 pixels are their first class, green ones their second.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

SIDE = 96
GRID = SIDE // 16
CELLS = (144, 36, 9)
NAMES = ("stop sign", "person")
RED, GREEN = (255, 0, 0), (0, 255, 0)
ULTRALYTICS = {
    "stride": "32",
    "task": "detect",
    "imgsz": f"[{SIDE}, {SIDE}]",
    "names": str(dict(enumerate(NAMES))),
}


def write_detector(
    path: Path,
    layout: str = "yolov8",
    *,
    classes: int = len(NAMES),
    metadata: Mapping[str, str] | None = None,
    output_step: float = 0.0,
) -> Path:
    """An .onnx file of a detector of `layout`: yolov8, yolov5, yolox or fastestdet.

    It has a score for every cell of stride 16; further classes never score. With `output_step` the
    output passes through uint8 of that step, as in a file that is quantized to its very end.
    """
    import onnx
    from onnx import TensorProto, helper

    raw = layout == "yolox"
    nodes, constants = _scores(classes, bgr=layout in ("yolox", "fastestdet"), raw=raw)
    shape = _LAYOUTS[layout](nodes, constants, "scores", classes)
    if output_step:
        nodes[-1].output[0] = "exact"
        constants |= {"step": np.asarray(output_step, np.float32), "zero": np.asarray(0, np.uint8)}
        for kind, taken, made in (
            ("Quantize", "exact", "whole"),
            ("Dequantize", "whole", "output"),
        ):
            nodes.append(helper.make_node(f"{kind}Linear", [taken, "step", "zero"], [made]))
    graph = helper.make_graph(
        nodes,
        "detector",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, (1, 3, SIDE, SIDE))],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, shape)],
        [onnx.numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    for key, value in (metadata or {}).items():
        model.metadata_props.add(key=key, value=value)
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return path


def _scores(classes: int, *, bgr: bool, raw: bool) -> tuple[list[Any], dict[str, np.ndarray]]:
    """Scores (1, classes, 6, 6) of the cells of stride 16, by their color."""
    from onnx import helper

    weights = np.zeros((classes, 3, 1, 1), np.float32)
    bias = np.full(classes, -9, np.float32)
    for number, (red, green, blue) in enumerate(((12, -12, -12), (-12, 12, -12))[:classes]):
        weights[number, :, 0, 0] = (blue, green, red) if bgr else (red, green, blue)
        bias[number] = -4
    if raw:
        weights /= 255
    nodes = [
        helper.make_node(
            "AveragePool", ["images"], ["colors"], kernel_shape=(16, 16), strides=(16, 16)
        ),
        helper.make_node("Conv", ["colors", "weights", "bias"], ["logits"]),
        helper.make_node("Sigmoid", ["logits"], ["scores"]),
    ]
    return nodes, {"weights": weights, "bias": bias}


def _in_a_row(
    nodes: list[Any], constants: dict[str, np.ndarray], scores: str, classes: int, copies: int = 1
) -> None:
    """`row` (1, classes, boxes): the scores of all cells of strides 8, 16 and 32."""
    from onnx import helper

    constants["flat"] = np.asarray((1, classes, CELLS[1]), np.int64)
    constants["small"] = np.zeros((1, classes, CELLS[0] * copies), np.float32)
    constants["large"] = np.zeros((1, classes, CELLS[2] * copies), np.float32)
    nodes.append(helper.make_node("Reshape", [scores, "flat"], ["cells"]))
    repeated = ["cells"] * copies
    if copies > 1:
        constants["none"] = np.zeros((1, classes, CELLS[1]), np.float32)
        repeated[1:] = ["none"] * (copies - 1)
    nodes.append(helper.make_node("Concat", ["small", *repeated, "large"], ["row"], axis=2))


def _centers(copies: int = 1) -> np.ndarray:
    """(4, boxes): center and size of the box of each cell, in pixels."""
    parts = []
    for side in (12, 6, 3):
        step = SIDE // side
        y, x = np.divmod(np.arange(side * side), side)
        one = np.stack([(x + 0.5) * step, (y + 0.5) * step, *np.full((2, side * side), step)])
        parts += [one] * copies
    return np.concatenate(parts, axis=1).astype(np.float32)


def _yolov8(nodes: list[Any], constants: dict[str, np.ndarray], scores: str, classes: int) -> Any:
    from onnx import helper

    _in_a_row(nodes, constants, scores, classes)
    constants["boxes"] = _centers()[None]
    nodes.append(helper.make_node("Concat", ["boxes", "row"], ["output"], axis=1))
    return (1, 4 + classes, sum(CELLS))


def _yolov5(nodes: list[Any], constants: dict[str, np.ndarray], scores: str, classes: int) -> Any:
    from onnx import helper

    _in_a_row(nodes, constants, scores, classes, copies=3)
    boxes = _centers(3)
    constants["boxes"] = np.concatenate([boxes, np.ones((1, boxes.shape[1]), np.float32)])[None]
    nodes.append(helper.make_node("Concat", ["boxes", "row"], ["columns"], axis=1))
    nodes.append(helper.make_node("Transpose", ["columns"], ["output"], perm=(0, 2, 1)))
    return (1, 3 * sum(CELLS), 5 + classes)


def _yolox(nodes: list[Any], constants: dict[str, np.ndarray], scores: str, classes: int) -> Any:
    from onnx import helper

    _in_a_row(nodes, constants, scores, classes)
    column = np.asarray([0.5, 0.5, 0, 0, 1], np.float32)  # the middle of a cell, as large as one
    constants["boxes"] = np.tile(column[None, :, None], (1, 1, sum(CELLS)))
    nodes.append(helper.make_node("Concat", ["boxes", "row"], ["columns"], axis=1))
    nodes.append(helper.make_node("Transpose", ["columns"], ["output"], perm=(0, 2, 1)))
    return (1, sum(CELLS), 5 + classes)


def _fastestdet(
    nodes: list[Any], constants: dict[str, np.ndarray], scores: str, classes: int
) -> Any:
    from onnx import helper

    share = float(np.log(1 / (GRID - 1)))  # its sigmoid is 1 / GRID
    half = float(np.arctanh(0.5))
    column = np.asarray([1, half, half, share, share], np.float32)
    constants["boxes"] = np.tile(column[None, :, None, None], (1, 1, GRID, GRID))
    nodes.append(helper.make_node("Concat", ["boxes", scores], ["output"], axis=1))
    return (1, 5 + classes, GRID, GRID)


_LAYOUTS: Mapping[str, Any] = {
    "yolov8": _yolov8,
    "yolov5": _yolov5,
    "yolox": _yolox,
    "fastestdet": _fastestdet,
}


def write_finished(path: Path) -> Path:
    """An .onnx file of a detector that answers with finished boxes, as many as it finds: one in an
    image that is bright somewhere, and no row at all in another.
    """
    import onnx
    from onnx import TensorProto, helper

    constants = {
        "row": np.asarray([[[16, 16, 48, 48, 0.9, 0]]], np.float32),
        "half": np.asarray(0.5, np.float32),
        "one": np.asarray([1], np.int64),
    }
    graph = helper.make_graph(
        [
            helper.make_node("ReduceMax", ["images"], ["brightest"], keepdims=0),
            helper.make_node("Greater", ["brightest", "half"], ["bright"]),
            helper.make_node("Reshape", ["bright", "one"], ["kept"]),
            helper.make_node("Compress", ["row", "kept"], ["output"], axis=1),
        ],
        "detector",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, (1, 3, SIDE, SIDE))],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, (1, "found", 6))],
        [onnx.numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return path


def draw(
    squares: Sequence[tuple[int, int, tuple[int, int, int]]], side: int = 2 * SIDE
) -> np.ndarray:
    """A gray image (side, side, 3) RGB with squares (row, column, color), six to a side."""
    image = np.full((side, side, 3), 90, np.uint8)
    step = side // GRID
    for row, column, color in squares:
        image[row * step : (row + 1) * step, column * step : (column + 1) * step] = color
    return image


SCENES = (
    ((1, 1, RED), (2, 3, GREEN)),
    ((0, 2, GREEN),),
    (),
    ((3, 0, RED),),
)


def write_scenes(folder: Path, names: Sequence[str] = NAMES) -> Path:
    """`SCENES` as COCO's JSON, red squares of the class `names[0]` and green ones of `names[1]`."""
    from PIL import Image

    (folder / "images").mkdir(parents=True)
    annotations = []
    for number, squares in enumerate(SCENES):
        Image.fromarray(draw(squares)).save(folder / "images" / f"{number}.png")
        for row, column, color in squares:
            annotations.append(
                {
                    "id": len(annotations) + 1, "image_id": number, "iscrowd": 0,
                    "category_id": 1 + (color == GREEN),
                    "bbox": [column * 32, row * 32, 32, 32], "area": 32 * 32,
                }
            )  # fmt: skip
    document = {
        "images": [
            {"id": n, "file_name": f"{n}.png", "width": 2 * SIDE, "height": 2 * SIDE}
            for n in range(len(SCENES))
        ],
        "annotations": annotations,
        "categories": [{"id": n, "name": name} for n, name in enumerate(names, start=1)],
    }
    (folder / "annotations.json").write_text(json.dumps(document))
    return folder


def write_tflite_detector(path: Path, **texts: str) -> Path:
    """A .tflite file of the layout fastestdet, channels last, with `texts` in a zip archive at its
    end (labels_txt="…" becomes labels.txt).
    """
    from ai_edge_litert import schema_py_generated as schema

    share, half = float(np.log(1 / (GRID - 1))), float(np.arctanh(0.5))
    column = np.asarray([1, half, half, share, share], np.float32)
    graph = _TFLiteGraph(len(NAMES), bgr=True)
    graph.constant("boxes", np.tile(column, (1, GRID, GRID, 1)))
    graph.tensor("output", (1, GRID, GRID, 5 + len(NAMES)))
    graph.operator(
        "CONCATENATION", ("boxes", "scores"), ("output",), schema.ConcatenationOptionsT(axis=3)
    )
    return graph.write(path, ("output",), texts)


def write_ssd(path: Path, outputs: Sequence[str] = ("boxes", "classes", "best", "count")) -> Path:
    """A .tflite file that ends in the detection post-processing, which gives its parts in another
    order where `outputs` names it. Its images have values of −1…1.
    """
    from flatbuffers import flexbuffers

    cells, scored = GRID * GRID, 1 + len(NAMES)  # the first is the background
    graph = _TFLiteGraph(scored, bgr=False, first=1, signed=True)
    graph.constant("target", np.asarray([1, cells, scored], np.int32))
    graph.tensor("rows", (1, cells, scored))
    graph.operator("RESHAPE", ("scores", "target"), ("rows",))
    graph.constant("encoded", np.zeros((1, cells, 4), np.float32))
    y, x = np.divmod(np.arange(cells), GRID)
    size = np.full(cells, 1 / GRID)
    anchors = np.stack([(y + 0.5) / GRID, (x + 0.5) / GRID, size, size], axis=1)
    graph.constant("anchors", anchors.astype(np.float32))
    for name, shape in (
        ("boxes", (1, 10, 4)),
        ("classes", (1, 10)),
        ("best", (1, 10)),
        ("count", (1,)),
    ):
        graph.tensor(name, shape)
    options = {
        "max_detections": 10, "max_classes_per_detection": 1, "detections_per_class": 10,
        "nms_score_threshold": 0.01, "nms_iou_threshold": 0.5, "num_classes": len(NAMES),
        "y_scale": 10.0, "x_scale": 10.0, "h_scale": 5.0, "w_scale": 5.0, "use_regular_nms": False,
    }  # fmt: skip
    graph.operator(
        "TFLite_Detection_PostProcess", ("encoded", "rows", "anchors"),
        ("boxes", "classes", "best", "count"), custom=bytes(flexbuffers.Dumps(options)),
    )  # fmt: skip
    return graph.write(path, tuple(outputs), {})


class _TFLiteGraph:
    """Operators one after the other, the first of which score the cells of stride 16."""

    def __init__(self, classes: int, *, bgr: bool, first: int = 0, signed: bool = False) -> None:
        from ai_edge_litert import schema_py_generated as schema

        self._schema = schema
        self._places: dict[str, int] = {}
        self._tensors: list[Any] = []
        self._buffers: list[Any] = [schema.BufferT()]
        self._codes: list[Any] = []
        self._operators: list[Any] = []
        _, made = _scores(classes - first, bgr=bgr, raw=False)
        weights = np.concatenate([np.zeros((first, 3, 1, 1), np.float32), made["weights"]])
        bias = np.concatenate([np.full(first, -9, np.float32), made["bias"]])
        if signed:  # x is (v + 1) / 2 of the values that come in
            bias = bias + weights.sum(axis=(1, 2, 3)) / 2
            weights = weights / 2
        self.tensor("images", (1, SIDE, SIDE, 3))
        self.tensor("colors", (1, GRID, GRID, 3))
        self.constant("weights", weights.transpose(0, 2, 3, 1).astype(np.float32))
        self.constant("bias", bias.astype(np.float32))
        self.tensor("logits", (1, GRID, GRID, classes))
        self.tensor("scores", (1, GRID, GRID, classes))
        pool = schema.Pool2DOptionsT(
            padding=schema.Padding.VALID, strideW=16, strideH=16, filterWidth=16, filterHeight=16
        )
        conv = schema.Conv2DOptionsT(padding=schema.Padding.VALID, strideW=1, strideH=1)
        self.operator("AVERAGE_POOL_2D", ("images",), ("colors",), pool)
        self.operator("CONV_2D", ("colors", "weights", "bias"), ("logits",), conv)
        self.operator("LOGISTIC", ("logits",), ("scores",))

    def tensor(self, name: str, shape: Sequence[int], buffer: int = 0, kind: int = 0) -> None:
        self._places[name] = len(self._tensors)
        self._tensors.append(
            self._schema.TensorT(
                shape=np.asarray(shape, np.int32), name=name, buffer=buffer, type=kind
            )
        )

    def constant(self, name: str, values: np.ndarray) -> None:
        kinds = {"float32": self._schema.TensorType.FLOAT32, "int32": self._schema.TensorType.INT32}
        self.tensor(name, values.shape, len(self._buffers), kinds[str(values.dtype)])
        content = np.frombuffer(np.ascontiguousarray(values).tobytes(), np.uint8)
        self._buffers.append(self._schema.BufferT(data=content))

    def operator(
        self,
        kind: str,
        inputs: Sequence[str],
        outputs: Sequence[str],
        options: Any = None,
        custom: bytes = b"",
    ) -> None:
        schema = self._schema
        code = schema.BuiltinOperator.CUSTOM if custom else getattr(schema.BuiltinOperator, kind)
        self._codes.append(
            schema.OperatorCodeT(
                builtinCode=code, deprecatedBuiltinCode=code, customCode=kind if custom else None
            )
        )
        name = type(options).__name__.removesuffix("T") if options is not None else "NONE"
        self._operators.append(
            schema.OperatorT(
                opcodeIndex=len(self._codes) - 1,
                inputs=np.asarray([self._places[each] for each in inputs], np.int32),
                outputs=np.asarray([self._places[each] for each in outputs], np.int32),
                builtinOptionsType=getattr(schema.BuiltinOptions, name),
                builtinOptions=options,
                customOptions=np.frombuffer(custom, np.uint8) if custom else None,
            )
        )

    def write(self, path: Path, outputs: Sequence[str], texts: Mapping[str, str]) -> Path:
        import io
        import zipfile

        import flatbuffers

        schema = self._schema
        graph = schema.SubGraphT(
            tensors=self._tensors,
            inputs=np.asarray([self._places["images"]], np.int32),
            outputs=np.asarray([self._places[name] for name in outputs], np.int32),
            operators=self._operators,
        )
        model = schema.ModelT(
            version=3, operatorCodes=self._codes, subgraphs=[graph], buffers=self._buffers
        )
        builder = flatbuffers.Builder(0)
        builder.Finish(model.Pack(builder), b"TFL3")
        buffer = io.BytesIO(bytes(builder.Output()))
        buffer.seek(0, io.SEEK_END)
        if texts:
            with zipfile.ZipFile(buffer, "a") as archive:
                for name, text in texts.items():
                    archive.writestr(name.replace("_", "."), text)
        path.write_bytes(buffer.getvalue())
        return path
