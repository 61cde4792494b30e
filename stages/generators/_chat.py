"""Requests to an OpenAI-compatible server from cases, and its answers as text of the run's dialect.

tools: native     POST chat/completions {"messages": [...], "tools": [...]}; `tool_calls` of the answer are written in the dialect
       messages   POST chat/completions {"messages": [...]}; the dialect has written the tools into the messages
       prompt     POST completions {"prompt": "..."}; the very text that the model in this process gets
"""

import json
import re
from dataclasses import dataclass, field

from stages.errors import RowError
from stages.formats import Rendered, _tags
from stages.formats._turns import conversation
from stages.params import Endpoint
from stages.schema import Call, Example, as_arguments, dumps

UNREAD = "qzx_unread_"  # stands for arguments that are not an object, until the dialect has written the calls
PLAIN = re.compile(r"[^A-Za-z0-9_-]")


@dataclass(frozen=True)
class Case:
    """What is asked: the Example, the exact prompt of the model in this process, and what is shown before the request."""

    example: Example
    prompt: str
    instructions: str = ""
    shots: list[Example] = field(default_factory=list)


class Recorder:
    """Stands in for the Template and keeps the messages that a dialect hands to it; a dialect without chat template hands none."""

    takes_system, messages = True, None

    def __init__(self, tmpl):
        self.tmpl = tmpl

    def __getattr__(self, name):
        return getattr(self.tmpl, name)

    def turn(self, messages: list[dict], target: dict, tools: list[dict] | None) -> Rendered:
        self.messages = messages
        return Rendered("", "")


def plain_names(example: Example, shots: list[Example]) -> dict[str, str]:
    """Each tool name as OpenAI takes it: letters, digits, _ and -, at most 64, no two alike."""
    called = [c["function"]["name"] for m in example.messages for c in m.get("tool_calls") or []]
    names = [t.name for t in example.tools] + called + [c.name for s in shots for c in s.calls or []]
    names += [c["function"]["name"] for s in shots for m in s.messages for c in m.get("tool_calls") or []]
    plain = {}
    for name in sorted(dict.fromkeys(names), key=lambda name: (bool(PLAIN.search(name)), name)):  # those that are plain keep their name
        made, number = PLAIN.sub("_", name)[:64], 2
        while made in plain.values():
            made, number = f"{PLAIN.sub('_', name)[:60]}_{number}", number + 1
        plain[name] = made
    return plain


def as_openai(messages: list[dict], names: dict[str, str]) -> list[dict]:
    """Messages with what the protocol demands: ids that join calls and results, arguments as JSON text, no content beside calls."""
    out, open_ids, count = [], [], 0
    for message in messages:
        made = {"role": message["role"], "content": message.get("content")}
        if calls := message.get("tool_calls"):
            open_ids = [f"call_{count + number}" for number in range(len(calls))]
            count += len(calls)
            made["content"] = made["content"] or None
            made["tool_calls"] = []
            for id, call in zip(open_ids, calls):
                name, arguments = call["function"]["name"], call["function"]["arguments"]
                text = arguments if isinstance(arguments, str) else dumps(arguments)
                made["tool_calls"].append({"id": id, "type": "function", "function": {"name": names.get(name, name), "arguments": text}})
        elif message["role"] == "tool":
            made["tool_call_id"] = open_ids.pop(0) if open_ids else f"call_{max(count - 1, 0)}"
            made["content"] = made["content"] if isinstance(made["content"], str) else dumps(made["content"])
        out.append(made)
    return out


def request(case: Case, endpoint: Endpoint, dialect, tmpl, max_new_tokens: int) -> tuple[str, dict]:
    """(path, body) of the request for a case; greedy, and what endpoint.extra adds, or takes out with null."""
    path, body = "chat/completions", {"model": endpoint.model}
    if endpoint.tools == "prompt":
        # The server's tokenizer writes the start token, as it does before any plain text.
        path, body["prompt"] = "completions", case.prompt.removeprefix(tmpl.start_text)
    elif endpoint.tools == "messages":
        recorder = Recorder(tmpl)
        dialect.render(case.example, recorder, case.instructions, case.shots)
        body["messages"] = as_openai(recorder.messages or [{"role": "user", "content": case.prompt}], {})
    else:
        names = plain_names(case.example, case.shots) if endpoint.plain_names else {}
        body["messages"] = as_openai(conversation(case.example, case.instructions, case.shots), names)
        tools = [tool.wrapped() for tool in case.example.tools]
        for tool in tools:
            tool["function"]["name"] = names.get(tool["function"]["name"], tool["function"]["name"])
        if tools:
            body["tools"] = tools
    body |= {"max_tokens": endpoint.max_tokens or max_new_tokens, "temperature": 0} | endpoint.extra
    return path, {key: value for key, value in body.items() if value is not None}


