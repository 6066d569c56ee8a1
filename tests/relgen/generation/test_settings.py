"""Settings: checked, and the same from YAML, the command line and Python."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from relgen.cli.commands import generate as command
from relgen.common.command_lines import parse_options
from relgen.common.configuration import read, read_merged, upcast
from relgen.common.errors import InputError
from relgen.common.presets import find_config, list_configs
from relgen.generation.settings import GenerationSettings, ServerSettings


def test_defaults_are_the_papers() -> None:
    settings = GenerationSettings()
    sampling = (settings.temperature, settings.top_p, settings.top_k, settings.repetition_penalty)
    assert sampling == (0.4, 0.9, 20, 1.15)
    assert (settings.mode, settings.samples, settings.chains, settings.window) == (
        "obo",
        16,
        1,
        None,
    )


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"temprature": 1}, "did you mean 'temperature'"),
        ({"samples": 0}, "'samples': must be a whole number above 0"),
        ({"samples": 2.5}, "must be a whole number"),
        ({"samples": True}, "must be a whole number"),
        ({"diverse": "maybe"}, "must be true or false"),
        ({"mode": "both"}, "must be one of obo, aao"),
        ({"top_p": 0}, "a number above 0 and of at most 1"),
        ({"temperature": float("nan")}, "must be a number"),
        ({"repetition_penalty": 0}, "must be a number above 0"),
        ({"min_words": 9, "max_words": 8}, "above max_words"),
        ({"mode": "aao", "candidates": 2}, "for obo"),
        ({"dtype": "int8", "quantization": "nf4"}, "'dtype': does not go with quantization: nf4"),
        ({"relations": "causes"}, "a list of strings or null"),
        ({"model": None}, "'model': must be a string"),
    ],
)
def test_refuses(values: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        read(GenerationSettings, values)


def test_errors_name_the_file(tmp_path: Path) -> None:
    path = tmp_path / "g.yaml"
    path.write_text("sample: 3\n")
    with pytest.raises(InputError, match=r"g\.yaml:1: .*did you mean 'samples'"):
        read(GenerationSettings, read_merged([path]), paths=[path])
    path.write_text("shard: 1/2\n")
    with pytest.raises(InputError, match=r"^field 'shard': must be i/n"):
        # the file is not to blame
        read(GenerationSettings, {"shard": "3/2"}, paths=[path], given={"shard"})


def test_command_line_yaml_and_python_agree(tmp_path: Path) -> None:
    expected = GenerationSettings(
        mode="aao",
        samples=3,
        top_k=None,
        diverse=False,
        temperature=0.5,
        relations=("Cause-Effect(e1,e2)", "b"),
        half="b",
    )
    line = (
        "--train t --schema s --out o --mode aao --samples 3 --top_k null --no-diverse "
        "--temperature 0.5 --relations Cause-Effect(e1,e2) b --half b"
    )
    options = parse_options(command.Options, "generate", line.split())
    assert options is not None
    assert upcast(GenerationSettings, options) == expected
    values = json.loads(json.dumps(asdict(expected)))
    assert read(GenerationSettings, values) == expected


def test_shipped_presets_are_valid() -> None:
    names = list_configs("generate")
    laptop = read(GenerationSettings, read_merged([find_config("generate/qwen2_5_1_5b")]))
    # the labelled samples say how long a sentence may be
    assert (laptop.one_sentence, laptop.max_context_words, laptop.max_words) == (True, None, None)
    assert {"generate/smollm2_obo", "generate/smollm2_aao", "generate/llama2_7b_obo"} <= set(names)
    for name in names:
        settings = read(GenerationSettings, read_merged([find_config(name)]))
        kind = name.rsplit("_", 1)[1]
        assert settings.mode == ("aao" if kind in ("aao", "xu2023") else "obo")
        assert (settings.markup == "fields") == (kind == "xu2023")


@pytest.mark.parametrize(
    ("changes", "server", "message"),
    [
        ({}, {"base_url": "localhost:8000"}, "not a server.s address"),
        ({}, {"base_url": "http://me:sk-1@host/v1"}, "user name or a password"),
        ({}, {"base_url": "http://h/v1?api_key=sk-1"}, "or a query"),
        ({}, {"base_url": "http://h:99999/v1"}, "not a server.s address"),
        ({}, {"base_url": "http://[::1/v1"}, "not a server.s address"),
        ({}, {"base_url": "http://h\n/v1"}, "not a server.s address"),
        ({}, {"base_url": "http:///v1"}, "not a server.s address"),
        ({}, {"api_key_variable": "sk-1"}, "not the name of a variable"),
        ({}, {"concurrency": 0}, "field 'server.concurrency': must be a whole number above 0"),
        ({}, {"cost_budget": 1.0}, "needs the keys `price_prompt` and"),
        ({}, {"knd": "vllm"}, "did you mean 'kind'"),
        ({}, {"api_key": "sk-1"}, "field 'server.api_key': unknown key; "),
        ({}, {"kind": "vlm"}, "field 'server.kind': must be one of"),
        ({"adapter": "a"}, {}, "a server applies its own adapters"),
        ({"backend": "transformers"}, {}, "set backend: openai"),
    ],
)
def test_server_settings_that_cannot_be(
    changes: dict[str, Any], server: dict[str, Any], message: str
) -> None:
    values = {"backend": "openai", "server": {"base_url": "http://h/v1", **server}, **changes}
    with pytest.raises(InputError, match=message) as caught:
        GenerationSettings(**values)
    assert "sk-1" not in str(caught.value)


def test_another_address_is_the_same_generation() -> None:
    here = ServerSettings(base_url="http://a/v1", retries=1)
    assert here.identity() == ServerSettings(base_url="http://b/v1", retries=2).identity()
    assert here.identity() != ServerSettings(base_url="http://a/v1", kind="vllm").identity()
