"""The environment variable that switches kernels off."""

from __future__ import annotations

import pytest

from relgen.common.errors import InputError
from relgen.kernels.switch import KERNELS, in_use

pytestmark = pytest.mark.compute


@pytest.mark.parametrize(
    ("value", "off"),
    [
        ("", set()),
        ("on", set()),
        ("off", set(KERNELS)),
        ("-norms", {"norms"}),
        ("-norms,-head", {"norms", "head"}),
        ("-norms, head", {"norms", "head"}),
    ],
)
def test_kernels_are_left_out(monkeypatch: pytest.MonkeyPatch, value: str, off: set[str]) -> None:
    monkeypatch.setenv("RELGEN_KERNELS", value)
    assert {kernel for kernel in KERNELS if not in_use(kernel)} == off


@pytest.mark.parametrize("value", ["norms", "-nurms", "of", "-"])
def test_another_form_is_refused(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("RELGEN_KERNELS", value)
    with pytest.raises(InputError, match=r"RELGEN_KERNELS.*set it to off.*norms"):
        in_use("linear")
