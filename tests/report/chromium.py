"""A headless Chromium over its debugging pipe: opens a page, runs script in it, presses real keys, takes pictures.

    with Browser(tmp_path) as browser:
        browser.open(Path("report.html"))
        browser.run("document.title")    # -> "callsmith report"

The pipe takes JSON messages ended by a zero byte on file descriptor 3 and answers on 4 (--remote-debugging-pipe),
so that no driver, no port and no package is needed. Protocol: https://chromedevtools.github.io/devtools-protocol/
"""

import base64
import fcntl
import json
import os
import select
import shutil
import subprocess
import time
from pathlib import Path

FLAGS = ("--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
         "--disable-component-update --disable-sync --remote-debugging-pipe").split()
KEYS = {"ArrowDown": 40, "ArrowUp": 38, "Home": 36, "End": 35, "PageDown": 34, "PageUp": 33, "Enter": 13, "Tab": 9}
WAIT = 60.0  # seconds for any answer


def find() -> str | None:
    """The path of an installed Chromium or Chrome."""
    return next((path for name in ("chromium", "chromium-browser", "google-chrome", "chrome") if (path := shutil.which(name))), None)


class Browser:
    """problems: console errors, uncaught exceptions and refused loads. requests: addresses the page asked for."""

    def __init__(self, profile: Path):
        self.profile, self.number, self.buffer = profile, 0, b""
        self.problems: list[str] = []
        self.requests: list[str] = []
        self.loaded = False

    def __enter__(self) -> "Browser":
        to_read, self.to = os.pipe()
        self.source, to_write = os.pipe()
        # Copies above any number in use: the child moves them to 3 and 4 without overwriting one with the other.
        ends = [fcntl.fcntl(end, fcntl.F_DUPFD, 20) for end in (to_read, to_write)]

        def move() -> None:
            os.dup2(ends[0], 3)
            os.dup2(ends[1], 4)

        command = [find(), *FLAGS, f"--user-data-dir={self.profile}", "about:blank"]
        self.process = subprocess.Popen(command, preexec_fn=move, pass_fds=(3, 4), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for end in (to_read, to_write, *ends):
            os.close(end)
        try:
            target = self.call("Target.createTarget", url="about:blank")["targetId"]
            self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
            for domain in ("Page", "Runtime", "Log", "Network"):
                self.page(f"{domain}.enable")
        except BaseException:
            self.__exit__()  # a browser that started leaves with the test, whatever happened
            raise
        return self

    def __exit__(self, *error) -> None:
        try:
            self.call("Browser.close")
            self.process.wait(10)
        except (OSError, subprocess.TimeoutExpired, TimeoutError):
            self.process.kill()
            self.process.wait()
        os.close(self.to)
        os.close(self.source)

    def call(self, method: str, session: str | None = None, **params) -> dict:
        """Sends a command and waits for its answer; events on the way are kept. Raises RuntimeError for a refusal."""
        self.number += 1
        message = {"id": self.number, "method": method, "params": params} | ({"sessionId": session} if session else {})
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self.to, data):]
        while (answer := self._next()).get("id") != self.number:
            self._event(answer)
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']['message']}")
        return answer["result"]

    def page(self, method: str, **params) -> dict:
        return self.call(method, self.session, **params)

    def _next(self) -> dict:
        deadline = time.monotonic() + WAIT
        while b"\0" not in self.buffer:
            ready, _, _ = select.select([self.source], [], [], max(0.0, deadline - time.monotonic()))
            chunk = os.read(self.source, 1 << 20) if ready else b""
            if not chunk:
                raise TimeoutError("Chromium does not answer")
            self.buffer += chunk
        line, _, self.buffer = self.buffer.partition(b"\0")
        return json.loads(line)

    def _event(self, event: dict) -> None:
        method, params = event.get("method"), event.get("params", {})
        if method == "Runtime.exceptionThrown":
            self.problems.append(json.dumps(params["exceptionDetails"]))
        elif method == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning", "assert"):
            self.problems.append(json.dumps(params["args"]))
        elif method == "Log.entryAdded" and params["entry"]["level"] in ("error", "warning"):
            self.problems.append(params["entry"]["text"])
        elif method == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])
        elif method == "Page.loadEventFired":
            self.loaded = True

    def open(self, path: Path) -> None:
        """Loads a file and returns when it is loaded; problems and requests start anew."""
        self.problems, self.requests, self.loaded = [], [], False
        self.page("Page.navigate", url=path.resolve().as_uri())
        while not self.loaded:
            self._event(self._next())

    def run(self, script: str):
        """The value of an expression in the page, a promise awaited. Raises RuntimeError where it throws."""
        answer = self.page("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(json.dumps(answer["exceptionDetails"]))
        return answer["result"].get("value")

    def press(self, *keys: str) -> None:
        for key in keys:
            code = {"key": key, "code": key, "windowsVirtualKeyCode": KEYS[key]} | ({"text": "\r"} if key == "Enter" else {})
            self.page("Input.dispatchKeyEvent", type="keyDown", **code)
            self.page("Input.dispatchKeyEvent", type="keyUp", **code)

    def type(self, text: str) -> None:
        self.page("Input.insertText", text=text)

    def look(self, scheme: str = "light", width: int = 1280, height: int = 900) -> None:
        """Colour scheme and window size."""
        self.page("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self.page("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def picture(self, path: Path, whole: bool = False) -> None:
        """A PNG of what is seen, or of the whole page."""
        path.write_bytes(base64.b64decode(self.page("Page.captureScreenshot", captureBeyondViewport=whole)["data"]))
