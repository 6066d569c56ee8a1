"""Schemas: loading, what a malformed one says, halves, and the shipped ones."""

from pathlib import Path

import pytest

import relgen
from relgen.common.errors import InputError
from relgen.data.samples import Entity, Sample
from relgen.data.schema import Relation, RelationSchema, load_schema, parse_schema

YAML = """\
name: my-relations
negative: no_relation
relations:
  founded_by:
    explanation: >-
      The head is an organisation that was founded
      by the tail, a person.
    head_types: [ORGANIZATION]
    tail_types: [PERSON]
    undirected: founding
  no_relation:
    explanation: None of the other relations holds.
"""


def _load(tmp_path: Path, text: str) -> RelationSchema:
    path = tmp_path / "schema.yaml"
    path.write_text(text, "utf-8")
    return load_schema(path)


def _many(*groups: str | None) -> RelationSchema:
    relations = tuple(Relation(f"r{i}", "…", undirected=g) for i, g in enumerate(groups))
    return RelationSchema("s", relations)


def test_loads_what_the_readme_shows(tmp_path):
    schema = _load(tmp_path, YAML)
    assert schema.labels == ("founded_by", "no_relation")
    assert schema.positive_labels == ("founded_by",)
    assert schema.types == ("ORGANIZATION", "PERSON")
    assert schema["founded_by"] == Relation(
        "founded_by",
        "The head is an organisation that was founded by the tail, a person.",
        ("ORGANIZATION",),
        ("PERSON",),
        "founding",
    )
    assert schema["no_relation"].group == "no_relation"
    assert "founded_by" in schema
    assert "founding" not in schema
    assert len(schema) == 2


def test_saving_and_loading_is_the_identity(tmp_path):
    schema = _load(tmp_path, YAML)
    schema.save(tmp_path / "again.yaml")
    assert load_schema(tmp_path / "again.yaml") == schema


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("negative:", "negativ:", r"field 'negativ': unknown key.*did you mean 'negative'\?"),
        ("head_types:", "head_type:", r"founded_by\.head_type': .*did you mean 'head_types'\?"),
        ("negative: no_relation", "negative: NA", r"'NA'.*one of founded_by, no_relation, or null"),
        ("negative: no_relation", "negative: [a, b]", "only one label can be the negative one"),
        ("name: my-relations", "name: ''", "field 'name': give the schema a name"),
        ("[PERSON]", "PERSON", r"'relations\.founded_by\.tail_types': must be a list.*'PERSON'"),
        ("undirected: founding", "undirected: 3", r"founded_by\.undirected': must be a string"),
        ("None of the other relations holds.", "''", r"no_relation\.explanation': missing"),
        ("  no_relation:\n", "  5:\n", "a label must be a string.*got 5"),
        ("  no_relation:\n", "  founded_by:\n", "'founded_by' is given twice"),
        ("explanation:", "explaination:", r"explaination': unknown key.*mean 'explanation'\?"),
        ("undirected: founding", "name: x", r"founded_by\.name': unknown key.*write `title`"),
        ("undirected: founding", "negative: true", "named once, at the top of the schema"),
        ("name: my-relations", "name: [", r"schema\.yaml:3: not valid YAML"),
    ],
)
def test_errors_name_the_file_the_key_and_the_remedy(tmp_path, old, new, message):
    assert old in YAML
    with pytest.raises(InputError, match=message) as caught:
        _load(tmp_path, YAML.replace(old, new))
    assert str(caught.value).startswith(str(tmp_path / "schema.yaml"))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("relations", "a schema is a mapping"),
        ({"name": "s"}, "must map labels to explanations"),
        ({"name": "s", "relations": {"a": "text"}}, "must be a mapping with an explanation"),
        ({"name": "s", "relations": {"a": {"explanation": "x"}}}, "at least two relations"),
    ],
)
def test_parse_refuses(content, message):
    with pytest.raises(InputError, match=message):
        parse_schema(content)


def test_an_unknown_label_names_the_nearest():
    schema = load_schema("semeval")
    with pytest.raises(InputError, match=r"did you mean Cause-Effect\(e1,e2\)"):
        schema.check_label("Cause-Efect(e1,e2)")
    with pytest.raises(InputError, match="its relations: child_of, "):
        load_schema("everyday").check_label("zzz")


