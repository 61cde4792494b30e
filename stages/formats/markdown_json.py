"""Calls as a JSON list in a Markdown fence, as Gemma is prompted to write them:

    ```json
    [{"name": "get_weather", "arguments": {"city": "Hull"}}]
    ```

The tools stand in the system turn, or in the first user turn of a model that takes none.
"""

import re
from collections.abc import Sequence

from stages.formats import Rendered, _tags
from stages.formats._turns import chat, check_fit, spoken
from stages.schema import Call, Example, Parsed, Tool, dumps

HOW = (
    "You have access to these functions. To call some of them, answer with a JSON list of calls in a ```json block and nothing else: "
    '[{"name": "function name", "arguments": {"parameter": "value"}}]. If none fits, answer in plain words.'
)
# A fence stands at the start or at the end of a line: within one, in a JSON string, it is part of an argument.
FENCE = re.compile(r"^[ \t]*```(?P<after>[\w+-]*)|```(?P<before>[\w+-]*)[ \t]*$", re.MULTILINE)
CALLS, PERHAPS = ("json", "tool_call", "tool_calls", "tool_code"), ("", "python")  # the second: when a call is in the block


def show(tools: list[Tool]) -> str:
    return f"{HOW}\n{dumps([dict(vars(tool)) for tool in tools])}"


def write(calls: list[Call]) -> str:
    return f"```json\n{dumps(_tags.as_json(calls))}\n```"


def result(content: str) -> str:
    return f"Function result:\n```\n{content}\n```"


def render(example: Example, template, instructions: str = "", shots: Sequence[Example] = ()) -> Rendered:
    return chat(example, template, instructions, shots, show, write, result)


def parse(text: str) -> Parsed:
    """Reads the calls of each fenced block. Blocks of another language are prose; a call without a fence counts as unbalanced."""
    text = spoken(text)
    calls, defects, outside, attempted, last, opened, language = [], [], [], False, 0, None, ""

    def block(content: str, closed: bool) -> bool:
        """Whether a block is about calls; if so, takes them."""
        if language not in CALLS and not (language in PERHAPS and _tags.BARE.match(content.strip())):
            return False
        found, wrong = _tags.content(content, closed)
        calls.extend(found)
        defects.extend(wrong if closed else [*wrong, "cut_off"])
        return True

    for fence in FENCE.finditer(text):
        if opened is None:
            opened, language = fence, (fence["after"] or fence["before"] or "").lower()
        else:
            if block(text[opened.end() : fence.start()], True):
                attempted = True
                outside.append(text[last : opened.start()])
                last = fence.end()
            opened = None
    if opened is not None and block(text[opened.end() :], False):
        attempted = True
        outside.append(text[last : opened.start()])
        last = len(text)
    if not attempted:
        return _tags.bare(text)
    reply = " ".join(part.strip() for part in [*outside, text[last:]] if part.strip())
    return Parsed(calls, reply, True, list(dict.fromkeys(defects + ["prose_around"] * bool(reply and calls))))


answer = spoken


def fits(template) -> None:
    check_fit("markdown_json", template, render, parse)
