"""A file of SemEval's for the tests of `relgen data`."""

import pytest

SEMEVAL_RECORD = (
    '8\t"<e1>People</e1> moved <e2>downtown</e2>."\nEntity-Destination(e1,e2)\nComment:\n\n'
)


@pytest.fixture
def semeval(tmp_path):
    path = tmp_path / "TRAIN_FILE.TXT"
    path.write_text(SEMEVAL_RECORD + SEMEVAL_RECORD.replace("8\t", "9\t", 1))
    return path
