"""`relgen run` with tiny models: killed at several points, it ends the same."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from relgen.common.files import read_json
from tests.tiny.experiments import LABELS, preset, tiny_corpus
from tests.waiting import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.weights, pytest.mark.processes]
ARMS = ["human", "obo_dpo_pure", "obo_dpo_mix", "aao_mix", "obo_dpo_unlabelled_mix"]
# each kill waits for one of these to be at work
KILLED_IN = (
    "label-unlabelled",
    "dpo-a",
    "generate-obo_dpo-b",
    "label-obo_dpo",
    "collect-obo_dpo",
    "train-obo_dpo_mix",
    "test-aao_mix",
)


@pytest.fixture(scope="module")
def experiment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three relations of the everyday corpus, a tiny Llama and a tiny BERT."""
    folder = tmp_path_factory.mktemp("experiment")
    corpus, llama, bert = tiny_corpus(folder)
    # random letters: a draft must fit into its tokens, one byte each
    short = {"max_context_words": 2, "max_entity_words": 1, "max_entity_chars": 8}
    short |= {"other_scripts": "accept"}
    short |= {"max_new_tokens": 260, "max_drafts_per_sample": 20}
    content = {
        "corpus": corpus,
        "shots": 3,
        "seeds": [1, 2],
        "arms": ARMS,
        # what is left of the corpus: its relations are ignored
        "unlabelled": corpus["train"],
        "label": {"pool": 40, "most": 12},
        "generator": {
            "model": llama,
            "samples": 2,
            "obo": preset("generate/smollm2_obo", folder, **short),
            "aao": preset("generate/smollm2_aao", folder, **short),
        },
        "dpo": preset("dpo/smollm2", folder, data__init_args__max_length=4000),
        "classifiers": [
            preset(
                "classifier/entity_marker",
                folder,
                trainer__max_steps=6,
                model__init_args__classifier__init_args__model=bert,
            )
        ],
    }
    path = folder / "tiny.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


def start(experiment: Path, out: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "relgen.cli.main", "run", str(experiment), "--out", str(out)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
        start_new_session=True,
    )


def finish(process: subprocess.Popen[str]) -> str:
    output, _ = process.communicate()
    assert process.returncode == 0, output[-3000:]
    return output


def kill_in(process: subprocess.Popen[str], out: Path, stage: str) -> None:
    """Kills once the stage's folder is there and its record is not."""

    def works() -> bool:
        folders = list((out / "stages" / "seed1").glob(f"{stage}-*"))
        return bool(folders) and not (folders[0] / "stage.json").exists()

    wait_until(works, process)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def without_clock(results: dict[str, Any]) -> dict[str, Any]:
    for arm in results["arms"]:
        if arm["generation"]:
            del arm["generation"]["seconds"]
    return results


@pytest.mark.timeout(1800)  # two whole runs and six beginnings
def test_killed_at_several_points_it_ends_the_same(experiment: Path, tmp_path: Path) -> None:
    said = finish(start(experiment, tmp_path / "whole"))
    assert said.rstrip().endswith(f"report: {tmp_path / 'whole' / 'report.html'}")
    out = tmp_path / "killed"
    for stage in KILLED_IN:
        kill_in(start(experiment, out), out, stage)
        assert not (out / "results.json").exists()
    finish(start(experiment, out))
    whole = without_clock(read_json(tmp_path / "whole" / "results.json"))
    assert without_clock(read_json(out / "results.json")) == whole

    assert [(arm["arm"], arm["seed"]) for arm in whole["arms"]] == [
        (arm, seed) for seed in (1, 2) for arm in ARMS
    ]
    for arm in whole["arms"]:
        predictions = (out / arm["predictions"]).read_text(encoding="utf-8").splitlines()
        assert len(predictions) == 3 * 24
        assert set(json.loads(predictions[0])["scores"]) == set(LABELS)
    read = {arm["arm"]: arm["unlabelled"] for arm in whole["arms"]}
    assert [arm for arm, of in read.items() if of] == ["obo_dpo_unlabelled_mix"]
    of = read["obo_dpo_unlabelled_mix"]
    assert (of["samples"], of["left_out"]["labelled"], of["left_out"]["not_chosen"]) == (12, 9, 28)
    assert {row["arm"]: row["n_seeds"] for row in whole["summary"]} == dict.fromkeys(ARMS, 2)
    for name in ("report.html", "report.md"):
        assert "obo_dpo_mix" in (out / name).read_text(encoding="utf-8")
