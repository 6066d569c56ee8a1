"""The wheel, installed outside of the checkout, is all that a user needs."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest
import yaml

from relgen.common.presets import config_root, list_configs
from tests.tiny.experiments import preset, tiny_corpus

ROOT = Path(__file__).resolve().parent.parent
pytestmark = pytest.mark.processes
# what is read as a file or by a stub, so that an import alone would not miss it
ENDINGS = (".pyi", ".yaml", ".jsonl", ".css", ".html", ".j2", ".typed", ".md")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "-o", str(folder)]
    subprocess.run([*build, str(ROOT)], check=True, capture_output=True)
    return next(folder.glob("relgen_re-*.whl"))


@pytest.fixture(scope="module")
def programs(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of programs of an empty environment with the wheel and this one's libraries."""
    home = tmp_path_factory.mktemp("environment")
    venv.create(home, with_pip=False)
    python = home / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet"]
    subprocess.run([*pip, "--no-deps", "--no-index", str(wheel)], check=True, env=environment())
    # after the installation: pip would take this environment's relgen for one that is there already
    site = Path(sysconfig.get_path("purelib", "venv", {"base": str(home)}))
    libraries = sysconfig.get_path("purelib"), sysconfig.get_path("platlib")
    (site / "libraries.pth").write_text("\n".join(dict.fromkeys(libraries)), encoding="utf-8")
    return home / "bin"


def environment() -> dict[str, str]:
    """This process's variables without those that lead back into the checkout."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return kept | {"HF_HUB_OFFLINE": "1"}


def run(programs: Path, folder: Path, *arguments: str) -> str:
    command = [programs / arguments[0], *arguments[1:]]
    done = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def test_it_holds_every_file_of_the_packages(wheel: Path) -> None:
    packages = [ROOT / name for name in ("relgen", "lightning_modules", "datamodules")]
    files = {
        str(path.relative_to(ROOT))
        for package in packages
        for path in package.rglob("*")
        if path.suffix in (".py", *ENDINGS)
    }
    root = config_root()
    presets = {f"relgen/configs/{path.relative_to(root)}" for path in root.rglob("*.yaml")}
    assert (files | presets) <= set(zipfile.ZipFile(wheel).namelist())


def test_installed_elsewhere_it_finds_its_presets(programs: Path, tmp_path: Path) -> None:
    assert "diversity" in run(programs, tmp_path, "relgen", "--help")
    code = (
        "import relgen; from relgen.common.presets import list_configs; print(relgen.__file__);"
        "print(*list_configs()); relgen.Sample, relgen.RelationSchema"
    )
    file, names = run(programs, tmp_path, "python", "-c", code).splitlines()
    assert Path(file).is_relative_to(programs.parent)
    assert set(names.split()) == set(list_configs())
    assert "relgen dpo fit" in run(
        programs, tmp_path, "relgen", "run", "everyday", "--dry-run", "--out", "run"
    )


def test_installed_elsewhere_spacy_knows_the_component(programs: Path, tmp_path: Path) -> None:
    pytest.importorskip("spacy", reason="needs the extra spacy")
    code = (
        "import sys, spacy; nlp = spacy.blank('en'); nlp.add_pipe('relgen');"
        "print(*nlp.pipe_names, 'transformers' in sys.modules)"
    )
    assert run(programs, tmp_path, "python", "-c", code) == "relgen False\n"


@pytest.mark.slow
def test_installed_elsewhere_it_runs_an_experiment(programs: Path, tmp_path: Path) -> None:
    corpus, _, bert = tiny_corpus(tmp_path)
    classifier = preset(
        "classifier/entity_marker",
        tmp_path,
        trainer__max_steps=2,
        model__init_args__classifier__init_args__model=bert,
    )
    content = {"corpus": corpus, "shots": 2, "arms": ["human"], "classifiers": [classifier]}
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    said = run(programs, tmp_path, "relgen", "run", "tiny.yaml", "--out", "runs/tiny")
    assert said.rstrip().endswith("report: runs/tiny/report.html")
