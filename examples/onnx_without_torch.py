"""Predicts without torch and without relgen. Usage: PYTHONPATH=ONNX onnx_without_torch.py ONNX

ONNX is the folder that `relgen export FOLDER --to onnx --out ONNX` wrote; it carries the file
relation_classifier.py. Needs: pip install onnxruntime tokenizers numpy
"""

import sys

from relation_classifier import RelationClassifier

SENTENCES = [
    ("Ann founded Acme in 1990.", "Acme", "Ann"),
    ("The storm of Monday caused the flood.", (4, 9), (31, 36)),
]


def main(folder: str) -> None:
    """Print the relation of each sentence, with 8-bit weights."""
    classifier = RelationClassifier(folder, weights="int8")
    for sentence, found in zip(SENTENCES, classifier.predict(SENTENCES), strict=True):
        print(f"{classifier.answer(found)}\t{found['score']:.2f}\t{sentence[0]}")
    print("torch is loaded:", "torch" in sys.modules)


if __name__ == "__main__":
    main(sys.argv[1])
