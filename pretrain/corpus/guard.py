"""What the corpus must not hold: tools and requests of the tests.

A tool is blocked when its normalised name (lower case, letters and digits only) or its signature (sorted
parameter names, at least three, with their types) equals one of BFCL's functions or one of the tools of
`authoring/domains`; a request when it shares 13 successive words with a BFCL query or an authored phrasing.
"""

import glob
import gzip
import json
import os
import re
import zlib
from collections import Counter
from functools import lru_cache

import yaml

from . import lexicon as L

N = 13
TYPES = {"dict": "object", "float": "number", "tuple": "array"}


def norm(name):
    return re.sub(r"[^a-z0-9]", "", name.lower())


def signature(t):
    """Text of a signature, or None where it has fewer than three parameters."""
    p = (t.get("parameters") or {}).get("properties") or {}
    return "|".join(sorted(norm(k) + ":" + TYPES.get(v.get("type"), str(v.get("type"))) for k, v in p.items())) if len(p) >= 3 else None


def grams(text):
    """crc32 of each run of 13 words."""
    ws = re.findall(r"[a-z0-9]+", text.lower())
    return [zlib.crc32(" ".join(ws[i : i + N]).encode()) for i in range(len(ws) - N + 1)]


def bfcl_items(folder):
    """(functions, query texts) of every BFCL file."""
    functions, queries = [], []
    for path in sorted(glob.glob(os.path.join(folder, "BFCL_*.json.gz"))):
        with gzip.open(path, "rt", encoding="utf-8") as f:
            for line in f:
                x = json.loads(line)
                functions += x["function"]
                queries += [m["content"] for turn in x["question"] for m in turn]
    return functions, queries


def domain_items(folder):
    """(tools, literal texts) of the hand-written domains."""
    tools, texts = [], []
    for path in sorted(glob.glob(os.path.join(folder, "*.yaml"))):
        with open(path, encoding="utf-8") as f:
            try:
                doc = yaml.load(f, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)) or {}
            except yaml.YAMLError:
                continue  # half-written file; prepare again later
        for t in doc.get("tools") or []:
            tools.append(t)
            texts += [p if isinstance(p, str) else p["say"] for k in ("phrasings", "parallel", "missing", "followup") for p in t.get(k) or []]
        texts += [e["say"] for k in ("combined", "sequential", "none") for e in doc.get(k) or []]
    return tools, texts


def write(path, bfcl, domains):
    """Writes {"names", "signatures", "grams"} with their origin."""
    functions, queries = bfcl_items(bfcl)
    tools, texts = domain_items(domains)
    out = {"names": {}, "signatures": {}, "grams": {}}
    for origin, ts, qs in (("bfcl", functions, queries), ("embedded", tools, texts)):
        for t in ts:
            out["names"][norm(t["name"])] = origin
            if signature(t):
                out["signatures"][signature(t)] = origin
        for q in qs:
            out["grams"].update({str(g): origin for g in grams(q)})
    with open(path, "w", encoding="utf-8") as f:
        json.dump(out, f)


@lru_cache(None)
def blocked():
    path = os.path.join(L.BUILD, "blocked.json")
    if not os.path.exists(path):
        return {"names": {}, "signatures": {}, "grams": {}}
    with open(path, encoding="utf-8") as f:
        raw = json.load(f)
    raw["grams"] = {int(k): v for k, v in raw["grams"].items()}
    return raw


COUNTS = Counter()


def passes(task):
    """True where the task may enter the corpus; counts what was dropped and why in COUNTS."""
    b = blocked()
    COUNTS["documents"] += 1
    for t in task.tools:
        o = b["names"].get(norm(t["name"]))
        if o:
            COUNTS[f"dropped: tool name of {o}"] += 1
            return False
        s = signature(t)
        if s in b["signatures"]:
            COUNTS[f"dropped: tool signature of {b['signatures'][s]}"] += 1
            return False
    for turn in task.turns:
        for g in grams(turn.user):
            if g in b["grams"]:
                COUNTS[f"dropped: 13-gram of {b['grams'][g]}"] += 1
                return False
    return True
