"""`relgen export`: merges an adapter into its base model."""

from __future__ import annotations

from dataclasses import dataclass, field

from relgen.common import POSITIONAL, DType, InputError


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Merge an adapter into its base model.

    The folder loads in transformers and vLLM like any other model.
    """

    adapter: str = field(metadata=POSITIONAL)
    """Folder that `relgen dpo fit` wrote."""
    out: str
    """Folder to write."""
    merge: bool = False
    """Merge the adapter into the weights (required)."""
    model: str | None = None
    """Base model; by default the one that the adapter names."""
    dtype: DType | None = None
    """Dtype of the weights; by default the base model's own."""
    force: bool = False
    """Replace an earlier export at --out."""


def run(options: Options) -> None:
    """Merge the adapter, and print the model's folder."""
    if not options.merge:
        raise InputError(
            "an adapter needs no export: servers that take adapters read its folder as it is",
            field="--merge",
            path=options.adapter,
            remedy="give --merge to merge it into the base model",
        )
    from relgen.models import export_merged

    out = export_merged(
        options.adapter, options.out, model=options.model, dtype=options.dtype, force=options.force
    )
    print(f"merged model -> {out}")
