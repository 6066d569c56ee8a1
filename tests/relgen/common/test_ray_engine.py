"""Without Ray; `tests/integration/test_corpus_on_ray.py` has a cluster."""

import sys

import pytest

from relgen.common.errors import InputError
from relgen.common.ray_engine import map_on_ray


def test_a_missing_ray_names_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InputError, match=r"'--engine': Ray is not installed.*relgen-re\[ray\]"):
        list(map_on_ray(None, [], None))
