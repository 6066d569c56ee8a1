"""Finds the fenced blocks of a Markdown page, and runs them as a reader would."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    """One fenced block: its language (empty for plain text) and its content."""

    language: str
    content: str


def read_blocks(page: str) -> list[Block]:
    """Return the blocks of a page of the repository, in order."""
    return [Block(*match) for match in _FENCE.findall((ROOT / page).read_text(encoding="utf-8"))]


def run_blocks(blocks: list[Block], folder: Path, source: Path = ROOT) -> None:
    """Run shell and Python blocks one after the other in a folder.

    Lines that begin with `make` are left out: they install packages from the network.

    Args:
        blocks: of a page; those in other languages are skipped.
        folder: where they run; what a block writes is there for the next.
        source: the checkout that `relgen` and `import relgen` come from.
    """
    programs = folder / ".programs"
    programs.mkdir()
    for name, module in (("relgen", "-m relgen.cli.main "), ("python", "")):
        program = programs / name
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" {module}"$@"\n')
        program.chmod(0o755)
    environment = os.environ | {
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(source),
        "HF_HUB_OFFLINE": "1",
        "TOKENIZERS_PARALLELISM": "false",
    }
    for block in blocks:
        if block.language == "sh":
            lines = [line for line in block.content.splitlines() if not line.startswith("make ")]
            command = ["bash", "-euo", "pipefail", "-c", "\n".join(lines)]
        elif block.language == "python":
            command = [sys.executable, "-c", block.content]
        else:
            continue
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, (
            f"{block.content}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
        )
