"""Fonts for labels, of those that come with matplotlib."""

from lightning_modules.utils.fonts import fonts_for


def test_the_default_font_has_many_scripts(caplog):
    found = fonts_for(("founded by", "основан", "ιδρύθηκε", "مؤسس", "נוסד"))
    assert found == (["DejaVu Sans"], set())
    assert caplog.text == ""


def test_letters_without_a_font_are_named_once(caplog):
    for _ in range(2):
        families, missing = fonts_for(("a b", "c\U000f0000"))
        assert (families[0], missing) == ("DejaVu Sans", {"\U000f0000"})
    assert caplog.text.count("no installed font has \U000f0000:") == 1
