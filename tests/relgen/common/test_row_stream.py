"""A stream of rows: written chunk by chunk, and resumed."""

import pyarrow
import pytest
from pyarrow import parquet

from relgen.common.progress import LISTENER
from relgen.common.row_stream import stream_files, stream_rows

SHOWN = {"title": "Doubling", "total": 6}


def doubled(chunk):
    return [{"n": 2 * n} for n in chunk], {"items": len(chunk)}


def lines(path):
    return path.read_text().splitlines()


def test_rows_and_counts(tmp_path):
    out = tmp_path / "new" / "rows.jsonl"
    assert stream_rows(doubled, iter(range(5)), out, "h", size=2, **SHOWN) == {"items": 5}
    assert lines(out) == ['{"n": 0}', '{"n": 2}', '{"n": 4}', '{"n": 6}', '{"n": 8}']


@pytest.mark.parametrize(("header", "first"), [("h", 4), ("other", 0)])
def test_a_stopped_stream_resumes_with_the_same_header(tmp_path, header, first):
    out, seen = tmp_path / "rows.jsonl", []

    def stops(chunk):
        if 4 in chunk:
            raise KeyboardInterrupt
        return doubled(chunk)

    with pytest.raises(KeyboardInterrupt):
        stream_rows(stops, range(6), out, "h", size=2, **SHOWN)
    assert not out.exists()
    partial, _ = stream_files(out)
    with partial.open("a") as stream:
        stream.write('{"n": 8')  # a kill in the middle of a row

    def watched(chunk):
        seen.extend(chunk)
        return doubled(chunk)

    heard = []
    before = LISTENER.set(lambda *parts: heard.append(parts))
    assert stream_rows(watched, range(6), out, header, size=2, **SHOWN) == {"items": 6}
    LISTENER.reset(before)
    assert heard == [(done, 6, "sentences") for done in range(first, 7, 2)]
    assert seen == list(range(first, 6))
    assert lines(out) == [f'{{"n": {2 * n}}}' for n in range(6)]


def test_a_lost_file_is_written_again(tmp_path):
    out = tmp_path / "rows.jsonl"
    stream_rows(doubled, range(4), out, "h", size=2, **SHOWN)
    out.unlink()  # its state is left
    assert stream_rows(doubled, range(4), out, "h", size=2, **SHOWN) == {"items": 4}
    assert len(lines(out)) == 4


def test_what_is_finished_is_not_done_again_while_its_state_is_left(tmp_path):
    out = tmp_path / "rows.jsonl"
    stream_rows(doubled, range(4), out, "h", size=2, **SHOWN)
    assert stream_rows(None, None, out, "h", size=2, **SHOWN) == {"items": 4}
    assert stream_rows(doubled, range(2), out, "other", size=2, **SHOWN) == {"items": 2}
    assert len(lines(out)) == 2


def test_parquet_is_made_of_the_lines(tmp_path):
    out, columns = tmp_path / "rows.parquet", {"n": pyarrow.int64(), "more": pyarrow.string()}
    given = {"schema": lambda: pyarrow.schema(columns), **SHOWN}
    assert stream_rows(doubled, range(3), out, "h", size=2, **given) == {"items": 3}
    rows = [{"n": n, "more": None} for n in (0, 2, 4)]
    assert parquet.read_table(out).to_pylist() == rows
    assert sorted(path.name for path in tmp_path.iterdir()) == [".rows.parquet.state", out.name]
