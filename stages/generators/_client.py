"""One request to an OpenAI-compatible server, tried until it is answered or cannot be: time limit, retries, back-off.

Tried again: broken connections, time outs, 408, 409, 425, 429 and 5xx, and answers that are no JSON or hold no choice.
Not tried again: other refusals of one request (Failed), and those that every request would meet (Refused).
"""

import asyncio
import json
import random
import time
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import httpx

from stages.params import Endpoint

AGAIN = {408, 409, 425, 429}  # and all of 5xx
HOPELESS = {401, 403, 404, 405}  # the key, the address or the model is wrong: so it is for every request
BACKOFF = 0.5  # seconds before the first repetition, doubled each time
LONGEST = 30.0  # seconds; back-off never waits longer
PATIENCE = 300.0  # seconds that a server's Retry-After may ask for
LOOPBACK = ("127.0.0.1", "localhost", "::1")


class Failed(Exception):
    """This request has no answer, after all repetitions."""


class Refused(Exception):
    """No request to this server can be answered."""


@dataclass(frozen=True)
class Answer:
    """body: the server's JSON. seconds: of the try that succeeded. tries: how often it was asked."""

    body: dict
    seconds: float
    tries: int


def address(url: str, path: str) -> str:
    """The endpoint's url with the path put before its query: Azure's deployments have ?api-version=..."""
    base, mark, query = url.partition("?")
    return f"{base.rstrip('/')}/{path}{mark}{query}"


def waiting(headers: httpx.Headers) -> float | None:
    """Seconds that the server asks to wait: retry-after-ms, or Retry-After as seconds or as a date; None = it does not say."""
    try:
        if "retry-after-ms" in headers:
            return max(0.0, float(headers["retry-after-ms"]) / 1000)
        value = headers["retry-after"]
    except (KeyError, ValueError):
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except (TypeError, ValueError):
        return None


def checked(response: httpx.Response) -> dict:
    """The body of a good answer. Raises ValueError when it is not one: half a JSON text, an error with status 200."""
    try:
        body = json.loads(response.content)
    except (ValueError, RecursionError):
        raise ValueError("an answer that is not JSON") from None
    choices = body.get("choices") if isinstance(body, dict) else None
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        raise ValueError("an answer without choices")
    if not isinstance(choices[0].get("message"), dict) and not isinstance(choices[0].get("text"), str):
        raise ValueError("a choice without message or text")
    return body


def said(response: httpx.Response) -> tuple[str, str]:
    """(what the server says about an error in one line, its error code or "")."""
    try:
        body = json.loads(response.content)
        error = body.get("error", body.get("detail", body.get("message", ""))) if isinstance(body, dict) else body
    except (ValueError, RecursionError):
        error = response.text
    code = str(error.get("code") or "") if isinstance(error, dict) else ""
    text = error.get("message", error) if isinstance(error, dict) else error
    line = " ".join(str(text).replace(". ", "; ").split()).rstrip(".")[:200]
    return f"HTTP {response.status_code}{f': {line}' if line else ''}", code


class Client:
    """Asks one endpoint. Use as `async with`; `ask` may run many times at once, the caller bounds how many."""

    def __init__(self, endpoint: Endpoint, key: str | None):
        self.endpoint, self.key = endpoint, key
        header = endpoint.api_key_header
        headers = {header: f"Bearer {key}" if header.lower() == "authorization" else key} if key else {}
        # A proxy of the environment is right for servers elsewhere and wrong for this machine's own.
        near = urlsplit(endpoint.url).hostname in LOOPBACK
        limits = httpx.Limits(max_connections=endpoint.concurrency, max_keepalive_connections=endpoint.concurrency)
        self.http = httpx.AsyncClient(headers=headers, timeout=endpoint.timeout, limits=limits, trust_env=not near)
        self.not_before = 0.0  # one 429 holds back all requests, not only its own

    async def __aenter__(self):
        await self.http.__aenter__()
        return self

    async def __aexit__(self, *error):
        await self.http.__aexit__(*error)

    def hide(self, text: str) -> str:
        """The text without the key: some servers repeat it in their error."""
        return text.replace(self.key, "***") if self.key else text

    async def ask(self, path: str, body: dict) -> Answer:
        """The answer to one request. Raises Failed or Refused with the cause."""
        for attempt in range(self.endpoint.retries + 1):
            while (left := self.not_before - time.monotonic()) > 0:
                await asyncio.sleep(left + random.uniform(0, BACKOFF))  # not all at the same moment
            started, told = time.monotonic(), None
            try:
                response = await self._post(path, body)
                if response.status_code == 200:
                    return Answer(checked(response), time.monotonic() - started, attempt + 1)
                cause, told = self._refusal(response), waiting(response.headers)
            except TimeoutError:
                cause = f"no answer within {self.endpoint.timeout:g} s"
            except httpx.RequestError as error:
                cause = self.hide(f"connection broken: {error or type(error).__name__}"[:200])
            except ValueError as error:
                cause = str(error)
            if attempt < self.endpoint.retries:
                await self._wait(attempt, told, cause)
        raise Failed(cause)

    async def _post(self, path: str, body: dict) -> httpx.Response:
        """One try. The limit is for the whole answer: httpx alone would wait for ever on a server that drips."""
        content = json.dumps(body).encode()
        async with asyncio.timeout(self.endpoint.timeout):
            try:
                return await self.http.post(address(self.endpoint.url, path), content=content, headers={"Content-Type": "application/json"})
            except httpx.TimeoutException:
                raise TimeoutError from None

    def _refusal(self, response: httpx.Response) -> str:
        """Why an answer with another status than 200 is to be asked for again; raises where that is no use."""
        line, code = said(response)
        line = self.hide(line)
        if response.status_code in HOPELESS or response.is_redirect or code == "insufficient_quota":
            raise Refused(line)
        if response.status_code in AGAIN or response.status_code >= 500:
            return line
        raise Failed(line)

    async def _wait(self, attempt: int, told: float | None, cause: str) -> None:
        delay = min(LONGEST, BACKOFF * 2**attempt) * random.uniform(0.5, 1.5)
        if told is not None:
            if told > PATIENCE:
                raise Failed(f"{cause}, and it asks to wait {told:.0f} s")
            self.not_before = max(self.not_before, time.monotonic() + told)
        await asyncio.sleep(max(delay, told or 0.0))
