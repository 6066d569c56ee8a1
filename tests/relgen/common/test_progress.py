"""The running count hands everything through."""

from relgen.common import progress


def test_yields_everything_and_is_quiet_when_quick(capsys):
    assert list(progress.counted(range(2000), "things")) == list(range(2000))
    assert capsys.readouterr() == ("", "")


def test_yields_everything_when_slow(monkeypatch, capsys):
    monkeypatch.setattr(progress, "QUIET_SECONDS", -1.0)
    assert list(progress.counted(range(2000), "things")) == list(range(2000))
    assert capsys.readouterr().out == ""
