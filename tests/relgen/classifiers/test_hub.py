"""Pushing to the Hub and loading from it, against a stub on loopback."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from relgen.classifiers.hub import local_folder, push
from relgen.classifiers.saved import load_classifier
from relgen.common.errors import InputError

pytestmark = [pytest.mark.compute, pytest.mark.processes]
SHA = "a" * 40
TOKEN = "hf_secret"
_FETCH = "import sys; from relgen.classifiers import local_folder; print(local_folder(sys.argv[1]))"


class Hub(BaseHTTPRequestHandler):
    """What huggingface_hub asks of the Hub for a commit and for a snapshot, in memory."""

    files: dict[str, bytes]
    asked: list[str]
    made: dict[str, Any]

    def _answer(self, content: Any, status: int = 200, **headers: str) -> None:
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"] or 0))
        self.asked.append(f"POST {self.path}")
        if self.headers["Authorization"] != f"Bearer {TOKEN}":
            self._answer({"error": "Invalid username or password."}, 401)
        elif self.path == "/api/repos/create":
            self.made.update(json.loads(body))
            self._answer({"url": f"http://{self.headers['Host']}/ann/relations"})
        elif self.path == "/api/validate-yaml":
            self._answer({"errors": [], "warnings": []})
        elif "/preupload/" in self.path:
            paths = [one["path"] for one in json.loads(body)["files"]]
            files = [{"path": p, "uploadMode": "regular", "shouldIgnore": False} for p in paths]
            self._answer({"files": files})
        elif "/commit/" in self.path:
            for line in map(json.loads, body.splitlines()):
                if line["key"] == "file":
                    content = base64.b64decode(line["value"]["content"])
                    self.files[line["value"]["path"]] = content
            url = f"http://{self.headers['Host']}/ann/relations/commit/{SHA}"
            self._answer({"success": True, "commitOid": SHA, "commitUrl": url})
        else:
            self._answer({"error": self.path}, 404)

    def do_GET(self) -> None:
        self.asked.append(f"{self.command} {self.path}")
        path = self.path.partition("?")[0]
        if path.startswith("/api/models/ann/relations/revision/"):
            known = path.endswith(("/main", "/v1"))
            answer = {"id": "ann/relations", "sha": SHA, "siblings": []}
            self._answer(answer if known else {"error": "x"}, 200 if known else 404)
        elif path == f"/api/models/ann/relations/tree/{SHA}":
            rows = [
                {"type": "file", "path": name, "size": len(content), "oid": name.encode().hex()}
                for name, content in self.files.items()
            ]
            self._answer(rows)
        elif path.startswith(f"/ann/relations/resolve/{SHA}/"):
            name = path.removeprefix(f"/ann/relations/resolve/{SHA}/")
            self._answer(self.files[name], ETag=f'"{name.encode().hex()}"', X_Repo_Commit=SHA)
        else:
            self._answer({"error": self.path}, 404, X_Error_Code="RepoNotFound")

    do_HEAD = do_GET  # noqa: N815

    def log_message(self, *arguments: Any) -> None:
        pass


@pytest.fixture
def hub() -> Iterator[ThreadingHTTPServer]:
    Hub.files, Hub.asked, Hub.made = {}, [], {}
    with ThreadingHTTPServer(("127.0.0.1", 0), Hub) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def run(hub: ThreadingHTTPServer, home: Path, *line: str, **more: str) -> Any:
    environment = {
        **os.environ,
        "HF_ENDPOINT": f"http://127.0.0.1:{hub.server_port}",
        "HF_HUB_OFFLINE": "0",
        "HF_HOME": str(home),
        "HF_TOKEN": TOKEN,
        "HF_HUB_DISABLE_XET": "1",
        **more,
    }
    return subprocess.run(
        [sys.executable, *line], env=environment, capture_output=True, text=True, check=False
    )


def test_a_classifier_goes_to_the_hub_and_comes_back(
    hub: ThreadingHTTPServer, folder: Path, tmp_path: Path
) -> None:
    hidden = {".lock", ".env", ".git/config"}
    for name in hidden:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("secret")
    done = run(hub, tmp_path / "a", "-m", "relgen.cli.main", "push", str(folder), "ann/relations")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == (
        f"pushed -> http://127.0.0.1:{hub.server_port}/ann/relations/commit/{SHA}\n"
    )
    assert Hub.made["visibility"] == "private"
    local = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
    assert set(Hub.files) == local - hidden
    assert b'load_classifier("ann/relations")' in Hub.files["README.md"]
    assert len([line for line in Hub.asked if "/commit/" in line]) == 1

    fetched = [
        run(hub, tmp_path / "b", "-c", _FETCH, name).stdout.strip()
        for name in ("ann/relations", "ann/relations@v1")
    ]
    # offline, from the cache alone
    before = len(Hub.asked)
    done = run(hub, tmp_path / "b", "-c", _FETCH, "ann/relations", HF_HUB_OFFLINE="1")
    assert len(Hub.asked) == before
    assert [done.stdout.strip()] * 2 == fetched
    done = run(hub, tmp_path / "b", "-m", "relgen.cli.main", "export", "ann/other", "--out", "x")
    assert done.returncode == 2
    assert "no such repository, or a private one of others" in done.stderr
    sentence = ("the storm caused the flood .", "storm", "flood")
    expected = load_classifier(folder).predict(*sentence)
    assert load_classifier(fetched[0]).predict(*sentence) == expected


def test_what_the_hub_refuses_is_one_line(
    hub: ThreadingHTTPServer, folder: Path, tmp_path: Path
) -> None:
    command = ["-m", "relgen.cli.main", "push", str(folder), "ann/relations"]
    for more, said in (
        ({"HF_TOKEN": "hf_wrong"}, "401"),
        ({"HF_HUB_OFFLINE": "1"}, "HF_HUB_OFFLINE"),
    ):
        done = run(hub, tmp_path / "home", *command, **more)
        assert (done.returncode, done.stdout) == (2, "")
        assert said in done.stderr
        assert "hf auth login" in done.stderr
        assert done.stderr.count("\n") == 1
        assert "hf_wrong" not in done.stderr
    assert Hub.files == {}


def test_names_and_folders(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ann" / "here").mkdir(parents=True)
    assert local_folder("ann/here") == Path("ann/here")
    assert local_folder("a/b/c") == Path("a/b/c")
    assert local_folder(tmp_path / "nothing") == tmp_path / "nothing"
    with pytest.raises(InputError, match=r"the Hub cannot be reached.*hf download ann/there"):
        local_folder("ann/there")
    with pytest.raises(InputError, match="not a name of the Hub"):
        push(folder, "relations")
    # a project's folder, and a model of others
    (tmp_path / "ann" / "README.md").touch()
    for config in (None, "{}", "[]"):
        if config:
            (tmp_path / "ann" / "config.json").write_text(config)
        with pytest.raises(InputError, match=r"not a folder that relgen wrote .*relgen_version"):
            push(tmp_path / "ann", "ann/relations")
