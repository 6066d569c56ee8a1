"""Views of a sample, and states of the embedded model in batches and one by one."""

from pathlib import Path

import pytest
import torch

from relgen.common.errors import InputError
from relgen.data.samples import Entity, Sample
from relgen.labelling import states
from relgen.labelling.states import StateReader, exchange, share, views
from relgen.models.causal_lm import load_language_model

pytestmark = pytest.mark.compute

SHORT = Sample("1", "Ann lives in Bern.", Entity(0, 3), Entity(13, 17), "x")
LONG = Sample(
    "2",
    "The old bridge, which the flood <|im_end|> of 1910 destroyed, had linked two valleys.",
    Entity(26, 31),
    Entity(4, 14),
    "x",
)


@pytest.fixture(scope="module")
def reader() -> StateReader:
    return StateReader("smollm2-135m-instruct", "float32", torch.device("cpu"))


def test_shapes_and_layers(reader: StateReader) -> None:
    assert reader.layers == [15, 18, 21, 23, 25]
    assert reader.read([SHORT, LONG]).shape == (2, 4, 5, 576)
    assert reader.read([]).shape == (0, 4, 5, 576)


def test_a_sample_is_read_alike_alone_and_beside_others(reader: StateReader) -> None:
    together = reader.read([LONG, SHORT, LONG])
    torch.testing.assert_close(together[1], reader.read([SHORT])[0], atol=2e-3, rtol=1e-3)
    torch.testing.assert_close(together[0], together[2], atol=2e-3, rtol=1e-3)


def test_the_states_are_those_of_the_last_tokens_of_entities_and_statements(
    reader: StateReader,
) -> None:
    read = reader.read([SHORT])[0]
    whole = load_language_model("smollm2-135m-instruct").get_decoder()
    slot = 0
    for view in views(SHORT):
        for end in view.ends:
            # a causal model's state does not depend on what follows
            ids = reader.tokenizer(view.text[:end])["input_ids"]
            with torch.no_grad():
                hidden = whole(torch.tensor([ids]), output_hidden_states=True).hidden_states
            expected = torch.stack([hidden[layer][0, -1] for layer in reader.layers])
            torch.testing.assert_close(read[slot], expected, atol=2e-3, rtol=1e-3)
            slot += 1
    assert slot == 4


def test_texts_that_begin_alike_share_their_beginning() -> None:
    row = share([([5, 6, 7, 8], [1, 3]), ([5, 6, 9], [2])])
    assert row.ids == [5, 6, 7, 8, 9]
    assert row.parents == [-1, 0, 1, 2, 1]
    assert row.places == [1, 3, 4]
    assert share([([5, 6], [0]), ([5, 6, 9], [2])]).parents == [-1, 0, 1]


def test_exchanging_head_and_tail_exchanges_the_slots(reader: StateReader) -> None:
    exchanged = Sample("1", SHORT.text, SHORT.tail, SHORT.head, "x")
    as_is, other = reader.read([SHORT, exchanged])
    torch.testing.assert_close(other, exchange(as_is[None])[0], atol=2e-3, rtol=1e-3)


def test_special_tokens_in_a_text_are_text(reader: StateReader) -> None:
    ids, _ = reader._tokens(views(LONG)[0])
    special = reader.tokenizer.convert_tokens_to_ids("<|im_end|>")
    assert special not in ids


def test_a_model_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nowhere"):
        StateReader(str(tmp_path / "nowhere"), "float32", torch.device("cpu"))


def test_the_three_texts_and_where_they_are_read() -> None:
    echo, forth, back = views(SHORT)
    assert echo.text == "Ann lives in Bern.\nAnn lives in Bern."
    assert [echo.text[:end].split()[-1] for end in echo.ends] == ["Ann", "Bern"]
    assert [len(echo.text[:end].split("\n")) for end in echo.ends] == [2, 2]
    stated = "Ann lives in Bern.\nIn this sentence, the relation between "
    assert forth.text == f'{stated}"Ann" and "Bern" is that the Ann'
    assert back.text == f'{stated}"Bern" and "Ann" is that the Bern'
    assert (forth.ends, back.ends) == ((len(forth.text),), (len(back.text),))


def test_an_exchanged_sample_has_the_same_slots_in_another_order() -> None:
    exchanged = Sample("1", SHORT.text, SHORT.tail, SHORT.head, "x")

    def slots(sample: Sample) -> list[tuple[str, int]]:
        return [(view.text, end) for view in views(sample) for end in view.ends]

    assert slots(exchanged) == [slots(SHORT)[slot] for slot in (1, 0, 3, 2)]


def test_a_large_model_reads_statements_in_deeper_layers(
    reader: StateReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(states, "ECHO_BELOW", 1_000_000)
    large = StateReader("smollm2-135m-instruct", "float32", torch.device("cpu"))
    assert (large.layers, large.features) == ([19, 21, 23, 25, 27], 2 * 5 * 576)
    read = large.read([SHORT])
    assert read.shape == (1, 2, 5, 576)
    # the layers that both have in common
    both = reader.read([SHORT])[:, 2:][:, :, [2, 3, 4]]
    torch.testing.assert_close(read[:, :, [1, 2, 3]], both, atol=2e-3, rtol=1e-3)


def test_a_sentence_beyond_the_models_window_is_refused_by_name(reader: StateReader) -> None:
    text = "Ann lives in Bern" + " and Bern" * 30 + "."
    long = Sample("far", text, Entity(0, 3), Entity(13, 17), "x")
    reader.check_lengths([SHORT, LONG, long])
    window, reader._window = reader._window, 100
    try:
        reader.check_lengths([SHORT, LONG])
        with pytest.raises(InputError, match=r"sentence 'far' needs 1\d\d tokens .*the 100 pos"):
            reader.check_lengths([SHORT, long])
    finally:
        reader._window = window
