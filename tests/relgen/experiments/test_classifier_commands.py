"""Presets that share a training."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import yaml

from relgen.common.presets import find_config
from relgen.experiments.changes import Preset
from relgen.experiments.classifier_commands import trained_alike


def test_only_presets_that_train_alike_share_a_training(tmp_path: Path) -> None:
    content = yaml.safe_load(find_config("classifier/knowprompt").read_text())
    content["trainer"]["max_steps"] += 1
    longer = tmp_path / "longer.yaml"
    longer.write_text(yaml.safe_dump(content))
    retrieval, knowprompt = Preset("classifier/retrieval"), Preset("classifier/knowprompt")
    assert trained_alike(retrieval, [Preset(str(longer)), knowprompt]) == knowprompt
    assert trained_alike(retrieval, [Preset(str(longer)), retrieval]) is None
    changed = replace(retrieval, changes={"trainer.max_steps": content["trainer"]["max_steps"]})
    assert trained_alike(changed, [knowprompt, Preset(str(longer))]) == Preset(str(longer))
    assert trained_alike(knowprompt, [knowprompt]) is None
