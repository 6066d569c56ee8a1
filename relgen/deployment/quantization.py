"""Writes an ONNX graph with weights in 8 bits.

onnxruntime's dynamic quantisation gives the whole input of a product one scale, that of its largest
number. Before feed-forward layers' products, the largest token's states are up to eight times those
of the median token, whose numbers then fall into few of the 256 steps: of a classifier trained from
8 shots of the everyday corpus, 2.8% of all labels changed, some of them sure ones. So each token's
states are divided by their own largest number before a product, and the product is multiplied by
it. Tables of embeddings have a scale for each row, and other layers (the head among them) stay in
float32.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper
from onnx.helper import make_node
from onnxruntime.quantization import QuantType, quantize_dynamic

_TINY = 1e-9  # so that a row of zeros stays one


def quantise(graph: Path, file: Path) -> None:
    """Write a graph of float32 with matrices and embeddings in 8 bits."""
    model = onnx.load(graph)
    _scale_rows(model.graph)
    _quantise_tables(model.graph)
    with TemporaryDirectory(dir=file.parent) as folder:
        prepared = Path(folder) / "prepared.onnx"
        onnx.save(model, prepared)
        quantize_dynamic(
            *(prepared, file),
            weight_type=QuantType.QInt8,
            per_channel=True,
            op_types_to_quantize=["MatMul"],
        )


def _scale_rows(graph: Any) -> None:
    """Divide the rows of each product's input x by max |x|, and multiply its output by that."""
    weights = {tensor.name for tensor in graph.initializer}
    graph.initializer.append(numpy_helper.from_array(np.array([-1]), "rows.axis"))
    graph.initializer.append(
        numpy_helper.from_array(np.array(_TINY, dtype=np.float32), "rows.tiny")
    )
    nodes, scaled = [], set[str]()
    for node in graph.node:
        if node.op_type != "MatMul" or node.input[1] not in weights:
            nodes.append(node)
            continue
        states, product = node.input[0], node.output[0]
        if states not in scaled:  # queries, keys and values have the same input
            scaled.add(states)
            nodes += [
                make_node("Abs", [states], [f"{states}.abs"]),
                make_node("ReduceMax", [f"{states}.abs", "rows.axis"], [f"{states}.max"]),
                make_node("Add", [f"{states}.max", "rows.tiny"], [f"{states}.size"]),
                make_node("Div", [states, f"{states}.size"], [f"{states}.even"]),
            ]
        node.input[0], node.output[0] = f"{states}.even", f"{product}.even"
        nodes += [node, make_node("Mul", [f"{product}.even", f"{states}.size"], [product])]
    _replace(graph.node, nodes)


def _quantise_tables(graph: Any) -> None:
    """Replace tables (V, d) that are only looked up by 8-bit ones and scales (V, 1)."""
    reads = [(name, node) for node in graph.node for name in node.input]
    tables = {
        tensor.name: numpy_helper.to_array(tensor)
        for tensor in graph.initializer
        if len(tensor.dims) == 2
        and tensor.data_type == TensorProto.FLOAT
        and {node.op_type for name, node in reads if name == tensor.name} == {"Gather"}
    }
    nodes = []
    for node in graph.node:
        if node.op_type != "Gather" or node.input[0] not in tables:
            nodes.append(node)
            continue
        (table, rows), (found,) = node.input, node.output
        nodes += [
            make_node("Gather", [f"{table}.bits", rows], [f"{found}.bits"]),
            make_node("Cast", [f"{found}.bits"], [f"{found}.row"], to=TensorProto.FLOAT),
            make_node("Gather", [f"{table}.sizes", rows], [f"{found}.scale"]),
            make_node("Mul", [f"{found}.row", f"{found}.scale"], [found]),
        ]
    _replace(graph.node, nodes)
    _replace(graph.initializer, [one for one in graph.initializer if one.name not in tables])
    for name, table in tables.items():
        # (V, 1)
        sizes = np.maximum(np.abs(table).max(axis=1, keepdims=True), _TINY) / 127
        bits = np.round(table / sizes).astype(np.int8)
        graph.initializer.append(numpy_helper.from_array(bits, f"{name}.bits"))
        graph.initializer.append(numpy_helper.from_array(sizes, f"{name}.sizes"))


def _replace(field: Any, items: list[Any]) -> None:
    del field[:]
    field.extend(items)
