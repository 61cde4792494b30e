"""Shared real data -> `build/`: word lists, real tool-calling rows as tasks, novels, the guard's block list.

    python -m pretrain.prepare ../shared/data

Reads SGD, SNIPS, Seal-Tools (dev), DroidCall, Glaive, API-Bank and ELTeC; BFCL and `authoring/domains`
(where present) only to know what the corpus must not hold.
"""

import ast
import gzip
import json
import lzma
import os
import re
import sys
from collections import Counter

from .corpus import guard
from .corpus import lexicon as L

TYPES = {"str": "string", "int": "integer", "float": "number", "bool": "boolean", "list": "array", "dict": "object"}


def rows(path):
    """JSON Lines or one JSON value from a .gz file."""
    with gzip.open(path, "rt", encoding="utf-8") as f:
        text = f.read()
    return [json.loads(x) for x in text.splitlines() if x.strip()] if ".jsonl" in path else json.loads(text)


def tool(name, description, props, required):
    return {"name": name, "description": description, "parameters": {"type": "object", "properties": props, "required": required}}


def sgd_schemas(path):
    out = {}
    with open(path, encoding="utf-8") as f:
        for s in json.load(f):
            slots = {x["name"]: x for x in s["slots"]}
            for i in s["intents"]:
                props = {}
                for k in list(i["required_slots"]) + list(i["optional_slots"]):
                    x = slots[k]
                    props[k] = {"type": "string", "description": x["description"]}
                    if x["is_categorical"] and x["possible_values"]:
                        props[k]["enum"] = x["possible_values"]
                out.setdefault(s["service_name"], []).append(tool(i["name"], i["description"], props, list(i["required_slots"])))
    return out


def sgd(data):
    """Dialogues with service calls; results cut to their first four fields."""
    schemas, out = sgd_schemas(f"{data}/sgd/train_schema.json"), []
    for d in rows(f"{data}/sgd/train.jsonl.gz"):
        tools = [t for s in d["services"] for t in schemas.get(s, [])]
        if len({t["name"] for t in tools}) < len(tools) or len(tools) > 7:
            continue
        turns, user = [], None
        for t in d["turns"]:
            if t["role"] == "user":
                user = t["text"]
            elif user:
                cs = t.get("calls_before_text") or []
                res = [dict(list((c.get("results") or [{}])[0].items())[:4]) if c.get("results") else {} for c in cs]
                turns.append(
                    {
                        "user": user,
                        "calls": [[c["method"], c["parameters"]] for c in cs],
                        "reply": None if cs else t["text"],
                        "results": res or None,
                        "final": t["text"] if cs else None,
                    }
                )
        if any(t["calls"] for t in turns):
            out.append({"tools": tools, "turns": turns, "source": "sgd"})
    return out


def snips(data):
    """(rows, slot values): rows [intent, text, {slot: value}]."""
    out, values = [], {}
    for name in sorted(os.listdir(f"{data}/snips")):
        if not name.startswith("train_"):
            continue
        with gzip.open(f"{data}/snips/{name}", "rb") as f:
            raw = f.read()
        try:
            body = json.loads(raw.decode("utf-8"))
        except UnicodeDecodeError:
            body = json.loads(raw.decode("latin-1"))
        for intent, items in body.items():
            for x in items:
                text = "".join(p["text"] for p in x["data"]).strip()
                got = {p["entity"]: p["text"].strip() for p in x["data"] if "entity" in p}
                if got:
                    out.append([intent, text, got])
                    for k, v in got.items():
                        values.setdefault(k, set()).add(v)
    return out, values


def seal(data):
    """(tools of the library, tasks of the dev split)."""
    lib = {}
    for t in rows(f"{data}/seal_tools/tool.jsonl.gz"):
        props = {k: {"type": TYPES.get(v["type"], "string"), "description": v["description"]} for k, v in t["parameters"].items()}
        for p in props.values():
            if p["type"] == "array":
                p["items"] = {"type": "string"}
        lib[t["api_name"]] = tool(t["api_name"], t["api_description"], props, list(t["required"]))
    tasks = []
    for d in rows(f"{data}/seal_tools/dev.jsonl.gz"):
        calls = [[c["api"], c["parameters"]] for c in d["calling"]]
        if any(n not in lib or any("API_call" in str(v) for v in a.values()) for n, a in calls):
            continue
        used = {n: lib[n] for n, _ in calls}
        tasks.append({"tools": list(used.values()), "turns": [{"user": d["query"], "calls": calls}], "source": "seal"})
    return list(lib.values()), tasks


def droidcall(data):
    out, seen = [], {}
    for name in ("machine_generated", "seeds", "annotation_data"):
        for r in rows(f"{data}/droidcall/{name}.jsonl.gz"):
            q, args = r["query"], {}
            for k, v in (r.get("extras") or {}).items():
                if v in (None, "None", "", [], {}) or isinstance(v, str) and v.lower() not in q.lower():
                    continue
                args[k.replace("EXTRA_", "").lower()] = v
            if args and all(not isinstance(v, (list, dict)) for v in args.values()):
                out.append((r["intent"].replace("ACTION_", "").lower(), q, args))
                for k, v in args.items():
                    seen.setdefault(out[-1][0], {})[k] = (
                        "boolean" if isinstance(v, bool) else "integer" if isinstance(v, int) else "number" if isinstance(v, float) else "string"
                    )
    tools = {
        n: tool(
            n,
            n.replace("_", " ").capitalize() + " on the phone.",
            {k: {"type": t, "description": f"The {k.replace('_', ' ')}."} for k, t in ps.items()},
            [],
        )
        for n, ps in seen.items()
    }
    return [{"tools": [tools[n]], "turns": [{"user": q, "calls": [[n, a]]}], "source": "droidcall"} for n, q, a in out]


