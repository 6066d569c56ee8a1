"""Checks that a model exists, without reading its weights. Importing this module is cheap."""

from __future__ import annotations

from pathlib import Path

from relgen.models.load_errors import loading
from relgen.models.names import embedded_file, refuse_unknown


def check_name(name: str) -> None:
    """Raise InputError for a name that no model has, without reading weights.

    Of a model on the Hub only the configuration is fetched, and of a GGUF file there nothing.
    """
    if embedded_file(name):
        return
    refuse_unknown(name)
    if name.endswith(".gguf"):
        if Path(name).exists():
            from relgen.models.gguf import check_gguf

            check_gguf(Path(name))
        return
    from transformers import AutoConfig

    with loading(name):
        AutoConfig.from_pretrained(name, trust_remote_code=False)
