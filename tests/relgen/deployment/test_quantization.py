"""8-bit graphs compute nearly what their float32 graphs do, for tokens of any size."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.compute
onnx = pytest.importorskip("onnx", reason="needs the extra onnx")
onnxruntime = pytest.importorskip("onnxruntime", reason="needs the extra onnx")

WORDS, WIDTH = 64, 32


def write_graph(file: Path) -> None:
    """Write a lookup of ids (T) in a table whose first row is 1000 times the others', and W x."""
    from onnx import TensorProto, helper, numpy_helper

    random = np.random.default_rng(0)
    table = random.normal(size=(WORDS, WIDTH)).astype(np.float32)
    table[0] *= 1000
    table[1] = 0
    weight = random.normal(size=(WIDTH, WIDTH)).astype(np.float32)
    nodes = [
        helper.make_node("Gather", ["table", "ids"], ["states"]),
        helper.make_node("MatMul", ["states", "weight"], ["first"]),
        helper.make_node("MatMul", ["states", "other"], ["second"]),
        helper.make_node("Add", ["first", "second"], ["result"]),
    ]
    constants = {"table": table, "weight": weight, "other": weight.T.copy()}
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("ids", TensorProto.INT64, ["tokens"])],
        [helper.make_tensor_value_info("result", TensorProto.FLOAT, ["tokens", WIDTH])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.save(model, file)


def result(file: Path, ids: Any) -> Any:
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"ids": ids})
    return found


def test_a_large_token_does_not_coarsen_the_others(tmp_path: Path) -> None:
    from relgen.deployment.quantization import quantise

    graph, small = tmp_path / "graph.onnx", tmp_path / "small.onnx"
    write_graph(graph)
    quantise(graph, small)
    ids = np.arange(WORDS)
    expected, found = result(graph, ids), result(small, ids)
    sizes = np.abs(expected).max(axis=1)
    # each token by its own size: with one scale for all, nearly every other token became zero
    errors = np.abs(found - expected).max(axis=1)
    assert (errors[sizes > 0] / sizes[sizes > 0]).max() < 0.03
    assert errors[1] == 0
    assert small.stat().st_size < 0.5 * graph.stat().st_size
    assert sorted(path.name for path in tmp_path.iterdir()) == ["graph.onnx", "small.onnx"]
