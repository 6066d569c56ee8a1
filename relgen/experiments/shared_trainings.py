"""Finds the KnowPrompt training that a RetrievalRE of the same experiment can share.

RetrievalRE is a trained KnowPrompt with a datastore. Where an experiment has both and their presets
train alike, only KnowPrompt is trained.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from relgen.common import find_config, read_yaml

_KNOWPROMPT = "relgen.classifiers.knowprompt.KnowPromptClassifier"
_RETRIEVAL = "relgen.classifiers.retrieval.RetrievalClassifier"
_DATASTORE_SETTINGS = ("interpolation", "neighbours", "temperature")


def trained_alike(preset: str, presets: Sequence[str]) -> str | None:
    """Return the preset of the KnowPrompt whose training is that of a RetrievalRE.

    Args:
        preset: any classifier's.
        presets: those of the experiment.

    Returns:
        None where `preset` is not a RetrievalRE, or no KnowPrompt has all of its settings.
    """
    ours = _settings(preset)
    if _classifier(ours).get("class_path") != _RETRIEVAL:
        return None
    _classifier(ours)["class_path"] = _KNOWPROMPT
    for name in _DATASTORE_SETTINGS:
        _classifier(ours).get("init_args", {}).pop(name, None)
    return next((other for other in presets if _settings(other) == ours), None)


def _settings(preset: str) -> dict[str, Any]:
    content = read_yaml(find_config(preset, "classifier"))
    return content if isinstance(content, dict) else {}


def _classifier(content: dict[str, Any]) -> dict[str, Any]:
    model = content.get("model") or {}
    found = (model.get("init_args") or {}).get("classifier")
    return found if isinstance(found, dict) else {}
