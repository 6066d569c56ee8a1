"""Entities from names, expressions, spaCy and GLiNER."""

import sys
from types import ModuleType, SimpleNamespace

import pytest

from relgen.common.errors import InputError
from relgen.data.samples import Entity
from relgen.prediction.sources import open_sources, source_files

TEXT = "Ann of Acme Inc, Acmeville, met C++ and Ann2 in 1999."


def found(source, text=TEXT, **options):
    entities = open_sources([source], ["PERSON", "BIG_FIRM"], **options)([text, "nothing"])
    assert entities[1] == []
    return [(text[e.start : e.end], e.type) for e in entities[0]]


def test_names_of_a_gazetteer(tmp_path):
    names = tmp_path / "names.tsv"
    names.write_text("Ann\tPERSON\nAcme\tORG\nAcme Inc\tORG\n\nC++\n")
    assert found(f"gazetteer:{names}") == [("Ann", "PERSON"), ("Acme Inc", "ORG"), ("C++", None)]
    assert found(f"gazetteer:{names}", renamed={"ORG": "BIG_FIRM"})[1] == ("Acme Inc", "BIG_FIRM")
    assert source_files([f"gazetteer:{names}", "spacy:x"]) == [names]
    names.write_text("acme\tORG\nann\tPERSON\nAnn\tGIVEN\n")
    text = "Acme and ACME, acme and Ann"
    assert found(f"gazetteer:{names}", text) == [("Acme", "ORG"), ("acme", "ORG"), ("Ann", "GIVEN")]
    names.write_text("東京\tPLACE\n")
    assert found(f"gazetteer:{names}", "私は東京に住む") == [("東京", "PLACE")]


def test_regular_expressions(tmp_path):
    file = tmp_path / "e.yaml"
    file.write_text("YEAR: '\\b\\d{4}\\b'\nX: ['Ac\\w+', 'C\\+\\+', 'y*']\n")
    assert found(f"regex:{file}") == [
        ("1999", "YEAR"),
        ("Acme", "X"),
        ("Acmeville", "X"),
        ("C++", "X"),
    ]


def test_a_spacy_pipeline(tmp_path):
    spacy = pytest.importorskip("spacy")
    nlp = spacy.blank("en")
    nlp.add_pipe("entity_ruler").add_patterns([{"label": "PER", "pattern": "Ann"}])
    nlp.to_disk(tmp_path / "pipe")
    assert found(f"spacy:{tmp_path / 'pipe'}", renamed={"PER": "PERSON"}) == [("Ann", "PERSON")]


def test_gliner_is_asked_for_the_types_of_the_schema(monkeypatch):
    asked = []

    def inference(texts, labels):
        asked.append(labels)
        return [[{"start": 0, "end": 3, "label": "person"}], []]

    model = SimpleNamespace(inference=inference)
    module = ModuleType("gliner")
    module.GLiNER = SimpleNamespace(from_pretrained=lambda name: model)
    monkeypatch.setitem(sys.modules, "gliner", module)
    assert found("gliner:some/model") == [("Ann", "PERSON")]
    assert asked == [["person", "big firm"]]
    with pytest.raises(InputError, match="names none"):
        open_sources(["gliner:some/model"], [])


def test_sources_are_joined(tmp_path):
    (tmp_path / "a").write_text("Ann\tPERSON")
    (tmp_path / "b").write_text("1999\tYEAR")
    join = open_sources([f"gazetteer:{tmp_path / 'a'}", f"gazetteer:{tmp_path / 'b'}"], [])
    assert join([TEXT]) == [[Entity(0, 3, "PERSON"), Entity(48, 52, "YEAR")]]


@pytest.mark.parametrize(
    ("source", "content", "said"),
    [
        ("names.tsv", None, r"no such source.*one of spacy, gliner, gazetteer, regex"),
        ("spcy:x", None, r"no such source \(got 'spcy:x'\); did you mean 'spacy'"),
        ("regex", None, r"names nothing \(got 'regex'\); .* such as regex:NAME"),
        ("gazetteer:{file}", "\n", "no names in this file"),
        ("gazetteer:{file}.no", None, "no such file"),
        ("regex:{file}", "A: '('", r"'A': not a regular expression.*got '\('"),
        ("regex:{file}", "[a]", "must map types to expressions"),
        ("spacy:no_such_pipeline", None, "spaCy cannot load .*python -m spacy download"),
    ],
)
def test_a_bad_source_is_one_line(tmp_path, source, content, said):
    file = tmp_path / "file"
    if content is not None:
        file.write_text(content)
    with pytest.raises(InputError, match=said) as caught:
        open_sources([source.format(file=file)], [])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["spacy", "gliner"])
def test_a_missing_library_names_its_extra(monkeypatch, name):
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(InputError, match=rf"is not installed.*relgen-re\[{name}\]"):
        open_sources([f"{name}:x"], ["A"])
