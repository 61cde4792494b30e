"""Completions of any OpenAI-compatible server: a subject whose name is a key of params.endpoints (docs/endpoints.md).

Every answer is appended, as it comes, to a git-ignored file; a run that was stopped goes on from there and pays for
nothing twice. One line of models/.scratch/endpoint/gpt/held_out.jsonl:

    {"key": "5f0c...", "body": {"choices": [...], "usage": {...}}, "seconds": 0.81, "tries": 1}

The key of the API is read from the environment and stands in no file and no message.
"""

import asyncio
import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from stages import formats
from stages.console import say
from stages.errors import StageError
from stages.files import write_json
from stages.generators import Completion
from stages.generators._chat import Case, read, request, without_end
from stages.generators._client import Client, Failed, Refused
from stages.params import Endpoint, Params
from stages.template import Template

STOP_AFTER = 4  # cases in a row without an answer, or as many as are asked at once: the server is gone, and going on would take hours


def scratch(name: str, suite: str) -> Path:
    return Path("models/.scratch/endpoint") / name / f"{suite}.jsonl"


def api_key(name: str, endpoint: Endpoint) -> str | None:
    """The key from the environment. Raises StageError when it is to be there and is not."""
    if endpoint.api_key_env is None:
        return None
    key = os.environ.get(endpoint.api_key_env, "").strip()
    if not key:
        raise StageError(f"the environment variable {endpoint.api_key_env}, which endpoints.{name}.api_key_env names, is not set: "
                         "set it to the key and run again.")
    if not (key.isascii() and key.isprintable()):
        raise StageError(f"the environment variable {endpoint.api_key_env} holds characters that no key has: set it again and run again.")
    return key


