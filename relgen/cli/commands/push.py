"""`relgen push`: puts a classifier or an export on the Hugging Face Hub."""

from __future__ import annotations

from dataclasses import dataclass, field

from relgen.common import POSITIONAL


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Push a folder that relgen wrote to the Hugging Face Hub, with its card.

    `relgen.load_classifier("user/name")` and `relgen serve user/name` then load a classifier.
    """

    folder: str = field(metadata=POSITIONAL)
    """Folder of a classifier or of an export."""
    repository: str = field(metadata=POSITIONAL)
    """Name on the Hub, user/name; made if it does not exist."""
    public: bool = False
    """Make a new repository public; by default it is private."""


def run(options: Options) -> None:
    """Push the folder, and print the address of the commit."""
    from relgen.classifiers import push

    print(f"pushed -> {push(options.folder, options.repository, public=options.public)}")
