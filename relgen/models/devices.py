"""Finds the device to compute on. Importing this module is cheap."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any

from relgen.common import InputError

if TYPE_CHECKING:
    import torch


def find_device(name: str | None) -> torch.device:
    """Return the device of this name (default: a GPU if present); raise InputError if unusable."""
    import torch

    try:
        device = torch.device(name or ("cuda" if torch.cuda.is_available() else "cpu"))
        torch.zeros(1, device=device).item()  # `meta` has no values
    except (RuntimeError, AssertionError) as error:
        why = re.split(r"[.]?\n|[.] ", str(error))[0]  # further sentences name files of PyTorch
        raise InputError(
            f"this device cannot be used: {why}",
            field="device",
            value=name,
            remedy="set it to cpu, or leave it out",
        ) from error
    return device


def _check_device(name: str, options: Any) -> None:
    if name != "cpu" and getattr(options, "server", None) is None:
        find_device(name)


DeviceName = Annotated[str, _check_device]
"""A field that `check_inputs` takes for the name of a device."""
