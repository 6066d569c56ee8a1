"""Presets and schemas, by path and by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from relgen.common.errors import InputError
from relgen.common.presets import config_root, find_config, find_schema, list_configs


@pytest.mark.parametrize(
    ("name", "folder"),
    [("dpo/smollm2", ""), ("smollm2", "dpo"), ("configs/dpo/smollm2.yaml", "classifier")],
)
def test_a_preset_has_several_names(
    name: str, folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # where there is no folder `configs`
    assert find_config(name, folder) == config_root() / "dpo" / "smollm2.yaml"


def test_a_users_file_comes_before_a_preset(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("everyday").write_text("corpus: everyday\n", encoding="utf-8")
    assert find_config("everyday", "experiments") == Path("everyday")
    assert find_schema("everyday") == Path("everyday")


def test_unknown_names_list_those_there_are() -> None:
    with pytest.raises(InputError, match="no such file or preset; presets: dpo/") as caught:
        find_config("mine", "dpo")
    assert all(name in str(caught.value) for name in list_configs("dpo"))
    with pytest.raises(InputError, match="no such file or schema; shipped schemas: everyday"):
        find_schema("my-own")


def test_misspelt_names_get_the_nearest_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InputError, match="did you mean 'smollm2'"):
        find_config("smolm2", "dpo")
    with pytest.raises(InputError, match="did you mean 'dpo/smollm2'"):
        find_config("dpo/smolm2", "dpo")
    monkeypatch.chdir(tmp_path)
    Path("schema.yaml").touch()
    with pytest.raises(InputError, match=r"schema\.yml: .*did you mean 'schema\.yaml'"):
        find_schema("schema.yml")
