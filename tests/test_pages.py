"""What the documentation tells its readers to type works as it stands."""

from __future__ import annotations

import contextlib
import functools
import io
import re
import shlex
import shutil
from pathlib import Path

import pytest
import yaml

from relgen.cli.main import main, run
from relgen.common.configuration import leaves
from relgen.experiments.arms import GENERATIONS
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


@functools.cache
def settings_of(*command: str) -> set[str]:
    """Return the keys of a trained command, without `init_args`; raise InputError for a bad one."""
    with contextlib.redirect_stdout(io.StringIO()) as said, contextlib.suppress(SystemExit):
        run([*command, "--print_config"])
    return {key.replace(".init_args", "") for key in leaves(yaml.safe_load(said.getvalue()))}


def is_trained(words: list[str]) -> bool:
    return words[:2] in (["relgen", "dpo"], ["relgen", "classifier"]) and len(words) > 2


@pytest.mark.parametrize("page", PAGES)
def test_commands_of_every_page_exist(page: str) -> None:
    made = targets()
    for block in read_blocks(page):
        if block.language != "sh":
            continue
        for words in commands(block):
            words = words[1:] if words[0] == "srun" else words
            if words[0] == "make":
                assert set(words[1:]) <= made, words
            elif is_trained(words):
                settings_of(*words[1:])
            elif words[0] == "relgen" and words[1] not in ("dpo", "classifier", "--help"):
                known = options(*words[1:3] if words[1] == "data" else words[1:2])
                given = {word for word in words if word.startswith("--")}
                assert given <= known, words


def test_keys_of_trained_commands_in_the_text_of_pages_exist() -> None:
    known = settings_of("dpo", "fit", "-c", "dpo/smollm2", "-c", "trainer/fsdp")
    for preset in ("entity_marker", "knowprompt", "retrieval"):
        known = known | settings_of("classifier", "fit", "-c", f"classifier/{preset}")
    for page in PAGES:
        text = (ROOT / page).read_text(encoding="utf-8")
        named = set(re.findall(r"`--((?:model|data|trainer)\.[\w.]+)", text))
        assert {key.replace(".init_args", "") for key in named} <= known, page


def test_the_readme_is_one_page() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 150


def test_every_arm_is_explained() -> None:
    page = (ROOT / "docs" / "experiments.md").read_text(encoding="utf-8")
    sections = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL))
    names = {name.removeprefix("obo_dpo_no_") for name in GENERATIONS}
    assert {name for name in names if not re.search(rf"[`_]{name}`", sections["Arms"])} == set()


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
    """All but the lines that begin with `make`, which set up an environment from the network."""
    run_blocks(read_blocks(page), tmp_path)


@pytest.mark.processes
def test_contributing_leads_to_a_green_test_of_a_reader(tmp_path: Path) -> None:
    clone = tmp_path / "relgen"
    unwanted = shutil.ignore_patterns(".*", "__pycache__", "runs", "site", "dist", "build")
    shutil.copytree(ROOT, clone, ignore=unwanted)
    run_blocks(read_blocks("CONTRIBUTING.md"), clone, source=clone)
    assert (clone / "tests/relgen/data/corpora/test_pipes.py").is_file()
