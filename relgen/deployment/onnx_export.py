"""Exports a classifier as an ONNX folder, which needs neither torch nor relgen to predict.

model.onnx, model.int8.onnx     the network
tokenizer.json, config.json     the tokenizer; labels, types, thresholds, the layout of inputs
relation_classifier.py          reads the folder and predicts (`relgen.classifiers.portable`)
README.md                       how to use it
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path

import torch
from torch import Tensor, nn

from relgen.classifiers import (
    Batch,
    Classifier,
    NetworkClassifier,
    RelationClassifier,
    collate,
    describe,
    load_network,
)
from relgen.common import (
    EXPORT_FILE,
    InputError,
    atomic_folder,
    check_export,
    markdown_text,
    write_json,
    write_text,
)
from relgen.data import Sample
from relgen.deployment.agreement import (
    Agreement,
    allowed_types,
    comparison_samples,
    inputs_of,
    measure_agreement,
    origin,
    require_same,
)
from relgen.deployment.quantization import quantise

_MEANS = {"float32": 1e-3, "int8": 0.05}  # largest mean differences of a label's probability
GRAPHS = {"float32": "model.onnx", "int8": "model.int8.onnx"}
_REFUSED = (
    "its nearest training samples are looked up outside of the network; export the KnowPrompt that "
    "it stands on, or serve it with `relgen serve`"
)
_CARD = """\
# {name}, for onnxruntime

Needs `pip install onnxruntime tokenizers numpy`; neither torch nor relgen.

```python
from relation_classifier import RelationClassifier

classifier = RelationClassifier("THIS FOLDER"{weights})
classifier.predict([("Ann founded Acme in 1990.", "Acme", "Ann")])
```

Run beside the folder, or with the folder on `PYTHONPATH`. It gives:

{rows}
"""
_REMEDIES = {
    "float32": "serve the classifier's own folder: relgen serve",
    "int8": "give --no-int8, or a larger --int8-differing",
}


def export_onnx(
    folder: str | Path,
    out: str | Path,
    *,
    samples: str | Path | None = None,
    int8: bool = True,
    int8_differing: float = 0.02,
    force: bool = False,
) -> dict[str, Agreement]:
    """Write a classifier as an ONNX folder; return how its labels agree, by `float32` and `int8`.

    Args:
        folder: the classifier.
        samples: sentences to compare labels on, by default those that it was trained with.
        int8: write 8-bit weights as well.
        int8_differing: largest share of sentences, near ties left out, whose label may differ with
            them.
        force: replace an earlier export at `out`.

    Raises:
        InputError: this kind of classifier cannot be exported, labels differ, or `out` exists.
    """
    check_export(out, force=force)
    saved = load_network(folder)
    if saved.classifier.learns_after_training:
        problem = f"a classifier of kind '{saved.classifier.kind}' cannot be exported to ONNX"
        raise InputError(problem, path=folder, remedy=_REFUSED)
    sentences = comparison_samples(samples, folder)
    expected = saved.predict_samples(sentences)
    names = [name for name in GRAPHS if int8 or name != "int8"]
    agreements = {}
    with atomic_folder(out, EXPORT_FILE) as temporary:
        with _quiet():
            _write_graph(saved.classifier, sentences[:1], temporary / GRAPHS["float32"])
            if int8:
                quantise(temporary / GRAPHS["float32"], temporary / GRAPHS["int8"])
        _write_settings(saved, temporary, names)
        for name in names:
            agreements[name] = measure_agreement(expected, _scores(temporary, name, sentences))
            require_same(
                agreements[name],
                f"{name} in ONNX",
                differing=int8_differing if name == "int8" else 0.0,
                mean=_MEANS[name],
                remedy=_REMEDIES[name],
            )
        write_text(temporary / "README.md", _card(saved, agreements))
        write_json(temporary / EXPORT_FILE, origin(folder, agreements))
    return agreements


@contextmanager
def _quiet() -> Iterator[None]:
    """Hide what the exporters say about names of axes, other versions and preparations."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)


class _Graph(nn.Module):
    """A classifier as a function of tensors."""

    def __init__(self, classifier: Classifier) -> None:
        super().__init__()
        self.classifier = classifier

    def forward(self, input_ids: Tensor, attention_mask: Tensor, positions: Tensor) -> Tensor:
        """Map (B, T), (B, T) and (B, P) to logits (B, R)."""
        none = input_ids.new_zeros(0)
        batch = Batch(input_ids, attention_mask, positions, none, none, (), none)
        logits: Tensor = self.classifier(batch)
        return logits


def _write_graph(classifier: Classifier, example: list[Sample], file: Path) -> None:
    encoding = classifier.encoding
    # two rows: the exporter takes a size of one for a constant
    batch = collate(encoding.encode(example) * 2, pad_id=encoding.pad_id)
    rows, tokens = torch.export.Dim("rows"), torch.export.Dim("tokens")
    with torch.no_grad():
        torch.onnx.export(
            _Graph(classifier).eval(),
            (batch.input_ids, batch.attention_mask, batch.positions),
            file,
            input_names=["input_ids", "attention_mask", "positions"],
            output_names=["logits"],
            dynamic_shapes=({0: rows, 1: tokens}, {0: rows, 1: tokens}, {0: rows}),
            external_data=False,
            verbose=False,
            dynamo=True,
        )


def _write_settings(saved: NetworkClassifier, folder: Path, names: list[str]) -> None:
    """Write what the runner reads beside the graphs, and the runner."""
    schema, encoding = saved.schema, saved.classifier.encoding
    config = {
        "graphs": {name: GRAPHS[name] for name in names},
        "labels": schema.labels,
        "negative": schema.negative,
        "types": allowed_types(schema),
        "thresholds": saved.calibration.thresholds if saved.calibration else {},
        "pad_id": encoding.pad_id,
        "layout": describe(encoding.layout),
    }
    write_json(folder / "config.json", config)
    encoding.tokenizer.backend_tokenizer.save(str(folder / "tokenizer.json"))
    runner = files("relgen.classifiers").joinpath("portable.py").read_text(encoding="utf-8")
    write_text(folder / "relation_classifier.py", runner)


def _scores(folder: Path, name: str, sentences: list[Sample]) -> list[dict[str, float]]:
    """Return the probabilities of an export, computed as its user will."""
    inputs, types = inputs_of(sentences)
    found = RelationClassifier(folder, weights=name).predict(inputs, types)
    return [one["scores"] for one in found]


def _card(saved: NetworkClassifier, agreements: dict[str, Agreement]) -> str:
    rows = "\n".join(f"- `{name}`: {agreement}" for name, agreement in agreements.items())
    weights = ', weights="int8"' if "int8" in agreements else ""
    return _CARD.format(name=markdown_text(saved.schema.name), weights=weights, rows=rows)
