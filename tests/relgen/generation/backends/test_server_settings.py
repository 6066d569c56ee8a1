"""Settings of a server: refused with the field's name, and the part that drafts depend on."""

from __future__ import annotations

from typing import Any

import pytest

from relgen.common.errors import InputError
from relgen.generation.backends.server_settings import ServerSettings
from relgen.generation.settings import GenerationSettings


@pytest.mark.parametrize(
    ("changes", "server", "message"),
    [
        ({}, {"base_url": "localhost:8000"}, "not a server.s address"),
        ({}, {"base_url": "http://me:sk-1@host/v1"}, "user name or a password"),
        ({}, {"concurrency": 0}, "field 'server.concurrency': must be a whole number above 0"),
        ({}, {"cost_budget": 1.0}, "needs prices"),
        ({}, {"knd": "vllm"}, "did you mean 'kind'"),
        ({}, {"kind": "vlm"}, "field 'server.kind': must be one of"),
        ({"adapter": "a"}, {}, "a server applies its own adapters"),
        ({"backend": "transformers"}, {}, "set backend: openai"),
    ],
)
def test_settings_that_cannot_be(
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
