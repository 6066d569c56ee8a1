"""What a language model is given to read."""

from relgen.data.samples import Entity, Sample
from relgen.labelling.views import EXCHANGED, SLOTS, views

SAMPLE = Sample("1", "Ann lives in Bern.", Entity(0, 3), Entity(13, 17), "lives_in")


def test_the_three_texts_and_where_they_are_read():
    echo, forth, back = views(SAMPLE)
    assert echo.text == "Ann lives in Bern.\nAnn lives in Bern."
    assert [echo.text[:end].split()[-1] for end in echo.ends] == ["Ann", "Bern"]
    assert [len(echo.text[:end].split("\n")) for end in echo.ends] == [2, 2]
    stated = "Ann lives in Bern.\nIn this sentence, the relation between "
    assert forth.text == f'{stated}"Ann" and "Bern" is that the Ann'
    assert back.text == f'{stated}"Bern" and "Ann" is that the Bern'
    assert (forth.ends, back.ends) == ((len(forth.text),), (len(back.text),))


def test_an_exchanged_sample_has_the_same_slots_in_another_order():
    exchanged = Sample("1", SAMPLE.text, SAMPLE.tail, SAMPLE.head, "x")

    def slots(sample):
        return [(view.text, end) for view in views(sample) for end in view.ends]

    assert len(slots(SAMPLE)) == SLOTS
    assert slots(exchanged) == [slots(SAMPLE)[slot] for slot in EXCHANGED]
