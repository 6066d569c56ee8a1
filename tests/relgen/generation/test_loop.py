"""The parts of a round that can be worked out by hand; whole runs are in `test_run`."""

from pathlib import Path

import pytest

from relgen.generation.acceptance import KnownTexts
from relgen.generation.files.journal import Journal
from relgen.generation.loop import GenerationLoop, difference
from relgen.generation.settings import GenerationSettings
from relgen.generation.states import initial_states
from relgen.prompting import CHAT, PromptWriter
from tests import tiny


def test_missing_samples_are_shared_out_to_requests(tmp_path: Path) -> None:
    settings = GenerationSettings(mode="aao", samples=9, per_answer=4, chains=5, grammar=False)
    relation = tiny.typed_schema()["causes"]
    states = initial_states([relation], tiny.labelled(), settings)
    journal = Journal(tmp_path / "journal", "h")
    pool, writer = KnownTexts(settings, []), PromptWriter(CHAT)
    loop = GenerationLoop(settings, states, writer, [], pool, {}, journal, lambda: None)
    requests = [request for turn in loop._turns(states) for request in turn.requests]
    assert [request.max_tokens for request in requests] == [4 * 96, 4 * 96, 96]


def test_difference_is_one_minus_the_mean_overlap_of_words() -> None:
    first = tiny.sentence("Ann", " met ", "Bob")
    second = tiny.sentence("Ann", " met ", "Tim")
    assert difference(first, [first]) == 0.0
    assert difference(first, [second]) == pytest.approx(0.4)  # they share 3 of 5 words
    assert difference(first, [first, second]) == pytest.approx(0.2)
