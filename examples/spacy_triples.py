"""Extracts (head, relation, tail) from a paragraph with spaCy. Usage: spacy_triples.py FOLDER

The entities come from a list of names here; a trained pipeline such as en_core_web_sm finds them
by itself: spacy.load("en_core_web_sm") in place of the first four lines of `main`.
"""

import sys

import spacy

PARAGRAPH = (
    "Ann founded Acme in a garage in Turin. Years later Ben sold the bakery to Acme. "
    "Ben still lives in Turin, and Ann moved to Bern."
)
NAMES = {"PERSON": ["Ann", "Ben"], "ORGANIZATION": ["Acme"], "LOCATION": ["Turin", "Bern"]}


def main(folder: str) -> None:
    """Print the triples."""
    nlp = spacy.blank("en")
    nlp.add_pipe("sentencizer")
    patterns = [{"label": kind, "pattern": name} for kind in NAMES for name in NAMES[kind]]
    nlp.add_pipe("entity_ruler").add_patterns(patterns)
    nlp.add_pipe("relgen", config={"model": folder, "threshold": 0.0})
    for head, tail, relation, score in nlp(PARAGRAPH)._.relations:
        print(f"{head.text}\t{relation}\t{tail.text}\t{score:.2f}")


if __name__ == "__main__":
    main(sys.argv[1])
