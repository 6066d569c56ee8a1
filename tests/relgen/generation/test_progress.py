"""The progress bar's numbers."""

from relgen.generation.loop import RoundResult
from relgen.generation.progress import GenerationProgress
from relgen.generation.states import RelationState
from tests import tiny


def test_counts_samples_drafts_and_speed() -> None:
    state = RelationState(tiny.typed_schema()["causes"], [], wanted=4, accepted=3, drafts=5)
    progress = GenerationProgress([state])
    (task,) = progress._bar.tasks
    progress.update(RoundResult(tokens=70))  # from the journal: no decoding
    assert (task.completed, task.total, task.fields["note"]) == (3, 4, "5 drafts")
    progress.update(RoundResult(tokens=30, seconds=2.0))
    assert task.fields["note"] == "5 drafts, 15 tokens/s"
    progress.close()
