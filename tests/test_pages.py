"""What the documentation tells its readers to type works as it stands."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import io
import re
import shlex
import shutil
from pathlib import Path

import pytest
import yaml

from relgen.cli.main import main
from relgen.experiments.arms import GENERATIONS
from relgen.experiments.config import Experiment, Generator
from tests.markdown_blocks import ROOT, Block, read_blocks, run_blocks

PAGES = [
    "README.md",
    "CONTRIBUTING.md",
    *(str(p.relative_to(ROOT)) for p in ROOT.glob("docs/*.md")),
]


def commands(block: Block) -> list[list[str]]:
    """Return the words of each line of a shell block; here-documents and comments are left out."""
    text = re.sub(r"<<'EOF'\n.*?^EOF$", "", block.content, flags=re.MULTILINE | re.DOTALL)
    lines = text.replace("\\\n", " ").splitlines()
    return [words for line in lines if (words := shlex.split(line, comments=True))]


def targets() -> set[str]:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    return set(re.findall(r"^([\w-]+):", makefile, re.MULTILINE))


@functools.cache
def options(*command: str) -> set[str]:
    """Return the options that a command's help names."""
    with contextlib.redirect_stdout(io.StringIO()) as said, contextlib.suppress(SystemExit):
        main([*command, "--help"])
    return set(re.findall(r"--[\w-]+", said.getvalue()))


@pytest.mark.parametrize("page", PAGES)
def test_commands_of_every_page_exist(page: str) -> None:
    made = targets()
    for block in read_blocks(page):
        if block.language != "sh":
            continue
        for words in commands(block):
            if words[0] == "make":
                assert set(words[1:]) <= made, words
            if words[0] == "relgen" and words[1] not in ("dpo", "classifier", "--help"):
                known = options(*words[1:3] if words[1] == "data" else words[1:2])
                given = {word for word in words if word.startswith("--")}
                assert given <= known, words


def test_the_readme_is_one_page() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 150


def test_every_key_of_an_experiment_is_explained() -> None:
    page = (ROOT / "docs" / "experiments.md").read_text(encoding="utf-8")
    keys = {field.name for field in dataclasses.fields(Experiment)} - {
        "name",
        "source",
        "generator",
    }
    keys |= {f"generator.{field.name}" for field in dataclasses.fields(Generator)}
    assert {key for key in keys if f"{key}`" not in page} == set()
    names = {name.removeprefix("obo_dpo_no_") for name in GENERATIONS}
    assert {name for name in names if name not in page} == set()


def test_the_hooks_are_the_checks_of_make_check() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    recipe = re.search(r"^check: setup\n((?:\t.*\n)+)", makefile, re.MULTILINE)
    assert recipe is not None
    checks = [line.strip().replace("$(BIN)", ".venv/bin") for line in recipe[1].splitlines()]
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    assert [hook["entry"] for hook in config["repos"][0]["hooks"]] == checks


@pytest.mark.slow
@pytest.mark.weights
@pytest.mark.processes
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("page", ["README.md", "docs/quickstart.md"])
def test_the_blocks_of_a_page_run_one_after_the_other(page: str, tmp_path: Path) -> None:
    run_blocks(read_blocks(page), tmp_path)


@pytest.mark.processes
def test_contributing_leads_to_a_green_test_of_a_reader(tmp_path: Path) -> None:
    clone = tmp_path / "relgen"
    unwanted = shutil.ignore_patterns(".*", "__pycache__", "runs", "site", "dist", "build")
    shutil.copytree(ROOT, clone, ignore=unwanted)
    run_blocks(read_blocks("CONTRIBUTING.md"), clone, source=clone)
    assert (clone / "tests/relgen/data/corpora/test_pipes.py").is_file()
