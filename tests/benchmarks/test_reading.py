"""`benchmarks.reading`: sides that read the same, and sides that do not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import reading
from tests import tiny


@pytest.mark.usefixtures("in_process")
def test_all_sides_read_the_same_states(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tiny.save_model(tmp_path / "model")
    options = ["--model", model, "--sentences", "5", "--sides", ",".join(reading.SIDES)]
    reading.main([*options, "--json", str(tmp_path / "r.json")])
    content = json.loads((tmp_path / "r.json").read_text())
    assert content["cosines"]["shared-float32"] == pytest.approx(1, abs=1e-5)
    assert content["shared-int8"][0]["tokens"] < content["rows-int8"][0]["tokens"]
    assert "sentences a second" in " ".join(capsys.readouterr().out.split())
    monkeypatch.setattr(reading, "_CLOSE", 1.1)
    with pytest.raises(RuntimeError, match="read something else than rows-float32"):
        reading.main(options)