def clean(value) -> str:
    """Text that a file can hold: JSON can carry half a character, UTF-8 cannot."""
    return str(value).encode("utf-8", "replace").decode()


def content_of(message: dict) -> str:
    """The text of a message; some servers give it in parts, and a refusal in a field of its own."""
    content = message.get("content") or message.get("refusal") or ""
    if isinstance(content, list):
        content = "".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return clean(content)


def calls_of(message: dict, names: dict[str, str]) -> list[tuple[str, object]]:
    """[(name, arguments as the server gave them)] of a message, with the tools' own names."""
    calls = message.get("tool_calls")
    if not calls and isinstance(message.get("function_call"), dict):  # the form before tool_calls
        calls = [{"function": message["function_call"]}]
    back = {plain: name for name, plain in names.items()}
    found = []
    for call in calls if isinstance(calls, list) else []:
        function = call.get("function") if isinstance(call, dict) else None
        function = function if isinstance(function, dict) else {}
        name = clean(function.get("name") or "")
        found.append((back.get(name, name), function.get("arguments")))
    return found


def written(calls: list[tuple[str, object]], example: Example, dialect, tmpl) -> str:
    """Calls as the dialect writes them. Arguments that are no JSON object stay the text that they are: the model's fault is scored."""
    made, unread = [], {}
    for number, (name, arguments) in enumerate(calls):
        try:
            made.append(Call(name, as_arguments(_storable(arguments))))
        except RowError:
            unread[f"{UNREAD}{number}_"] = clean(arguments if isinstance(arguments, str) else json.dumps(arguments))
            made.append(Call(name, {f"{UNREAD}{number}_": 0}))
    text = _rendered(made, example, dialect, tmpl)
    for mark, raw in unread.items():
        text = raw.join(re.split(rf'\{{\s*"{mark}":\s*0\s*\}}', text)).replace(f"{mark}=0", f"arguments={raw}")
    return text


def _rendered(calls: list[Call], example: Example, dialect, tmpl) -> str:
    """The answer with these calls after the shortest conversation: what a template does with longer ones is no matter here."""
    bare = Example(example.id, example.source, [{"role": "user", "content": "x"}], example.tools, calls=calls)
    try:
        return without_end(dialect.render(bare, tmpl).completion, tmpl)
    except RowError:  # the template refuses: Llama 3.1's takes one call at a time
        if len(calls) == 1:
            return _tags.write(calls)
        return "\n".join(_rendered([call], example, dialect, tmpl) for call in calls)


def without_end(text: str, tmpl) -> str:
    """What stands before the model's end token: the model in this process stops there too."""
    for end in tmpl.end_texts:
        text = text.split(end, 1)[0]
    return text


def read(body: dict, case: Case, endpoint: Endpoint, dialect, tmpl) -> tuple[str, str, dict]:
    """(completion in the dialect, "stop" or "length", the answer as the server gave it but for its random ids)."""
    choice = body["choices"][0]
    reason = choice.get("finish_reason")
    finish = "length" if reason == "length" else "stop"
    message = choice.get("message")
    if not isinstance(message, dict):
        return without_end(clean(choice["text"]), tmpl), finish, {"text": clean(choice["text"])}
    names = plain_names(case.example, case.shots) if endpoint.plain_names and endpoint.tools == "native" else {}
    content, calls = content_of(message), calls_of(message, names)
    kept = {"content": content, "tool_calls": [{"name": name, "arguments": _storable(arguments)} for name, arguments in calls]}
    if not calls and (reason == "tool_calls" or (reason == "length" and not content.strip())):
        # The server's parser met a call and dropped it: an attempt that failed, which must not pass for a refusal to call.
        # So with an answer that was cut before anything of it could be seen: nobody declined there.
        # (What was said beside it stays in `kept` alone, so that every dialect sees the attempt.)
        lost = written([("call_dropped_by_the_server", {"unread": "cut here"})], case.example, dialect, tmpl)
        return lost[: lost.index("cut here")], finish, kept
    if not calls:
        return without_end(content, tmpl), finish, kept
    text = written(calls, case.example, dialect, tmpl)
    both = f"{content.strip()}\n{text}".lstrip()
    # Some dialects read no call behind other text; here the server has told the two apart.
    return both if dialect.parse(both).calls == dialect.parse(text).calls else text, finish, kept


def _storable(arguments):
    return clean(arguments) if isinstance(arguments, str) else json.loads(clean(dumps(arguments)))
