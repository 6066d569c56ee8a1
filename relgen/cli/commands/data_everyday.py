"""`relgen data everyday`: writes the shipped corpus."""

from __future__ import annotations

from pathlib import Path

from relgen.data import EverydayOptions as Options
from relgen.data.corpora import save_everyday


def run(options: Options) -> None:
    save_everyday(options.out)
    print(f"train, dev and test samples, schema.yaml and README.md -> {Path(options.out)}")