@pytest.mark.parametrize(
    ("schema", "label", "negative"),
    [
        ("tacred", "NA", "no_relation"),
        ("retacred", "Other", "no_relation"),
        ("semeval", "no_relation", "Other"),
    ],
)
def test_another_name_for_the_negative_label_says_how_to_rename_it(schema, label, negative):
    with pytest.raises(InputError, match=f"its negative label is '{negative}': .*--rename {label}"):
        load_schema(schema).check_label(label)
    plain = _many(None, None)
    with pytest.raises(InputError, match="its relations: r0, r1"):
        plain.check_label(label)


def test_an_unknown_schema_names_those_that_are_shipped():
    with pytest.raises(InputError, match=r"shipped schemas: .*everyday.*semeval"):
        load_schema("no-such-schema")


def test_halves_keep_directions_together_and_are_even():
    schema = load_schema("semeval")
    for seed in range(5):
        halves = schema.halves(seed)
        assert sorted(halves["a"] + halves["b"]) == sorted(schema.labels)
        assert abs(len(halves["a"]) - len(halves["b"])) == 1
        groups = [{schema[label].group for label in half} for half in halves.values()]
        assert not groups[0] & groups[1]
    assert schema.halves(1) == schema.halves(1)
    assert len({schema.halves(seed)["a"] for seed in range(5)}) > 1


def test_halves_of_one_group_raise():
    with pytest.raises(InputError, match="only one undirected relation"):
        _many("x", "x").halves(1)
    assert sorted(map(len, _many("x", "x", None).halves(1).values())) == [1, 2]


def test_the_semeval_schema_is_complete_and_fixed_in_order():
    schema = load_schema("semeval")
    names = [
        "Cause-Effect",
        "Instrument-Agency",
        "Product-Producer",
        "Content-Container",
        "Entity-Origin",
        "Entity-Destination",
        "Component-Whole",
        "Member-Collection",
        "Message-Topic",
    ]
    directed = [f"{name}({way})" for name in names for way in ("e1,e2", "e2,e1")]
    assert list(schema.labels) == [*directed, "Other"]
    assert schema.negative == "Other"
    for label in directed:
        assert schema[label].undirected == label.partition("(")[0]


def test_semeval_explanations_tell_the_directions_apart():
    schema = load_schema("semeval")
    roles = {
        "Cause-Effect": "cause",
        "Instrument-Agency": "instrument",
        "Product-Producer": "product",
        "Content-Container": "content",
        "Entity-Origin": "entity",
        "Entity-Destination": "entity",
        "Component-Whole": "component",
        "Member-Collection": "member",
        "Message-Topic": "message",
    }
    for name, role in roles.items():
        forward = schema[f"{name}(e1,e2)"].explanation
        backward = schema[f"{name}(e2,e1)"].explanation
        assert forward.startswith(
            (f"The head is the {role}", f"The head is a {role}", "The head is an entity")
        )
        assert backward.startswith(
            (f"The tail is the {role}", f"The tail is a {role}", "The tail is an entity")
        )


OBJECT_TYPES = {
    *("PERSON", "ORGANIZATION", "CITY", "STATE_OR_PROVINCE", "COUNTRY", "LOCATION", "NATIONALITY"),
    *("DATE", "DURATION", "NUMBER", "TITLE", "CAUSE_OF_DEATH", "CRIMINAL_CHARGE", "RELIGION"),
    *("IDEOLOGY", "URL", "MISC"),
}


@pytest.mark.parametrize(
    ("name", "organisations", "people"), [("tacred", 16, 25), ("retacred", 14, 25)]
)
def test_tacreds_schemas_have_types_for_every_label(name, organisations, people):
    schema = load_schema(name)
    assert (schema.name, schema.negative) == (name, "no_relation")
    assert schema.labels[-1] == "no_relation"
    kinds = [label.partition(":")[0] for label in schema.positive_labels]
    assert (kinds.count("org"), kinds.count("per")) == (organisations, people)
    for relation in schema:
        subject = {"org": ("ORGANIZATION",), "per": ("PERSON",)}
        assert relation.head_types == subject.get(relation.name[:3], ("PERSON", "ORGANIZATION"))
        assert relation.tail_types
        assert set(relation.tail_types) <= set(schema["no_relation"].tail_types) <= OBJECT_TYPES