def fingerprint(endpoint: Endpoint, path: str, body: dict) -> str:
    """What makes two requests the same one: address, body, and the revision that the user gives to what is served."""
    text = json.dumps([endpoint.url, endpoint.revision, path, body], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


class Answers:
    """The file of answers. A line that a kill has torn is as if it had never been written."""

    def __init__(self, path: Path):
        self.path, self.found = path, {}
        torn = False
        if path.exists():
            for line in path.read_bytes().splitlines(keepends=True):
                torn = not line.endswith(b"\n")
                try:
                    row = json.loads(line)
                    self.found[row["key"]] = row
                except (ValueError, TypeError, KeyError):
                    continue
        path.parent.mkdir(parents=True, exist_ok=True)
        self.handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        if torn:
            os.write(self.handle, b"\n")

    def add(self, row: dict) -> None:
        """Appends in one piece, and on the disk before the next request: this has been paid for."""
        os.write(self.handle, (json.dumps(row) + "\n").encode())
        os.fsync(self.handle)
        self.found[row["key"]] = row

    def close(self) -> None:
        os.close(self.handle)


class Asking:
    """The requests of one suite: which are left, and what became of them."""

    def __init__(self, endpoint: Endpoint, key: str | None, requests: dict[str, tuple[str, dict]], answers: Answers):
        self.endpoint, self.key, self.requests, self.answers = endpoint, key, requests, answers
        self.failed: dict[str, str] = {}  # request -> cause
        self.refused: str | None = None
        self.in_a_row = 0

    @property
    def stopped(self) -> bool:
        return self.refused is not None or self.in_a_row >= max(STOP_AFTER, self.endpoint.concurrency)

    async def one(self, client: Client, key: str) -> str | None:
        """Asks one request unless all has been given up; the request's key when it has an answer."""
        async with self.turn:
            if self.stopped:
                return None
            try:
                answer = await client.ask(*self.requests[key])
            except Failed as error:
                self.failed[key] = str(error)
                self.in_a_row += 1
                return None
            except Refused as error:
                self.refused = str(error)
                return None
            self.in_a_row = 0
            self.answers.add({"key": key, "body": answer.body, "seconds": round(answer.seconds, 4), "tries": answer.tries})
            return key

    async def all(self):
        """The keys of the requests as they are answered."""
        self.turn = asyncio.Semaphore(self.endpoint.concurrency)
        left = [key for key in self.requests if key not in self.answers.found]
        async with Client(self.endpoint, self.key) as client:
            tasks = [asyncio.create_task(self.one(client, key)) for key in left]
            try:
                for task in asyncio.as_completed(tasks):
                    if (key := await task) is not None:
                        yield key
            finally:
                for task in tasks:
                    task.cancel()

    def keys(self) -> Iterator[str]:
        """The same for code that is not asynchronous: requests go on only while the next key is waited for."""

        async def following():
            return await anext(stream, None)

        stream = self.all()
        with asyncio.Runner() as runner:
            try:
                while (key := runner.run(following())) is not None:
                    yield key
            finally:
                runner.run(stream.aclose())


def generate(cases: list[Case], params: Params, tmpl: Template, name: str, suite: str) -> Iterator[Completion]:
    """Each case once, in any order. Raises StageError at the end when some case has no answer; what was answered is kept."""
    endpoint, dialect = params.endpoints[name], formats.get(params.dialect)
    requests, places = {}, {}
    for index, case in enumerate(cases):
        path, body = request(case, endpoint, dialect, tmpl, params.predict.max_new_tokens)
        key = fingerprint(endpoint, path, body)
        requests[key] = (path, body)
        places.setdefault(key, []).append(index)
    api = api_key(name, endpoint)
    if endpoint.tools == "prompt" and (marks := special_marks(cases, dialect, tmpl)):
        say(f"{name}: {', '.join(marks)} are special tokens, which some servers leave out of a completion: see docs/endpoints.md")
    answers = Answers(scratch(name, suite))
    before = [key for key in requests if key in answers.found]
    if before:
        say(f"{name}: {len(before)} of {len(requests)} requests were answered before ({answers.path})")
    asking = Asking(endpoint, api, requests, answers)
    try:
        for key in _chain(before, asking.keys() if len(before) < len(requests) else ()):
            for index in places[key]:
                yield completion(index, answers.found[key]["body"], cases[index], endpoint, dialect, tmpl)
    finally:
        answers.close()
    if missing := [key for key in requests if key not in answers.found]:
        raise StageError(shortfall(name, missing, asking, cases, places))
    report(name, suite, endpoint, [answers.found[key] for key in requests])


def special_marks(cases: list[Case], dialect, tmpl: Template) -> list[str]:
    """The tokenizer's special tokens that a call of the dialect is written with."""
    case = next((case for case in cases if case.example.calls), None)
    if case is None:
        return []
    text = without_end(dialect.render(case.example, tmpl).completion, tmpl)
    return [token.content for token in tmpl.tokenizer.added_tokens_decoder.values() if token.special and token.content in text]


def _chain(*parts):
    for part in parts:
        yield from part


def completion(index: int, body: dict, case: Case, endpoint: Endpoint, dialect, tmpl: Template) -> Completion:
    text, finish, kept = read(body, case, endpoint, dialect, tmpl)
    prompt_tokens, tokens = used(body)
    return Completion(index, text, tokens, finish, {"prompt_tokens": prompt_tokens, "answer": kept})


def used(body: dict) -> tuple[int | None, int | None]:
    """(prompt tokens, completion tokens) as the server counted them; None where it does not say."""
    usage = body.get("usage") if isinstance(body.get("usage"), dict) else {}
    counts = (usage.get("prompt_tokens"), usage.get("completion_tokens"))
    return tuple(count if isinstance(count, int) and not isinstance(count, bool) else None for count in counts)


def shortfall(name: str, missing: list[str], asking: Asking, cases: list[Case], places: dict[str, list[int]]) -> str:
    """One sentence: how many cases have no answer, why, and that nothing is lost."""
    count, all_cases = sum(len(places[key]) for key in missing), len(cases)
    kept = f"the {all_cases - count} answers so far are kept, and the next run asks for the others only"
    if asking.refused is not None:
        return f"{name} refuses ({asking.refused}): correct endpoints.{name} and run again; {kept}."
    causes = ", ".join(f"{number} x {cause}" for cause, number in Counter(asking.failed.values()).most_common(2))
    first = next(key for key in missing if key in asking.failed)
    given_up = ", after which no more were asked" if asking.stopped else ""
    return (f"{name}: {count} of {all_cases} cases have no answer, {cases[places[first][0]].example.id!r} first "
            f"({causes}{given_up}): run again; {kept}.")


def percentile(values: list[float], share: float) -> float:
    """The smallest value that at least this share of the values does not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[max(0, -(-int(share * 100) * len(ordered) // 100) - 1)]


def report(name: str, suite: str, endpoint: Endpoint, rows: list[dict]) -> None:
    """models/.timing/predict/NAME/SUITE.json: latency, tokens and cost; not hashed, since latency differs over runs."""
    if not rows:
        return
    counts = [used(row["body"]) for row in rows]
    prompt, made = (sum(pair[place] or 0 for pair in counts) for place in (0, 1))
    known = all(None not in pair for pair in counts)
    cost = round((prompt * endpoint.price.input + made * endpoint.price.output) / 1e6, 6) if endpoint.price and known else None
    seconds = [row["seconds"] for row in rows]
    timing = {"requests": len(rows), "repeated": sum(row["tries"] - 1 for row in rows), "latency_p50": percentile(seconds, 0.5),
              "latency_p95": percentile(seconds, 0.95), "prompt_tokens": prompt if known else None, "completion_tokens": made if known else None,
              "cost": cost}
    write_json(Path("models/.timing/predict") / name / f"{suite}.json", timing)
    say(f"{name}: {len(rows)} answers, {timing['repeated']} asked again, p50 {timing['latency_p50']:.2f} s, p95 {timing['latency_p95']:.2f} s, "
        + (f"{prompt} + {made} tokens" if known else "tokens not counted by the server") + (f", cost {cost:.4f}" if cost is not None else ""))


def forget(name: str, suite: str, endpoint: Endpoint) -> None:
    """Removes the answers once the predictions hold them, so that a later run asks what is served then."""
    if not endpoint.keep_answers:
        scratch(name, suite).unlink(missing_ok=True)
