"""`relgen run` with a server that writes the samples: the preset of servers as `generator.obo`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from relgen.cli import main as cli
from tests.relgen.generation.loopback import loopback
from tests.tiny.experiments import LABELS, preset, tiny_corpus

pytestmark = [pytest.mark.slow]


def test_a_server_writes_the_samples_of_an_experiment(tmp_path: Path) -> None:
    corpus, llama, bert = tiny_corpus(tmp_path)
    with loopback() as server:
        written = preset(
            "generate/server_obo", tmp_path, server__base_url=server.url, chains=1, min_words=1
        )
        experiment = {
            "corpus": corpus,
            "shots": 3,
            "seeds": [1],
            "arms": ["human", "obo_mix", "obo_pure"],
            "generator": {"model": "served", "samples": 3, "obo": written},
            "label": {"model": llama},
            "classifiers": [
                preset(
                    "classifier/entity_marker",
                    tmp_path,
                    trainer__max_steps=6,
                    model__init_args__classifier__init_args__model=bert,
                )
            ],
        }
        path = tmp_path / "served.yaml"
        path.write_text(yaml.safe_dump(experiment), encoding="utf-8")
        cli.run(["run", str(path), "--out", str(tmp_path / "out")])
        assert {body["model"] for body in server.bodies} == {"served"}
        asked = sum(server.asked.values())
        assert asked >= 3 * len(LABELS)
        # done is done: nothing is asked for again
        cli.run(["run", str(path), "--out", str(tmp_path / "out")])
        assert sum(server.asked.values()) == asked
    results = json.loads((tmp_path / "out/results.json").read_text())
    mixed = next(arm for arm in results["arms"] if arm["arm"] == "obo_mix")
    assert mixed["generation"]["accepted"] == 3 * len(LABELS)
    assert {path.parent.name for path in (tmp_path / "out/tensorboard").rglob("events.*")} == {
        f"{kind}-{arm}" for kind in ("train", "test") for arm in ("human", "obo_mix", "obo_pure")
    }


def test_a_server_is_refused_for_arms_that_are_tuned(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "served.yaml"
    generator = {"model": "served", "obo": "generate/server_obo"}
    content = {"corpus": "everyday", "arms": ["obo_dpo_mix"], "generator": generator}
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    assert cli.main(["run", str(path), "--out", str(tmp_path / "out"), "--dry-run"]) == 2
    assert "a server's model cannot be tuned" in capsys.readouterr().err
