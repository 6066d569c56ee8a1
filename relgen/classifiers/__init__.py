"""Relation classifiers: what they share, the architectures, and how a trained one is used.

    clf = relgen.classifiers.load("runs/demo/model")
    clf.predict(text="Ann founded Acme.", head="Acme", tail="Ann")

Importing this package loads nothing heavy: torch and transformers wait for `load`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from relgen.classifiers.pipeline import Precision, SavedClassifier


def load(
    folder: str | Path, *, device: str = "cpu", precision: Precision = "float32"
) -> SavedClassifier:
    """Loads a classifier that `relgen classifier fit` saved.

    Args:
        folder: the folder `model` below the command's output.
        device: where it computes, such as `cpu` or `cuda`.
        precision: `bfloat16` predicts about 1.5 times as fast on processors made for it,
            with the same labels (see `SavedClassifier`).

    Raises:
        InputError: the folder holds no classifier, or an incomplete one.
    """
    from relgen.classifiers.saved import load_classifier

    return load_classifier(folder, device=device, precision=precision)
