"""Fetches classifiers from the Hugging Face Hub, and pushes them to it."""

from __future__ import annotations

import re
from pathlib import Path

from huggingface_hub import CommitOperationAdd, HfApi, snapshot_download
from huggingface_hub.errors import LocalEntryNotFoundError, RepositoryNotFoundError

from relgen.common import EXPORT_FILE, InputError, read_json, read_text

WEIGHTS, CONFIG, SCHEMA, TOKENIZER, CARD = (
    "model.safetensors",
    "config.json",
    "schema.yaml",
    "tokenizer",
    "README.md",
)
MODEL_FOLDER = "give the folder `model` that `relgen classifier fit` wrote"
_NAME = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")
# stands for the repository in cards, until one is known
_PLACE = "THIS FOLDER"
_LEFT_OUT = (EXPORT_FILE, "__pycache__")


def local_folder(name: str | Path) -> Path:
    """Return a classifier's folder: the one given, the `model` in it, or one of the Hub.

    `user/name` or, for a branch, a tag or a commit, `user/name@revision` is fetched unless a folder
    has this name; while HF_HUB_OFFLINE is set, the Hub's local cache is all there is.

    Raises:
        InputError: the Hub has no such repository, or cannot be reached.
    """
    repository, _, revision = str(name).partition("@")
    if Path(name).exists() or not _NAME.fullmatch(repository):
        return _with_model(Path(name))
    try:
        return Path(snapshot_download(repository, revision=revision or None))
    except Exception as error:  # the Hub's, and those of the network
        at = f" --revision {revision}" if revision else ""
        raise InputError(
            f"no such folder, and it cannot be fetched from the Hub: {_reason(error)}",
            field="model",
            value=str(name),
            remedy=f"check the name, or download it first: hf download {repository}{at}",
        ) from error


def classifier_files(name: str | Path) -> list[Path]:
    """Return the files and folders that decide what a saved classifier predicts.

    They are in its `local_folder`. Raises InputError if one is missing.
    """
    folder = local_folder(name)
    files = [folder / name for name in (CONFIG, WEIGHTS, SCHEMA, TOKENIZER)]
    for file in files:
        if not file.exists():
            problem = f"no classifier in this folder ({file.name} is missing)"
            raise InputError(problem, path=folder, remedy=MODEL_FOLDER)
    return files


def push(folder: str | Path, repository: str, *, public: bool = False) -> str:
    """Push a folder that relgen wrote to the Hub, in one commit; return its address.

    The card names the repository. A repository that does not exist is made, `public` or private.
    Files and folders whose names begin with a dot stay here.

    Raises:
        InputError: relgen has not written this folder, or the Hub refuses.
    """
    folder = _with_model(Path(folder))
    if not _NAME.fullmatch(repository):
        raise InputError(
            "not a name of the Hub", field="repository", value=repository, remedy="give user/name"
        )
    if not (folder / EXPORT_FILE).is_file() and not is_classifier(folder):
        raise InputError(
            f"this is not a folder that relgen wrote ({CONFIG} with relgen_version is missing)",
            path=folder,
            remedy="give the folder of a classifier or of an export",
        )
    api = HfApi()
    try:
        operations = [
            CommitOperationAdd(name.as_posix(), _content(folder / name, folder, repository))
            for name in (path.relative_to(folder) for path in sorted(folder.rglob("*")))
            if (folder / name).is_file()
            and not any(part in _LEFT_OUT or part.startswith(".") for part in name.parts)
        ]
        api.create_repo(repository, private=not public, exist_ok=True)
        commit = api.create_commit(repository, operations, commit_message="Add what relgen wrote")
    except Exception as error:  # the Hub's, and those of the network
        raise InputError(
            f"the Hub rejected it: {_reason(error)}",
            field="repository",
            value=repository,
            remedy="log in with `hf auth login` (or set HF_TOKEN), and check the name",
        ) from error
    return commit.commit_url


def _with_model(folder: Path) -> Path:
    """Return a folder, or the `model` in it if only that has a configuration."""
    inner = folder / "model"
    return inner if (inner / CONFIG).is_file() and not (folder / CONFIG).is_file() else folder


def is_classifier(folder: Path) -> bool:
    """Return whether a folder has a configuration that relgen wrote."""
    config = read_json(folder / CONFIG) if (folder / CONFIG).is_file() else None
    return isinstance(config, dict) and "relgen_version" in config


def _content(path: Path, folder: Path, repository: str) -> str | bytes:
    """Return a file's path, or the card with the repository's name."""
    if path != folder / CARD:
        return str(path)
    return read_text(path).replace(_PLACE, repository).encode()


def _reason(error: Exception) -> str:
    if isinstance(error, LocalEntryNotFoundError):
        return "the Hub cannot be reached (or HF_HUB_OFFLINE is set), and the cache lacks it"
    if isinstance(error, RepositoryNotFoundError):
        return "no such repository, or a private one of others"
    return " ".join(f"{type(error).__name__}: {error}".split())[:200]
