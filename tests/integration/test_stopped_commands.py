"""Commands that are stopped by SIGTERM or Ctrl-C say so, and go on to the same files."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
import yaml

from relgen.data.samples import read_samples, write_samples
from tests.integration import forked
from tests.tiny.experiments import preset, tiny_corpus
from tests.waiting import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.processes]
# what shows that a command is at work
AT_WORK = {
    "generate": ".a.jsonl.journal.jsonl",
    "label": ".a.jsonl.read.partial",
    "direct": ".predictions.jsonl.partial",
    "run": "history.jsonl",
}
# times and folders differ
COMPARED = ("a.jsonl", "a.json", "rejected.jsonl", "predictions.jsonl", "scores.json")


@pytest.fixture(scope="module")
def commands(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[str, ...]]:
    folder = tmp_path_factory.mktemp("commands")
    corpus, llama, bert = tiny_corpus(folder)
    training = read_samples(corpus["train"])
    write_samples(folder / "few.jsonl", training[:: len(training) // 12])
    short = {"max_context_words": 2, "max_entity_words": 1, "max_entity_chars": 8}
    short |= {"other_scripts": "accept"}
    short |= {"max_new_tokens": 260, "max_drafts_per_sample": 20}
    steps = {"trainer__max_steps": 60, "model__init_args__classifier__init_args__model": bert}
    experiment = {
        "corpus": corpus,
        "shots": 3,
        "seeds": [1],
        "arms": ["human"],
        "classifiers": [preset("classifier/entity_marker", folder, **steps)],
    }
    (folder / "tiny.yaml").write_text(yaml.safe_dump(experiment), encoding="utf-8")
    given = ("--train", str(folder / "few.jsonl"), "--schema", corpus["schema"], "--model", llama)
    obo = preset("generate/smollm2_obo", folder, **short)
    return {
        "generate": ("generate", "-c", obo, *given, "--samples", "4", "--out", "OUT/a.jsonl"),
        "label": ("label", corpus["test"], *given, "--out", "OUT/a.jsonl"),
        "direct": ("direct", "--test", corpus["test"], *given, "--out", "OUT"),
        "run": ("run", str(folder / "tiny.yaml"), "--out", "OUT"),
    }


def content(out: Path) -> dict[str, bytes]:
    files = [file for file in out.rglob("*") if file.name in COMPARED]
    assert files
    return {str(file.relative_to(out)): file.read_bytes() for file in files}


@pytest.mark.parametrize("name", AT_WORK)
def test_a_stopped_command_says_so_and_goes_on(
    commands: dict[str, tuple[str, ...]], name: str, tmp_path: Path
) -> None:
    def words(out: Path) -> list[str]:
        return [word.replace("OUT", str(out)) for word in commands[name]]

    whole, log = tmp_path / "whole", tmp_path / "log"
    process = forked.start(log, *words(whole))
    process.join()
    assert process.exitcode == 0, log.read_text()
    for signum, code, said in (
        (signal.SIGTERM, 143, "terminated"),
        (signal.SIGINT, 130, "interrupted"),
    ):
        out = tmp_path / said
        process = forked.start(log, *words(out))
        wait_until(lambda: any(out.rglob(AT_WORK[name])) or not process.is_alive())  # noqa: B023
        os.kill(process.pid or 0, signum)
        process.join()
        assert process.exitcode == code, log.read_text()
        line = log.read_text(encoding="utf-8").splitlines()[-1]
        assert line == f"{said}; run the same command again to continue"
        process = forked.start(log, *words(out))
        process.join()
        assert process.exitcode == 0, log.read_text()
        assert content(out) == content(whole)
