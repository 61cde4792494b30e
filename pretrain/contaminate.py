"""The contamination certificate: an audit of rendered documents, and what the guard dropped in training.

    python -m pretrain.contaminate models/embedded --documents 40000 --bfcl ../shared/data/bfcl --logs LOG...

The guard (`corpus/guard.py`) acts on tasks before they are rendered. The audit is independent of it: it
takes the finished text, all of it and not only the requests, and looks for (1) runs of 13 words that a BFCL
query or an authored request holds, (2) tool names of either in the offered tools, (3) the target notation.
"""

import argparse
import json
import os
import random
import re
from collections import Counter

from .corpus import guard, mix, render

TARGET_CALL = re.compile(r'<tool_call>\s*\{"name": "[^"]*", "arguments": ')
TARGET_TOOLS = re.compile(r'<tools>\n\{"name": "[^"]*", "description": "(?:[^"\\]|\\.)*", "parameters": ')


def sources(bfcl, domains):
    """{origin: (normalised tool names, {13-gram: query})}."""
    out = {}
    for origin, (tools, texts) in (("bfcl", guard.bfcl_items(bfcl)), ("embedded", guard.domain_items(domains))):
        table = {}
        for t in texts:
            words = re.findall(r"[a-z0-9]+", t.lower())
            for i in range(len(words) - guard.N + 1):
                table[" ".join(words[i : i + guard.N])] = t
        out[origin] = ({guard.norm(t["name"]) for t in tools}, table)
    return out


def audit(documents, known, seed=770_001):
    """Counts over `documents` rendered documents of a seed that no worker used."""
    R, counts, examples = random.Random(seed), Counter(), []
    shares = mix.weights()
    names, weights = list(shares), list(shares.values())
    while counts["documents"] < documents:
        source = R.choices(names, weights)[0]
        task = mix.task(source, R) if source in mix.TASKS else None
        parts = render.document(task, R) if task else mix.TEXTS[source](R) if source in mix.TEXTS else None
        if not parts:
            continue
        text = "".join(t for t, _ in parts)
        counts["documents"] += 1
        counts["characters"] += len(text)
        counts["target call notation"] += bool(TARGET_CALL.search(text))
        counts["target tool block"] += bool(TARGET_TOOLS.search(text))
        words = re.findall(r"[a-z0-9]+", text.lower())
        runs = {" ".join(words[i : i + guard.N]) for i in range(len(words) - guard.N + 1)}
        for origin, (tools, table) in known.items():
            hit = next((table[r] for r in runs if r in table), None)
            if hit:
                counts[f"13-gram of {origin}"] += 1
                examples.append({"origin": origin, "source": source, "text": hit[:160]})
            if task and any(guard.norm(t["name"]) in tools for t in task.tools):
                counts[f"tool name of {origin}"] += 1
    return counts, examples


def training_counts(paths):
    """What the workers' guards counted, summed over the logs of the stretches."""
    total, tokens = Counter(), 0
    for p in paths:
        with open(p, encoding="utf-8") as f:
            c = json.load(f)["corpus"]
        total.update(c["guard"])
        tokens += c["tokens"]
    return dict(total), tokens


def main():
    p = argparse.ArgumentParser()
    A = p.add_argument
    A("folder")
    A("--documents", type=int, default=40000)
    A("--bfcl", default="../shared/data/bfcl")
    A("--domains", default="authoring/domains")
    A("--logs", nargs="*", default=[])
    o = p.parse_args()
    known = sources(o.bfcl, o.domains)
    counts, examples = audit(o.documents, known)
    kinds = ["target call notation", "target tool block"] + [f"{k} of {s}" for s in known for k in ("13-gram", "tool name")]
    dropped, generated = training_counts(o.logs)
    report = {
        "audit": {k: counts[k] for k in ["documents", "characters"] + kinds},
        "examples": examples[:20],
        "guard_in_training": dropped,
        "tokens_generated": generated,
        "compared_with": {s: {"tools": len(t), "13-grams": len(g)} for s, (t, g) in known.items()},
    }
    with open(os.path.join(o.folder, "contamination.json"), "w", encoding="utf-8") as f:
        json.dump(report, f, indent=1, ensure_ascii=False)
        f.write("\n")
    print(json.dumps(report["audit"]), json.dumps(examples[:5], ensure_ascii=False))


if __name__ == "__main__":
    main()
