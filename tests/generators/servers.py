"""Servers that the tests of endpoints ask: real ones, started as a process, and one that does all that a bad network does.

Both listen on a free port of the loopback address and end with the test.
"""

import json
import socket
import struct
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests import tiny


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def served(folder: Path, command: list[str], log: Path):
    """The url of a server that `command` starts; it gets --host and --port. Stopped by its process id."""
    port = free_port()
    with log.open("w") as out:
        # One thread: for models this small, threads that wait for each other on a busy machine cost ten times what they save.
        environment = tiny.environment(folder) | {"OMP_NUM_THREADS": "1"}
        process = subprocess.Popen([*command, "--host", "127.0.0.1", "--port", str(port)], cwd=folder, env=environment,
                                   stdout=out, stderr=subprocess.STDOUT)
    try:
        url, end = f"http://127.0.0.1:{port}", time.monotonic() + 120
        while True:
            try:
                urllib.request.build_opener(urllib.request.ProxyHandler({})).open(f"{url}/health", timeout=5).close()
                break
            except (urllib.error.URLError, OSError):
                if process.poll() is not None or time.monotonic() > end:
                    pytest.fail(f"{command[0]} did not start: {log.read_text()[-2000:]}")
                time.sleep(0.1)
        yield f"{url}/v1"
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class Faulty(ThreadingHTTPServer):
    """Answers each request with what it was asked, unless `plan(text, attempt)` names a fault.

    text: the last user message or the prompt. attempt: how often it was asked before.
    asked: each (text, headers, body) in order. paid: how many whole answers each text got. most: requests under way at once.
    """

    daemon_threads = True

    def __init__(self, plan=lambda text, attempt: None, delay: float = 0.0):
        super().__init__(("127.0.0.1", 0), Handler)
        self.plan, self.delay = plan, delay
        self.asked, self.times, self.paid, self.most, self.now = [], [], Counter(), 0, 0
        self.lock, self.over = threading.Lock(), threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    def handle_error(self, request, client_address):
        """Clients that give up are what is tested, not worth a traceback."""

    def __enter__(self):
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *error):
        self.over.set()
        self.shutdown()
        self.server_close()


def answer(text: str, body: dict) -> dict:
    """A good answer that says what was asked: a call of the first tool, or the text in capitals."""
    usage = {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110}
    if "prompt" in body:
        return {"choices": [{"index": 0, "text": text.upper(), "finish_reason": "stop"}], "usage": usage}
    message = {"role": "assistant", "content": None if body.get("tools") else text.upper()}
    if body.get("tools"):
        function = {"name": body["tools"][0]["function"]["name"], "arguments": json.dumps({"text": text})}
        message["tool_calls"] = [{"id": f"call_{time.time_ns()}", "type": "function", "function": function}]
    return {"choices": [{"index": 0, "message": message, "finish_reason": "tool_calls" if body.get("tools") else "stop"}], "usage": usage}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *parts):
        """Nothing: the test's output is for failures."""

    def do_POST(self):
        body, server = json.loads(self.rfile.read(int(self.headers["Content-Length"]))), self.server
        text = body["prompt"] if "prompt" in body else next(m["content"] for m in reversed(body["messages"]) if m["role"] == "user")
        with server.lock:
            attempt = sum(one[0] == text for one in server.asked)
            server.asked.append((text, dict(self.headers), body))
            server.times.append(time.monotonic())
            server.now += 1
            server.most = max(server.most, server.now)
        try:
            time.sleep(server.delay)
            self.reply(server.plan(text, attempt), text, body)
        finally:
            with server.lock:
                server.now -= 1

    def reply(self, fault, text: str, body: dict):
        whole = json.dumps(answer(text, body)).encode()
        if fault is None:
            with self.server.lock:
                self.server.paid[text] += 1
            self.give(200, whole)
        elif fault == "hang":
            self.server.over.wait(20)
            self.close_connection = True
        elif fault == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
            self.close_connection = True
        elif fault == "half":
            self.give(200, whole[: len(whole) // 2], length=len(whole))
            self.close_connection = True
        elif fault == "drip":
            self.give(200, b" ", length=10_000)
            for _ in range(400):
                if self.server.over.wait(0.05):
                    break
                self.wfile.write(b" ")
            self.close_connection = True
        elif isinstance(fault, tuple):  # (status, text or value, headers)
            status, said, *headers = fault
            self.give(status, (said if isinstance(said, str) else json.dumps(said)).encode(), *headers)
        else:
            raise AssertionError(fault)

    def give(self, status: int, content: bytes, headers: dict | None = None, length: int | None = None):
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content) if length is None else length))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)
        self.wfile.flush()
