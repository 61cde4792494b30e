"""A Task as text in one drawn notation: [(text, is_answer)].

Answers carry full loss weight, the rest a small one. Several turns of a document keep one notation, so
that copying the notation of earlier turns is learnt; this is what few-shot prompts rely on.
"""

from . import call_notations as C
from . import lexicon as L
from . import requests as Q
from . import tool_notations as N

_TOOLS, _TOOL_WEIGHTS = zip(*N.ALL)
SYSTEM = [
    "",
    "",
    "You are a helpful assistant.",
    "You can call functions.",
    "Answer the user by calling the right tool.",
    "Use the tools below when they fit.",
    "You are an assistant with access to tools.",
    "Pick the tool that fits the request and fill in its arguments.",
    "If no tool fits, say so.",
    "Respond with calls only.",
    "You turn requests into API calls.",
    "Follow the user's instructions.",
]
PLAIN = [
    ("User: ", "\n", "Assistant: ", "\n"),
    ("Q: ", "\n", "A: ", "\n"),
    ("### Request\n", "\n", "### Response\n", "\n\n"),
    ("Human: ", "\n\n", "AI: ", "\n\n"),
    ("# Task: ", "\n", "", "\n\n"),
    ("query: ", "\n", "output: ", "\n"),
    ("Input: ", "\n", "Output: ", "\n---\n"),
    ("> ", "\n", "", "\n"),
    ("Customer: ", "\n", "Agent: ", "\n"),
    ("[USER] ", "\n", "[BOT] ", "\n"),
    ("<user>", "</user>\n", "<assistant>", "</assistant>\n"),
]
RESULT = ["tool", "observation", "result", "function"]


def _json_result(turn):
    return N.dumps(turn.results[0] if len(turn.results) == 1 else turn.results)


def _answer(turn, write, nothing, R, before, after):
    if turn.calls:
        return before + write(turn.calls) + after
    if nothing is not None and (turn.reply is None or R.random() < 0.6):
        return nothing
    return turn.reply or R.choice(Q.FRAMES["decline"]).format(v="help")


def chat(task, R):
    """With the special tokens of the target chat format round another notation."""
    tool_text = R.choices(_TOOLS, _TOOL_WEIGHTS)[0]
    write, nothing = C.choose(R)
    tagged = R.random() < 0.62
    style = R.random()
    body, intro = tool_text(task.tools, R), R.choice(SYSTEM)
    fenced = tool_text not in (N.schema_lines,) and style < 0.75
    block = (
        f"<tools>\n{body}\n</tools>"
        if fenced
        else R.choice(["# Tools\n%s", "Tools:\n%s", "%s", "```json\n%s\n```", "[AVAILABLE]\n%s\n[/AVAILABLE]", "Functions you may call:\n%s"]) % body
    )
    order = [intro, block] if R.random() < 0.8 else [block, intro]
    out = [("<|im_start|>system\n" + "\n".join(x for x in order if x) + "<|im_end|>\n", 0)]
    before, after = ("<tool_call>" + R.choice(["\n", ""]), R.choice(["\n", ""]) + "</tool_call>") if tagged else ("", "")
    each = tagged and R.random() < 0.6
    write_all = (lambda cs: "\n".join(before + write([c]) + after for c in cs)) if each else write
    if tagged:
        nothing = None
    role = R.choice(RESULT)
    for t in task.turns:
        out.append((f"<|im_start|>user\n{t.user}<|im_end|>\n<|im_start|>assistant\n", 0))
        out.append((_answer(t, write_all, nothing, R, "" if each else before, "" if each else after) + "<|im_end|>", 1))
        out.append(("\n", 0))
        if t.calls and t.results:
            out += [(f"<|im_start|>{role}\n{_json_result(t)}<|im_end|>\n<|im_start|>assistant\n", 0), (f"{t.final}<|im_end|>", 1), ("\n", 0)]
    return out


def plain(task, R):
    """With ordinary words as turn marks."""
    tool_text = R.choices(_TOOLS, _TOOL_WEIGHTS)[0]
    write, nothing = C.choose(R)
    u0, u1, a0, a1 = R.choice(PLAIN) if R.random() < 0.85 else (L.word(R) + ": ", "\n", L.word(R) + ": ", "\n")
    head = R.choice(["Tools:\n", "Available functions:\n", "", "", "You may use:\n", "# API\n", R.choice(SYSTEM) + "\n"])
    before, after = R.choice([("", ""), ("", ""), ("", ""), ("```\n", "\n```"), ("```json\n", "\n```"), ("[", "]"), ("<call>", "</call>")])
    out = [(head + tool_text(task.tools, R) + R.choice(["\n\n", "\n"]), 0)]
    for t in task.turns:
        out.append((u0 + t.user + u1 + a0, 0))
        out.append((_answer(t, write, nothing, R, before, after) + a1, 1))
        if t.calls and t.results:
            out += [(f"Result: {_json_result(t)}\n{a0}", 0), (f"{t.final}{a1}", 1)]
    return out


def slots(task, R):
    """Slot filling and choosing, without any call."""
    names = ", ".join(t["name"] for t in task.tools)
    out = [("\n".join(f"{i + 1}. {t['name']} - {t['description']}" for i, t in enumerate(task.tools)) + "\n", 0)]
    for t in task.turns:
        out.append((f"{R.choice(['Text: ', 'Request: ', ''])}{t.user}\n{R.choice(['Which? ', 'Tool: ', 'Best match: '])}", 0))
        out.append((", ".join(dict.fromkeys(n for n, _ in t.calls)) + "\n" if t.calls else "none\n", 1))
        if t.calls and t.calls[0][1]:
            n, a = t.calls[0]
            know = next((x for x in task.tools if x["name"] == n), None)
            for k in R.sample(list(a), min(3, len(a))):
                d = know["parameters"]["properties"].get(k, {}).get("description") if know else None
                out += [(f"{k}{' (' + d + ')' if d else ''} = ", 0), (N.dumps(a[k]) + "\n", 1)]
    return out if names else out


def document(task, R):
    r = R.random()
    return chat(task, R) if r < 0.64 else plain(task, R) if r < 0.95 else slots(task, R)
