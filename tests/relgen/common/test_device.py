"""Which dtype is fast here, told from the processor's features or the GPU."""

from __future__ import annotations

from pathlib import Path

import pytest

from relgen.cli import main as cli
from relgen.cli.trained_options import with_presets
from relgen.common import device
from relgen.common.configuration import read
from relgen.generation.settings import GenerationSettings

pytestmark = pytest.mark.compute


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ("flags : fpu amx_tile amx_bf16 sse", "bfloat16"),
        ("flags : fpu avx512_bf16 sse", "float32"),
        ("flags : no_amx_bf16", "float32"),
        (None, "float32"),
    ],
)
def test_a_processor_needs_matrix_units(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flags: str | None, expected: str
) -> None:
    if flags:
        (tmp_path / "cpuinfo").write_text(flags)
    monkeypatch.setattr(device, "_PROCESSOR", tmp_path / "cpuinfo")
    monkeypatch.setattr(device, "_NVIDIA", tmp_path / "none")
    assert device.fast_dtype() == expected


@pytest.mark.parametrize(("half", "expected"), [(True, "bfloat16"), (False, "float32")])
def test_a_gpu_decides_where_there_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, half: bool, expected: str
) -> None:
    monkeypatch.setattr(device, "_NVIDIA", tmp_path)
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.is_bf16_supported", lambda **options: half)
    assert device.fast_dtype() == expected


@pytest.mark.parametrize(
    ("listed", "said", "expected"),
    [
        ("vendor_id : GenuineIntel", "", True),
        ("vendor_id : AuthenticAMD", "GenuineIntel", False),
        (None, "Intel64 Family 6 Model 94 Stepping 3, GenuineIntel", True),
        (None, "AMD64 Family 25 Model 33 Stepping 0, AuthenticAMD", False),
        (None, "", False),
    ],
)
def test_whose_processor_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, listed: str | None, said: str, expected: bool
) -> None:
    if listed:
        (tmp_path / "cpuinfo").write_text(listed)
    monkeypatch.setattr(device, "_PROCESSOR", tmp_path / "cpuinfo")
    monkeypatch.setattr("platform.processor", lambda: said)
    assert device.is_intel() is expected


@pytest.mark.parametrize(
    ("fast", "precision"), [("bfloat16", "bf16-mixed"), ("float32", "32-true")]
)
def test_auto_is_what_is_fast_where_the_command_runs(
    fast: str, precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device, "fast_dtype", lambda: fast)
    monkeypatch.setattr("relgen.cli.trained_options.fast_dtype", lambda: fast)
    assert device.resolved("auto") == fast
    assert device.resolved("float64") == "float64"
    assert read(GenerationSettings, {"dtype": "auto"}).dtype == fast
    assert GenerationSettings(dtype="auto").dtype == fast
    rest = ["--trainer.devices", "auto"]
    made = ["fit", "--trainer.precision", precision, *rest]
    assert with_presets(["fit", "--trainer.precision=auto", *rest], "dpo") == made
    assert with_presets(["fit", "--trainer.precision", "auto", *rest], "dpo") == made


@pytest.mark.parametrize("command", ["direct", "label"])
def test_commands_take_the_word(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    class StoppedError(Exception):
        """Carries the settings out of the command."""

    def stop(settings: object, **_: object) -> None:
        raise StoppedError(settings)

    monkeypatch.setattr(device, "fast_dtype", lambda: "bfloat16")
    monkeypatch.setattr("relgen.evaluation.classify", stop)
    monkeypatch.setattr("relgen.labelling.label", stop)
    monkeypatch.setattr("relgen.common.check_inputs", lambda *_: None)
    files = ["--test", "b"] if command == "direct" else ["c"]
    line = [command, *files, "--train", "a", "--schema", "everyday", "--out", "o"]
    with pytest.raises(StoppedError) as stopped:
        cli.run([*line, "--dtype", "auto"])
    assert stopped.value.args[0].dtype == "bfloat16"


@pytest.mark.parametrize(
    ("flags", "expected"),
    [("fpu amx_bf16", True), ("fpu avx512_bf16", True), ("fpu avx512f", False), (None, False)],
)
def test_instructions_for_bfloat16(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flags: str | None, expected: bool
) -> None:
    if flags:
        (tmp_path / "cpuinfo").write_text(f"flags : {flags}")
    monkeypatch.setattr(device, "_PROCESSOR", tmp_path / "cpuinfo")
    assert device.multiplies_bfloat16() is expected
