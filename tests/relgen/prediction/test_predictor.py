"""Rows of chunks: facts that are given once, and limits."""

import pytest

from relgen.common.errors import InputError
from relgen.prediction import predictor
from relgen.prediction.pairs import RawText
from relgen.prediction.settings import PredictOptions
from tests.relgen.prediction.firms import save_firms, save_text
from tests.tiny import encoders as tiny
from tests.tiny.encoders import samples


def directed(head, tail, relation, probability, offset=0):
    ends = {"head": {"start": head - offset}, "tail": {"start": tail - offset}}
    shown = {"document": "a", "offset": offset, "relation": relation}
    return {**shown, **ends, "probability": probability}


def test_of_raw_text_each_fact_is_given_once_wherever_its_sentence_begins():
    sample = {"head": {"start": 0}, "tail": {"start": 9}, "relation": "part", "probability": 0.9}
    rows = [
        directed(0, 9, "part", 0.7),
        directed(9, 0, "part", 0.8, offset=-3),
        sample,
        sample,
    ]
    assert predictor.each_fact_once(rows, tiny.SCHEMA) == rows[1:]


def test_a_chunk_has_a_limit_of_pairs_and_is_computed_in_slices(tmp_path, monkeypatch):
    text, names = save_text(tmp_path)
    options = PredictOptions(model=save_firms(tmp_path), input=text, entities=[names])
    work = predictor.Predictor(options, most_pairs=4, at_once=3)
    sizes, whole = [], work.classifier.predict_samples
    monkeypatch.setattr(
        work.classifier, "predict_samples", lambda given: sizes.append(len(given)) or whole(given)
    )
    texts = [RawText(str(number), "ann founded acme .") for number in range(5)]
    assert work([*samples(3), *texts[:4]])[1]["pairs"] == 7
    assert sizes == [3, 3, 1]
    with pytest.raises(InputError, match="the texts have more than 4 pairs of entities"):
        work(texts)
