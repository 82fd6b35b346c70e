"""The README tells the truth: its example runs as printed, and what it names exists."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def example(heading: str = "## Embedding") -> str:
    """The first Python block under a heading."""
    found = re.search(rf"^{re.escape(heading)}$.*?```python\n(.*?)```", README, re.DOTALL | re.MULTILINE)
    assert found is not None
    return found[1]


def run(code: str, folder: Path, **environment: str) -> str:
    """What a program prints; it says nothing on standard error, and warnings are errors."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=folder,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.strip()


def test_the_example_prints_what_the_readme_says_today_and_tomorrow(tmp_path: Path) -> None:
    promised = re.search(r"It prints `(.+?)`", README)
    assert promised is not None
    for _ in range(2):
        assert run(example(), tmp_path) == promised[1]
    assert (tmp_path / "greetings.db").is_file()


def test_the_example_stays_short() -> None:
    code = [line for line in example().splitlines() if line.strip()]
    assert len(code) <= 24


def test_the_example_inside_asyncio_runs(tmp_path: Path) -> None:
    for _ in range(2):
        assert run(example("### Inside an asyncio application"), tmp_path) == "HELLO FROM ASYNCIO"


def test_the_example_with_classes_prints_what_the_readme_says(tmp_path: Path) -> None:
    assert run(example("### State and config with classes"), tmp_path) == "12 letters\n14 words"


def test_the_steered_agent_says_what_the_readme_promises(tmp_path: Path) -> None:
    assert run(example("## Inputs, lanes and verbs"), tmp_path) == "read about meerkats, in short 2"


# -- an LLM, through the official SDK -----------------------------------------------------


class Model:
    """A server on loopback that speaks the wire format, and keeps what it was asked: (idempotency key, prompt)."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str]] = []
        self.hangs_on = ""
        self.is_hanging = threading.Event()
        self.may_go = threading.Event()
        model = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                body = model.answer(self.path, self.headers["Idempotency-Key"], asked)
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                # Whoever asked may have been killed meanwhile.
                with suppress(BrokenPipeError, ConnectionResetError):
                    self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class named it
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    def answer(self, path: str, key: str, asked: dict[str, Any]) -> bytes:
        assert path == "/v1/chat/completions"
        prompt: str = asked["messages"][0]["content"]
        self.calls.append((key, prompt))
        if self.hangs_on and prompt.startswith(self.hangs_on):
            self.is_hanging.set()
            assert self.may_go.wait(60)
        message = {"role": "assistant", "content": f"<{prompt}>"}
        choice = {"index": 0, "finish_reason": "stop", "message": message}
        return json.dumps(
            {"id": "1", "object": "chat.completion", "created": 0, "model": asked["model"], "choices": [choice]}
        ).encode()


@pytest.fixture
def model() -> Iterator[Model]:
    model = Model()
    thread = threading.Thread(target=model.server.serve_forever)
    thread.start()
    yield model
    model.may_go.set()
    model.server.shutdown()
    model.server.server_close()
    thread.join()


def test_a_crash_repeats_no_finished_call_of_a_model(tmp_path: Path, model: Model) -> None:
    code = example("### An LLM in a step")
    environment = {"OPENAI_BASE_URL": f"http://127.0.0.1:{model.server.server_port}/v1", "OPENAI_API_KEY": "none"}
    model.hangs_on = "Write it out"
    killed = subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path, env=os.environ | environment)
    assert model.is_hanging.wait(60)
    killed.kill()
    assert killed.wait(60) == -signal.SIGKILL
    model.hangs_on = ""
    model.may_go.set()
    outline = "Outline a page about meerkats."
    for _ in range(2):
        assert run(code, tmp_path, **environment) == f"<Write it out:\n<{outline}>>"
    (first, asked), *others = model.calls
    assert asked == outline
    assert [prompt for _, prompt in others] == [f"Write it out:\n<{outline}>"] * 2
    # The call that was cut off is made again under its key: a server that honours keys answers it once.
    assert len({key for key, _ in others}) == 1
    assert first not in {key for key, _ in others}


def test_every_error_and_path_that_the_readme_names_exists() -> None:
    errors = "".join(path.read_text() for path in (ROOT / "meerkat_actors" / "errors").glob("*.py"))
    for name in set(re.findall(r"`(\w+Error)`", README)):
        assert f"class {name}(" in errors, name
    for path in set(re.findall(r"`((?:meerkat_actors|scripts)/[\w./]+)`", README)):
        assert (ROOT / path).exists(), path


def test_every_bound_that_the_readme_names_is_the_default() -> None:
    from meerkat_actors import Limits

    limits = Limits()
    assert limits.attempts_max == 3
    assert "three attempts in all" in README
    assert limits.backlog_max == 10_000
    assert limits.live_max == 1_000
    assert limits.shutdown_seconds == limits.cancel_grace_seconds == 5
    assert limits.interruptions_max == 20
    assert "(at 20: `crash_loop`)" in README
    assert limits.suspect_seconds == 10
    assert limits.run_inputs_max == 512
    assert "(`run_inputs_max`, 512)" in README
    assert limits.undeliverable_seconds == 7 * 86_400
    assert "`undeliverable_seconds` (7 days)" in README


def test_no_placeholder_is_left() -> None:
    assert "@@" not in README
    assert "TODO" not in README
