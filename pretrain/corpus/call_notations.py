"""Ways to write calls down. `choose(R)` gives one consistent notation for a whole document:
`Notation.calls(calls) -> text` and `Notation.nothing`, what stands where no call is right (or None: a reply).

The target form, `<tool_call>` round {"name": ..., "arguments": {...}}, is never drawn.
"""

from . import lexicon as L
from .tool_notations import dumps

KEYS = [
    ("tool", "params"),
    ("action", "action_input"),
    ("function", "args"),
    ("api", "inputs"),
    ("operation", "body"),
    ("cmd", "kwargs"),
    ("use", "values"),
    ("intent", "slots"),
    ("method", "parameters"),
    ("tool_name", "tool_input"),
    ("fn", "arguments"),
    ("name", "parameters"),
    ("function", "arguments"),
    ("name", "input"),
    ("call", "with"),
    ("id", "arguments"),
    ("recipient", "args"),
    ("name", "args"),
]


def scalar(v):
    """A value without quotes where it stays readable (YAML, XML, command lines)."""
    if isinstance(v, bool):
        return str(v).lower()
    if isinstance(v, (list, dict)):
        return dumps(v)
    return str(v)


def py_call(n, a):
    return f"{n}({', '.join(f'{k}={v!r}' for k, v in a.items())})"


def json_keys(R):
    a, b = R.choice(KEYS) if R.random() < 0.75 else (R.choice([L.word, L.invented])(R), R.choice([L.word, L.invented])(R))
    if a == b or (a, b) == ("name", "arguments"):
        a, b = "tool", "params"
    swap, extra = R.random() < 0.12, R.random() < 0.06

    def one(n, args):
        d = {b: args, a: n} if swap else {a: n, b: args}
        return dict({"type": "call"}, **d) if extra else d

    return one


def make_json(R):
    one, r = json_keys(R), R.random()
    indent = 2 if R.random() < 0.12 else None
    if r < 0.62:
        return lambda cs: "\n".join(dumps(one(n, a), indent=indent) for n, a in cs), None
    if r < 0.85:
        return lambda cs: dumps([one(n, a) for n, a in cs], indent=indent), "[]"
    key = R.choice(["calls", "actions", "steps", "tool_calls", "requests", "plan"])
    return lambda cs: dumps({key: [one(n, a) for n, a in cs]}, indent=indent), dumps({key: []})


def make_keyed(R):
    if R.random() < 0.5:
        return lambda cs: "\n".join(dumps({n: a}) for n, a in cs), "{}"
    return lambda cs: dumps([{n: a} for n, a in cs]), "[]"


def make_python(R):
    r = R.random()
    if r < 0.5:
        return lambda cs: "\n".join(py_call(n, a) for n, a in cs), R.choice(["None", "pass", "# no tool fits", None])
    if r < 0.8:
        return lambda cs: "[" + ", ".join(py_call(n, a) for n, a in cs) + "]", "[]"
    p = R.choice(["await ", "result = ", "call ", "print(", ">>> "])
    return lambda cs: "\n".join(p + py_call(n, a) + (")" if p == "print(" else "") for n, a in cs), None


def make_react(R):
    a, b = R.choice([("Action", "Action Input"), ("Tool", "Input"), ("ACTION", "ARGS"), ("Use", "With"), ("Function", "Arguments")])
    t = R.random() < 0.4
    return lambda cs: "\n".join((f"Thought: I need {n}.\n" if t else "") + f"{a}: {n}\n{b}: {dumps(x)}" for n, x in cs), None


def make_yaml(R):
    a, b = R.choice([("run", "with"), ("tool", "args"), ("do", "using"), ("step", "in")])
    return lambda cs: "\n".join(f"- {a}: {n}\n  {b}:" + ("".join(f"\n    {k}: {dumps(v)}" for k, v in x.items()) or " {}") for n, x in cs), "[]"


def make_xml(R):
    f, p, r = R.choice([("invoke", "arg"), ("call", "param"), ("use", "field"), ("fn", "p")]) + (R.random(),)
    if r < 0.5:
        return lambda cs: "\n".join(
            f'<{f} name="{n}">' + "".join(f'<{p} name="{k}">{scalar(v)}</{p}>' for k, v in x.items()) + f"</{f}>" for n, x in cs
        ), "<none/>"
    return lambda cs: "\n".join(f"<{n}>" + "".join(f"<{k}>{scalar(v)}</{k}>" for k, v in x.items()) + f"</{n}>" for n, x in cs), "<none/>"


def make_cli(R):
    d = R.choice(["--", "-", "--"])
    return lambda cs: "\n".join(f"$ {n}" + "".join(f" {d}{k} {dumps(v)}" for k, v in x.items()) for n, x in cs), None


def make_lines(R):
    s, t = R.choice([": ", " = ", "=", " -> "]), R.choice(["", "@", "> ", "call ", "# "])
    return lambda cs: "\n\n".join(f"{t}{n}" + "".join(f"\n{k}{s}{dumps(v)}" for k, v in x.items()) for n, x in cs), None


def make_inline(R):
    r = R.random()
    if r < 0.35:
        return lambda cs: "\n".join(f"{n} {dumps(x)}" for n, x in cs), None
    if r < 0.6:
        return lambda cs: "\n".join(f"<function={n}>{dumps(x)}</function>" for n, x in cs), None
    if r < 0.8:
        return lambda cs: "\n".join(f"({n}" + "".join(f" :{k} {dumps(v)}" for k, v in x.items()) + ")" for n, x in cs), "()"
    return lambda cs: "\n".join(f"{n} | " + " | ".join(f"{k}: {dumps(v)}" for k, v in x.items()) for n, x in cs), None


ALL = [
    (make_json, 52),
    (make_keyed, 6),
    (make_python, 13),
    (make_react, 6),
    (make_yaml, 5),
    (make_xml, 5),
    (make_cli, 3),
    (make_lines, 4),
    (make_inline, 6),
]
_MAKERS, _WEIGHTS = zip(*ALL)


def choose(R):
    """(write(calls) -> text, text for no call or None)."""
    return R.choices(_MAKERS, _WEIGHTS)[0](R)
