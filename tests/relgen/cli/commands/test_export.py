"""`relgen export`: what it refuses before it loads a model."""

from __future__ import annotations

from pathlib import Path

import pytest

from relgen.cli.main import main
from tests.relgen.cli.failing import failed


def test_it_merges_or_says_that_there_is_nothing_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = str(tmp_path / "x")
    line = failed(capsys, "export", str(tmp_path), "--merge", "--out", out)
    assert "no adapter in this folder" in line
    line = failed(capsys, "export", str(tmp_path), "--out", out)
    assert "neither a classifier nor an adapter is in this folder; give what" in line
    (tmp_path / "adapter_config.json").write_text("{}")
    assert "give --merge" in failed(capsys, "export", str(tmp_path), "--out", out)
    assert not (tmp_path / "x").exists()


def test_the_kind_of_folder_tells_what_is_exported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = ("--out", str(tmp_path / "x"))
    line = failed(capsys, "export", str(tmp_path), "--to", "onnx", *out)
    assert "no classifier in this folder" in line
    (tmp_path / "config.json").write_text('{"relgen_version": "0.1.0", "kind": "x"}')
    for more in ([], ["--merge"]):
        line = failed(capsys, "export", str(tmp_path), *more, *out)
        assert "this is a classifier; give --to onnx, hf or spacy" in line


@pytest.mark.parametrize(
    ("to", "name", "said"),
    [
        ("onnx", "export_onnx", "float32: same\nONNX -> OUT\n"),
        ("hf", "export_transformers", "transformers: same\nmodel of trans"),
        ("spacy", "export_spacy", "spaCy pipeline (relgen) -> OUT\n"),
    ],
)
def test_a_classifier_goes_where_it_is_asked_for(
    to: str,
    name: str,
    said: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("onnxruntime", reason="needs the extra onnx")
    pytest.importorskip("spacy", reason="needs the extra spacy")
    answer = {"onnx": {"float32": "same"}, "hf": "same", "spacy": ["relgen"]}[to]
    monkeypatch.setattr(f"relgen.deployment.{name}", lambda folder, out, **more: answer)
    (tmp_path / "config.json").write_text('{"relgen_version": "0.1.0"}')
    assert main(["export", str(tmp_path), "--to", to, "--out", "OUT"]) == 0
    assert capsys.readouterr().out.startswith(said)
