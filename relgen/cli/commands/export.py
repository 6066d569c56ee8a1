"""`relgen export`: writes a classifier or a tuned language model for other programs."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from relgen.common import POSITIONAL, DType, InputError, Share


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Export a classifier to ONNX, transformers or spaCy, or merge an adapter into its base model.

    Labels are compared with the classifier's before anything is written. A merged model's folder
    loads in transformers and vLLM like any other model.
    """

    folder: str = field(metadata=POSITIONAL)
    """Folder that `relgen classifier fit` or `relgen dpo fit` wrote."""
    out: str
    """Folder to write."""
    to: Literal["onnx", "hf", "spacy"] | None = None
    """Format of a classifier: onnx (no torch needed), hf (transformers) or spacy (a pipeline)."""
    samples: str | None = None
    """onnx, hf: samples file to compare labels on; by default those that it was trained with."""
    int8: bool = True
    """onnx: write 8-bit weights as well."""
    int8_differing: Share = 0.02
    """onnx: largest share of labels, near ties left out, that may differ with 8-bit weights."""
    pipeline: str | None = None
    """spacy: pipeline that finds entities, by name or folder; by default an empty one."""
    language: str = "en"
    """spacy: language of the empty pipeline."""
    types: dict[str, str] | None = None
    """spacy: types of the pipeline's entities to rename to the schema's, such as ORG=ORGANIZATION.
    """
    merge: bool = False
    """Merge an adapter into the weights (required for an adapter)."""
    model: str | None = None
    """Base model of an adapter; by default the one that it names."""
    dtype: DType | None = None
    """Dtype of the merged weights; by default the base model's own."""
    force: bool = False
    """Replace an earlier export at --out."""


def run(options: Options) -> None:
    """Export, and print the folder."""
    from relgen.classifiers import is_classifier, local_folder

    if is_classifier(local_folder(options.folder)):
        _export_classifier(options)
        return
    if options.to is not None:
        raise InputError(
            "no classifier in this folder", path=options.folder, remedy="give that of a classifier"
        )
    if not options.merge and not (Path(options.folder) / "adapter_config.json").is_file():
        raise InputError(
            "neither a classifier nor an adapter is in this folder",
            path=options.folder,
            remedy="give what `relgen classifier fit` or `relgen dpo fit` wrote",
        )
    if not options.merge:
        raise InputError(
            "an adapter needs no export: servers that take adapters read its folder as it is",
            field="--merge",
            path=options.folder,
            remedy="give --merge to merge it into the base model",
        )
    from relgen.models import export_merged

    out = export_merged(
        options.folder, options.out, model=options.model, dtype=options.dtype, force=options.force
    )
    print(f"merged model -> {out}")


def _export_classifier(options: Options) -> None:
    if options.to is None:
        raise InputError(
            "this is a classifier", path=options.folder, remedy="give --to onnx, hf or spacy"
        )
    # not before: the libraries are heavy, and extras of relgen
    from relgen.deployment import export_onnx, export_spacy, export_transformers

    common: dict[str, Any] = {"force": options.force}
    if options.to == "spacy":
        names = export_spacy(
            *(options.folder, options.out),
            **common,
            pipeline=options.pipeline,
            language=options.language,
            types=options.types,
        )
        print(f"spaCy pipeline ({', '.join(names)}) -> {options.out}")
        return
    common["samples"] = options.samples
    if options.to == "hf":
        agreement = export_transformers(options.folder, options.out, **common)
        print(f"transformers: {agreement}")
        print(f"model of transformers -> {options.out}")
        return
    found = export_onnx(
        *(options.folder, options.out),
        **common,
        int8=options.int8,
        int8_differing=options.int8_differing,
    )
    for name, agreement in found.items():
        print(f"{name}: {agreement}")
    print(f"ONNX -> {options.out}")
