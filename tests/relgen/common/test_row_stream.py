"""A stream of rows: written chunk by chunk, and resumed."""

import pytest

from relgen.common.row_stream import chunked, stream_files, stream_rows


def doubled(chunk):
    return [{"n": 2 * n} for n in chunk], {"items": len(chunk)}


def lines(path):
    return path.read_text().splitlines()


def test_rows_and_counts(tmp_path):
    out = tmp_path / "new" / "rows.jsonl"
    assert stream_rows(doubled, iter(range(5)), out, "h", size=2) == {"items": 5}
    assert lines(out) == ['{"n": 0}', '{"n": 2}', '{"n": 4}', '{"n": 6}', '{"n": 8}']
    assert list(chunked([], 3)) == []


@pytest.mark.parametrize(("header", "first"), [("h", 4), ("other", 0)])
def test_a_stopped_stream_resumes_with_the_same_header(tmp_path, header, first):
    out, seen = tmp_path / "rows.jsonl", []

    def stops(chunk):
        if 4 in chunk:
            raise KeyboardInterrupt
        return doubled(chunk)

    with pytest.raises(KeyboardInterrupt):
        stream_rows(stops, range(6), out, "h", size=2)
    assert not out.exists()
    partial, _ = stream_files(out)
    with partial.open("a") as stream:
        stream.write('{"n": 8')  # a kill in the middle of a row

    def watched(chunk):
        seen.extend(chunk)
        return doubled(chunk)

    assert stream_rows(watched, range(6), out, header, size=2) == {"items": 6}
    assert seen == list(range(first, 6))
    assert lines(out) == [f'{{"n": {2 * n}}}' for n in range(6)]


def test_a_lost_file_is_written_again(tmp_path):
    out = tmp_path / "rows.jsonl"
    stream_rows(doubled, range(4), out, "h", size=2)
    out.unlink()  # its state is left
    assert stream_rows(doubled, range(4), out, "h", size=2) == {"items": 4}
    assert len(lines(out)) == 4
