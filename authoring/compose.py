"""From one hand-written domain to requests with gold: the kinds of example, one function each.

Every function yields Drafts. A draft names the tools it must have offered (`needs`) and, by `group`, the
phrasing that it was made from: a split never parts a group.
"""

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, replace

from authoring.domain import AuthoredTool, Domain, Phrasing, fill, numbers, said, slots


@dataclass(frozen=True)
class Draft:
    group: str
    domain: str
    kind: str  # single parallel multiple no_tool missing answer
    turns: str  # single clarification sequential context
    messages: list[dict]
    needs: list[str]
    calls: list[dict] | None = None
    reply: str | None = None
    avoid: tuple[str, ...] = ()  # tools that would fit and so must not be offered


def user(content: str) -> dict:
    return {"role": "user", "content": content}


def called(*calls: dict) -> dict:
    return {"role": "assistant", "content": "", "tool_calls": [{"type": "function", "function": call} for call in calls]}


def result(content) -> dict:
    return {"role": "tool", "content": json.dumps(content, ensure_ascii=False)}


def choose(tool: AuthoredTool, text: str, rng: random.Random) -> dict[tuple[str, str], object]:
    """A value for every slot of the text; numbered slots of one parameter get different ones."""
    chosen, taken = {}, {}
    for name, number in dict.fromkeys(slots(text)):
        pool = [value for value in tool.values[name] if repr(value) not in taken.get(name, ())]
        chosen[name, number] = rng.choice(pool or tool.values[name])
        taken.setdefault(name, []).append(repr(chosen[name, number]))
    return chosen


def arguments(tool: AuthoredTool, phrasing: Phrasing, chosen: dict, number: str = "") -> dict:
    """Gold arguments in the schema's order: shared slots, this call's numbered slots, fixed ones."""
    given = dict(phrasing.args)
    for (name, of), value in chosen.items():
        if of in ("", number):
            given[name] = said(value)[1]
    return {name: given[name] for name in tool.parameters.get("properties", {}) if name in given}


def single(domain: Domain, tool: AuthoredTool, index: int, rng: random.Random) -> Draft:
    phrasing = tool.phrasings[index]
    chosen = choose(tool, phrasing.say, rng)
    call = {"name": tool.name, "arguments": arguments(tool, phrasing, chosen)}
    return Draft(f"{domain.name}/{tool.name}/phrasing{index}", domain.name, "single", "single",
                 [user(fill(phrasing.say, chosen))], [tool.name], [call])


def parallel(domain: Domain, tool: AuthoredTool, rng: random.Random) -> Iterator[Draft]:
    for index, phrasing in enumerate(tool.parallel):
        chosen = choose(tool, phrasing.say, rng)
        calls = [{"name": tool.name, "arguments": arguments(tool, phrasing, chosen, number)} for number in numbers(phrasing.say)]
        yield Draft(f"{domain.name}/{tool.name}/parallel{index}", domain.name, "parallel", "single",
                    [user(fill(phrasing.say, chosen))], [tool.name], calls)


def missing(domain: Domain, tool: AuthoredTool, rng: random.Random) -> Iterator[Draft]:
    """A request that lacks a value (ask back), and the same after the user has answered."""
    for index, phrasing in enumerate(tool.missing):
        chosen = choose(tool, phrasing.say + " " + phrasing.answer, rng)
        group = f"{domain.name}/{tool.name}/missing{index}"
        asked = [user(fill(phrasing.say, chosen))]
        yield Draft(group, domain.name, "missing", "single", asked, [tool.name], reply=phrasing.ask)
        turns = [*asked, {"role": "assistant", "content": phrasing.ask}, user(fill(phrasing.answer, chosen))]
        call = {"name": tool.name, "arguments": arguments(tool, phrasing, chosen)}
        yield Draft(group, domain.name, "single", "clarification", turns, [tool.name], [call])


def followup(domain: Domain, tool: AuthoredTool, rng: random.Random) -> Iterator[Draft]:
    """A first request, its call and result, then a turn that changes part of that call."""
    for phrasing in tool.followup:
        base_index = rng.randrange(len(tool.phrasings))
        base = single(domain, tool, base_index, rng)
        before = base.calls[0]["arguments"]
        for _ in range(20):
            chosen = choose(tool, phrasing.say, rng)
            change = arguments(tool, phrasing, chosen)
            merged = {**before, **change}
            if merged != before:
                break
        else:
            continue
        ordered = {name: merged[name] for name in tool.parameters.get("properties", {}) if name in merged}
        messages = [*base.messages, called(*base.calls), result(tool.result),
                    {"role": "assistant", "content": tool.reply}, user(fill(phrasing.say, chosen))]
        yield Draft(f"{domain.name}/{tool.name}/phrasing{base_index}", domain.name, "single", "context",
                    messages, [tool.name], [{"name": tool.name, "arguments": ordered}])


def answer(domain: Domain, tool: AuthoredTool, rng: random.Random) -> Draft:
    """After the result has come: say it, call nothing."""
    base = single(domain, tool, rng.randrange(len(tool.phrasings)), rng)
    return replace(base, kind="answer", turns="sequential", calls=None, reply=tool.reply,
                   messages=[*base.messages, called(*base.calls), result(tool.result)])


def combined(domain: Domain) -> Iterator[Draft]:
    for index, entry in enumerate(domain.combined):
        names = list(dict.fromkeys(call["name"] for call in entry["calls"]))
        yield Draft(f"{domain.name}/combined{index}", domain.name, "multiple" if len(names) > 1 else "parallel", "single",
                    [user(entry["say"])], names, [dict(name=c["name"], arguments=c["arguments"]) for c in entry["calls"]])


def sequential(domain: Domain) -> Iterator[Draft]:
    """Each step of the chain is one example; the last may be the reply."""
    for index, entry in enumerate(domain.sequential):
        names = list(dict.fromkeys(step["name"] for step in entry["steps"]))
        messages = [user(entry["say"])]
        for step in entry["steps"]:
            call = {"name": step["name"], "arguments": step["arguments"]}
            group = f"{domain.name}/sequential{index}"
            yield Draft(group, domain.name, "single", "sequential", list(messages), names, [call])
            if "result" in step:
                messages += [called(call), result(step["result"])]
            if step.get("reply"):
                yield Draft(group, domain.name, "answer", "sequential", list(messages), names, reply=step["reply"])


def none(domain: Domain) -> Iterator[Draft]:
    for index, entry in enumerate(domain.none):
        yield Draft(f"{domain.name}/none{index}", domain.name, "no_tool", "single", [user(entry["say"])], [], reply=entry["reply"])


JOINS = (
    "{0} {1}", "{0} Also, {1}", "Two things: {0} And then: {1}", "{0} After that, {1}", "First, {0} Second, {1}",
    "{0}\n{1}", "{0} Oh, and {1}", "{0} On another note, {1}", "{0} While you're at it: {1}",
)


def joined(first: Draft, second: Draft, rng: random.Random) -> Draft:
    """Two single requests for different tools, said in one message."""
    parts = []
    for draft in (first, second):
        text = draft.messages[0]["content"].strip()
        if text[-1] not in ".?!":
            text += "."
        parts.append(text)
    frame = rng.choice(JOINS)
    if not frame.startswith(("{0} {1}", "{0}\n")) and parts[1].split()[0] not in ("I", "I'm", "I'd", "I've", "I'll"):
        parts[1] = parts[1][0].lower() + parts[1][1:] if parts[1][1:2].islower() else parts[1]
    return Draft(first.group, first.domain, "multiple", "single", [user(frame.format(*parts))],
                 first.needs + second.needs, first.calls + second.calls)