def test_tacred_has_42_labels_and_retacred_40():
    tacred, retacred = load_schema("tacred"), load_schema("retacred")
    assert (len(tacred), len(retacred)) == (42, 40)
    assert sorted(set(tacred.labels) - set(retacred.labels)) == [
        "org:city_of_headquarters",
        "org:country_of_headquarters",
        "org:parents",
        "org:stateorprovince_of_headquarters",
        "org:subsidiaries",
        "per:alternate_names",
    ]
    assert sorted(set(retacred.labels) - set(tacred.labels)) == [
        "org:city_of_branch",
        "org:country_of_branch",
        "org:stateorprovince_of_branch",
        "per:identity",
    ]
    assert set(tacred["no_relation"].tail_types) == OBJECT_TYPES
    assert tacred["per:age"].tail_types == ("NUMBER", "DURATION")
    assert tacred["org:website"].tail_types == ("URL",)


def test_tacreds_inverses_are_true_ones_only():
    family = {"per:children": "per:parents", "per:parents": "per:children"}
    members = {"org:members": "org:member_of", "org:member_of": "org:members"}
    owners = {"org:parents": "org:subsidiaries", "org:subsidiaries": "org:parents"}
    assert load_schema("tacred").inverses() == family | members | owners
    assert load_schema("retacred").inverses() == family | members


def test_shipped_schemas_explain_every_label_in_its_own_words():
    folder = Path(relgen.__file__).parent / "data" / "schemas"
    shipped = sorted(folder.glob("*.yaml"))
    assert {"everyday", "retacred", "semeval", "tacred"} <= {path.stem for path in shipped}
    for path in shipped:
        schema = load_schema(path)
        explanations = [relation.explanation for relation in schema]
        assert len(set(explanations)) == len(explanations)
        for relation in schema:
            assert 10 <= len(relation.explanation.split()) <= 60, relation.name
            assert "head" in relation.explanation, relation.name
            assert "tail" in relation.explanation, relation.name


def test_inverses_of_directed_labels():
    schema = load_schema("semeval")
    inverses = schema.inverses()
    assert inverses["Cause-Effect(e1,e2)"] == "Cause-Effect(e2,e1)"
    assert inverses["Cause-Effect(e2,e1)"] == "Cause-Effect(e1,e2)"
    assert inverses["Other"] == "Other"
    assert set(inverses) == set(schema.labels)


def test_a_negative_label_is_its_own_inverse_only_where_all_others_have_one():
    directed = [Relation(f"r({order})", "x", undirected="r") for order in ("1,2", "2,1")]
    alone, none = Relation("alone", "x"), Relation("none", "x")
    schema = RelationSchema("s", (*directed, alone, none), "none")
    assert schema.inverses() == {"r(1,2)": "r(2,1)", "r(2,1)": "r(1,2)"}
    assert RelationSchema("s", (*directed, none), "none").inverses()["none"] == "none"


def test_titles_are_kept_and_tell_relations_apart(tmp_path):
    path = tmp_path / "s.yaml"
    text = "name: s\nrelations:\n  P1: {title: crosses, explanation: x}\n  P2: {explanation: y}\n"
    path.write_text(text, encoding="utf-8")
    schema = load_schema(path)
    assert [relation.shown for relation in schema] == ["crosses", "P2"]
    schema.save(path)
    assert load_schema(path) == schema
    for title, message in (("P2", "two relations have this title"), ("7", "must be a string")):
        path.write_text(text.replace("crosses", title), encoding="utf-8")
        with pytest.raises(InputError, match=message):
            load_schema(path)