def glaive(data):
    out = []
    for d in rows(f"{data}/glaive/glaive_toolcall_en_demo.json.gz"):
        tools = json.loads(d["tools"]) if d.get("tools") else []
        tools = [
            tool(t["name"], t["description"], (t.get("parameters") or {}).get("properties", {}), (t.get("parameters") or {}).get("required", []))
            for t in tools
        ]
        turns, cur = [], None
        for m in d["conversations"]:
            v = m["value"]
            if m["from"] == "human":
                cur = {"user": v, "calls": []}
                turns.append(cur)
            elif m["from"] == "function_call":
                c = json.loads(v)
                cur["calls"].append([c["name"], c["arguments"]])
            elif m["from"] == "observation":
                cur["results"] = [json.loads(v)] if v.startswith(("{", "[")) else [v]
            elif cur:
                cur["final" if cur["calls"] else "reply"] = v
        turns = [t for t in turns if t.get("reply") or t["calls"]]
        for t in turns:
            if t["calls"] and not t.get("final"):
                t["results"] = None
        if tools and turns:
            out.append({"tools": tools, "turns": turns, "source": "glaive"})
    return out


def api_bank(data):
    out = []
    for r in rows(f"{data}/api_bank/lv3-train.json.gz"):
        try:
            name, kw = re.search(r"\[(\w+)\((.*)\)\]", r["output"], re.S).groups()
            call = ast.parse(f"f({kw})", mode="eval").body
            args = {k.arg: ast.literal_eval(k.value) for k in call.keywords}
            spec = [m for m in re.findall(r"\{.*?\}\}", r["input"].replace("'", '"')) if '"' + name + '"' in m]
            q = re.search(r"User: (.*?)(?:TIME:|\n)", r["input"]).group(1)
            params = json.loads(re.search(r'"(?:input_)?parameters": (\{.*?\}\})', spec[0] + "}").group(1))
        except (AttributeError, IndexError, ValueError, SyntaxError):
            continue
        props = {
            k: {"type": TYPES.get(v["type"], "string"), "description": v["description"]}
            for k, v in params.items()
            if isinstance(v, dict) and "type" in v
        }
        if set(args) <= set(props) and all(str(v).lower() in q.lower() for v in args.values()):
            out.append(
                {
                    "tools": [tool(name, re.sub(r"([A-Z])", r" \1", name).strip() + ".", props, list(args))],
                    "turns": [{"user": q, "calls": [[name, args]]}],
                    "source": "api_bank",
                }
            )
    return out


def words_of(novels, sgd_tasks, slots):
    """{"low", "cap", "slots"}: words of at least five novel occurrences, capitalised words inside sentences."""
    low, cap = Counter(), Counter()
    for m in re.finditer(r"(?<=[a-z,] )([A-Za-z]{3,12})\b", novels[:16_000_000]):
        w = m.group(1)
        (low if w.islower() else cap)[w] += 1
    out = {k: sorted(v) for k, v in slots.items() if len(v) > 20}
    for t in sgd_tasks:
        for turn in t["turns"]:
            for _, a in turn["calls"]:
                for k, v in a.items():
                    if v[:1].isupper() and v not in ("True", "False"):
                        slots.setdefault(k, set()).add(v)
    out.update({k: sorted(v) for k, v in slots.items() if len(v) > 20})
    keep = [w for w, n in low.items() if n >= 8 and w not in STOP]
    return {"low": sorted(keep), "cap": sorted(w for w, n in cap.items() if n >= 3 and w[1:].islower()), "slots": out}


STOP = set(
    """the and that with was for his her had not you but from this have which they were she him been who all
    would there their when are what out one said very could into some than then them more upon about such has your our
    will its only did after any before how should over must other these being those though can may might where while""".split()
)


def main(data):
    build = L.BUILD
    os.makedirs(build, exist_ok=True)
    with lzma.open(f"{data}/text/eltec_eng.txt.xz", "rt", encoding="utf-8") as f:
        novels = f.read()
    dialogues = sgd(data)
    utterances, slots = snips(data)
    library, seal_tasks = seal(data)
    real = {
        "sgd": dialogues,
        "snips": utterances,
        "seal": seal_tasks,
        "library": library,
        "droidcall": droidcall(data),
        "glaive": glaive(data),
        "api_bank": api_bank(data),
    }
    with lzma.open(f"{build}/real.json.xz", "wt", encoding="utf-8", preset=3) as f:
        json.dump(real, f, ensure_ascii=False)
    with open(f"{build}/words.json", "w", encoding="utf-8") as f:
        json.dump(words_of(novels, dialogues, slots), f, ensure_ascii=False)
    with lzma.open(f"{build}/novels.txt.xz", "wt", encoding="utf-8", preset=3) as f:
        f.write(novels[:26_000_000])
    guard.write(f"{build}/blocked.json", f"{data}/bfcl", os.path.join(os.path.dirname(L.HERE), "authoring", "domains"))
    print({k: len(v) for k, v in real.items()}, "novels", len(novels))


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "../shared/data")