# what the tail of each relation can be; TACRED, then where Re-TACRED differs or goes by itself
TAILS = {
    "org:alternate_names": "ORGANIZATION MISC",
    "org:city_of_headquarters": "CITY LOCATION",
    "org:country_of_headquarters": "COUNTRY LOCATION",
    "org:dissolved": "DATE",
    "org:founded": "DATE",
    "org:founded_by": "PERSON",
    "org:member_of": "ORGANIZATION COUNTRY LOCATION STATE_OR_PROVINCE",
    "org:members": "ORGANIZATION COUNTRY",
    "org:number_of_employees/members": "NUMBER",
    "org:parents": "ORGANIZATION COUNTRY LOCATION STATE_OR_PROVINCE",
    "org:political/religious_affiliation": "IDEOLOGY RELIGION",
    "org:shareholders": "ORGANIZATION PERSON",
    "org:stateorprovince_of_headquarters": "STATE_OR_PROVINCE LOCATION",
    "org:subsidiaries": "ORGANIZATION COUNTRY LOCATION",
    "org:top_members/employees": "PERSON",
    "org:website": "URL",
    "per:age": "NUMBER DURATION",
    "per:alternate_names": "PERSON MISC",
    "per:cause_of_death": "CAUSE_OF_DEATH",
    "per:charges": "CRIMINAL_CHARGE",
    "per:children": "PERSON",
    "per:cities_of_residence": "CITY LOCATION",
    "per:city_of_birth": "CITY LOCATION",
    "per:city_of_death": "CITY LOCATION",
    "per:countries_of_residence": "COUNTRY NATIONALITY LOCATION",
    "per:country_of_birth": "COUNTRY NATIONALITY LOCATION",
    "per:country_of_death": "COUNTRY NATIONALITY LOCATION",
    "per:date_of_birth": "DATE",
    "per:date_of_death": "DATE",
    "per:employee_of": "ORGANIZATION LOCATION",
    "per:origin": "NATIONALITY COUNTRY LOCATION",
    "per:other_family": "PERSON",
    "per:parents": "PERSON",
    "per:religion": "RELIGION",
    "per:schools_attended": "ORGANIZATION",
    "per:siblings": "PERSON",
    "per:spouse": "PERSON",
    "per:stateorprovince_of_birth": "STATE_OR_PROVINCE",
    "per:stateorprovince_of_death": "STATE_OR_PROVINCE LOCATION",
    "per:stateorprovinces_of_residence": "STATE_OR_PROVINCE LOCATION",
    "per:title": "TITLE",
}
RETACRED_TAILS = TAILS | {
    "org:alternate_names": "ORGANIZATION",
    "org:city_of_branch": "CITY LOCATION",
    "org:country_of_branch": "COUNTRY LOCATION",
    "org:member_of": "ORGANIZATION COUNTRY LOCATION STATE_OR_PROVINCE",
    "org:members": "ORGANIZATION COUNTRY STATE_OR_PROVINCE CITY LOCATION",
    "org:stateorprovince_of_branch": "STATE_OR_PROVINCE LOCATION",
    "per:country_of_birth": "COUNTRY NATIONALITY",
    "per:country_of_death": "COUNTRY NATIONALITY",
    "per:employee_of": "ORGANIZATION COUNTRY STATE_OR_PROVINCE CITY LOCATION",
    "per:identity": "PERSON",
    "per:stateorprovince_of_birth": "STATE_OR_PROVINCE LOCATION",
}


@pytest.mark.parametrize(("name", "tails"), [("tacred", TAILS), ("retacred", RETACRED_TAILS)])
def test_tails_of_tacreds_relations(name, tails):
    schema = load_schema(name)
    found = {label: " ".join(schema[label].tail_types) for label in schema.positive_labels}
    assert found == {label: tails[label] for label in schema.positive_labels}


def test_types_that_only_the_negative_label_allows():
    types = {"head_types": ("ORG",), "tail_types": ("PERSON",)}
    schema = RelationSchema("s", (Relation("founded", "x", **types), Relation("none", "x")), "none")
    pairs = [("ORG", "PERSON"), ("PERSON", "ORG"), ("ORG", None), ("CITY", None)]
    assert [schema.allows_relation(*pair) for pair in pairs] == [True, False, True, False]


CAFE = "caf\u00e9", "cafe\u0301"
ENTRY = {"explanation": "They serve it."}


def test_labels_are_the_same_in_both_forms_of_a_letter():
    composed, decomposed = CAFE
    schema = parse_schema(
        {"name": "s", "negative": decomposed, "relations": {decomposed: ENTRY, "b": ENTRY}}
    )
    assert (schema.labels, schema.negative) == ((composed, "b"), composed)
    sample = Sample("a", "Ann met Bo", Entity(0, 3), Entity(8, 10), decomposed)
    assert sample.relation == composed
    schema.check_label(sample.relation)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (
            CAFE,
            r"two labels differ in the form \(NFC, NFD\) of their letters only \(got 'caf\u00e9'\)",
        ),
        (("a\u200bb", "ab"), r"a label with the character U\+200B, which cannot be seen"),
        (("a\u200cb", "ab"), r"a label with the character U\+200C, which cannot be seen"),
        (("a\nb", "a b"), r"a label with the character U\+000A, which cannot be seen"),
    ],
)
def test_labels_that_look_the_same_are_refused(labels, message):
    with pytest.raises(InputError, match=message):
        parse_schema({"name": "s", "relations": dict.fromkeys(labels, ENTRY)})


def test_a_persian_label_keeps_its_joiner():
    label = "\u0645\u06cc\u200c\u062e"
    assert parse_schema({"name": "s", "relations": {label: ENTRY, "b": ENTRY}}).labels[0] == label
