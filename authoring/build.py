"""Builds `data/embedded/` from the hand-written domain files: python -m authoring.build

The same files and SEED give the same bytes. Writes tools.jsonl (every tool), examples.jsonl (requests that
name the tools offered), held_out.json (tools that no training row may hold) and counts.json (for the card).
"""

import json
import random
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

from authoring import compose
from authoring.check import problems
from authoring.compose import Draft
from authoring.domain import AuthoredTool, Domain, load
from stages.files import write_json, write_jsonl

HERE = Path(__file__).parent
SEED = 20261121
HELD_OUT_DOMAINS = ("real_estate", "events", "logistics")
OFFERED = dict(zip(range(1, 13), (20, 24, 18, 12, 8, 6, 4, 3, 2, 1, 1, 1)))  # tools offered: weight
MAX_TOOL_CHARACTERS = 5400  # of all offered tools: keeps a prompt inside the embedded model's 2,048 tokens
DECLINES = [line for line in (HERE / "declines.txt").read_text(encoding="utf-8").splitlines() if line]


class Catalogue:
    """All tools of all domains, and which of them are held out."""

    def __init__(self, domains: list[Domain]):
        self.domains = {domain.name: domain for domain in domains}
        self.tools = {tool.name: tool for domain in domains for tool in domain.tools}
        self.domain_of = {tool.name: domain.name for domain in domains for tool in domain.tools}
        self.size = {name: len(json.dumps(tool.schema())) for name, tool in self.tools.items()}
        self.held_out = set()
        for domain in domains:
            names = [tool.name for tool in domain.tools]
            whole = domain.name in HELD_OUT_DOMAINS
            self.held_out.update(names if whole else [random.Random(f"{SEED}/{domain.name}").choice(names)])

    def offer(self, draft: Draft, rng: random.Random) -> list[str]:
        """The tools shown with a request: those it needs and distractors, most from the same domain.

        A request that needs no held-out tool is offered none, so that it may be trained on.
        """
        count = max(len(draft.needs), rng.choices(list(OFFERED), list(OFFERED.values()))[0])
        hidden = set() if held_out(draft, self) else self.held_out
        near = [t.name for t in self.domains[draft.domain].tools]
        far = [name for name in self.tools if self.domain_of[name] != draft.domain]
        offered, size = list(draft.needs), sum(self.size[name] for name in draft.needs)
        for _ in range(200):
            if len(offered) >= count:
                break
            name = rng.choice(near if rng.random() < 0.6 else far)
            if name in offered or name in hidden or name in draft.avoid or size + self.size[name] > MAX_TOOL_CHARACTERS:
                continue
            offered.append(name)
            size += self.size[name]
        rng.shuffle(offered)
        return offered


def held_out(draft: Draft, catalogue: Catalogue) -> bool:
    """Whether a request was written for a held-out tool, also one that is not offered with it (avoid[0])."""
    return draft.domain in HELD_OUT_DOMAINS or any(name in catalogue.held_out for name in [*draft.needs, *draft.avoid[:1]])


def words(tool: AuthoredTool) -> set[str]:
    """The content words of a tool's name: what two confusable tools share."""
    text = "".join(f" {c.lower()}" if c.isupper() else c for c in tool.name).replace("_", " ").replace(".", " ")
    return {word.rstrip("s") for word in text.split() if len(word) > 2} - {"get", "list", "find", "search", "set", "add", "create", "update"}


def no_tool(base: Draft, catalogue: Catalogue, rng: random.Random, same_domain: bool) -> Draft:
    """A request whose tool is not offered: other tools are, in half the cases of its own domain."""
    tool = catalogue.tools[base.needs[0]]
    if same_domain:  # tools of the domain that share a word with the right one might do as well
        avoid = [t.name for t in catalogue.domains[base.domain].tools if words(t) & words(tool)]
    else:
        avoid = [t.name for t in catalogue.domains[base.domain].tools]
    return replace(base, kind="no_tool", needs=[], calls=None, reply=rng.choice(DECLINES), avoid=(tool.name, *avoid))


def drafts(catalogue: Catalogue) -> list[Draft]:
    """All requests, before tools are offered with them. A phrasing is part of at most one joined pair."""
    made: list[Draft] = []
    for domain in catalogue.domains.values():
        singles: list[Draft] = []
        for tool in domain.tools:
            rng = random.Random(f"{SEED}/{domain.name}/{tool.name}")
            for index in range(len(tool.phrasings)):
                singles.append(compose.single(domain, tool, index, rng))
                if tool.values and rng.random() < 0.25:
                    again = compose.single(domain, tool, index, rng)
                    if again.messages != singles[-1].messages:
                        made.append(again)
            for _ in range(2 if tool.values else 1):
                made += compose.parallel(domain, tool, rng)
            made += compose.missing(domain, tool, rng)
            made += compose.followup(domain, tool, rng)
            if rng.random() < 0.4:
                made.append(compose.answer(domain, tool, rng))
        rng = random.Random(f"{SEED}/{domain.name}")
        made += singles
        made += [*compose.combined(domain), *compose.sequential(domain), *compose.none(domain)]
        rng.shuffle(singles)
        regroup = {}
        for first, second in zip(singles[0::6], singles[1::6]):
            if first.needs != second.needs and held_out(first, catalogue) == held_out(second, catalogue):
                made.append(compose.joined(first, second, rng))
                regroup[second.group] = first.group
        for index, base in enumerate(singles[2::5]):
            made.append(no_tool(base, catalogue, rng, same_domain=index % 2 == 0))
        made = [replace(draft, group=regroup.get(draft.group, draft.group)) for draft in made]
    return made


def complexity(draft: Draft) -> str:
    """simple: one call of at most 2 plain arguments; complex: nested, 5 or more arguments, 3 or more calls."""
    if not draft.calls:
        return "simple"
    most = max(len(call["arguments"]) for call in draft.calls)
    nested = any(isinstance(value, dict) or (isinstance(value, list) and value and isinstance(value[0], dict))
                 for call in draft.calls for value in call["arguments"].values())
    if nested or most >= 5 or len(draft.calls) >= 3:
        return "complex"
    return "simple" if len(draft.calls) == 1 and most <= 2 else "moderate"


def examples(catalogue: Catalogue) -> list[dict]:
    rows, seen = [], set()
    for draft in drafts(catalogue):
        rng = random.Random(f"{SEED}/{draft.group}/{draft.messages[-1]['content']}/{draft.kind}")
        offered = catalogue.offer(draft, rng)
        key = json.dumps([draft.messages, draft.kind])
        if key in seen or not offered:
            continue
        seen.add(key)
        rows.append({
            "id": f"emb-{len(rows):05d}", "group": draft.group,
            "labels": {"kind": draft.kind, "turns": draft.turns, "complexity": complexity(draft), "domain": draft.domain,
                       "tools": "held_out" if held_out(draft, catalogue) else "seen"},
            "messages": draft.messages, "offered": offered, "calls": draft.calls, "reply": draft.reply,
        })
    return rows


def main() -> int:
    domains = [load(path) for path in sorted((HERE / "domains").glob("*.yaml"))]
    found = [f"{domain.name}: {line}" for domain in domains for line in problems(domain)]
    names = Counter(tool.name for domain in domains for tool in domain.tools)
    found += [f"tool {name!r} is in several domains: rename one" for name, count in names.items() if count > 1]
    if found:
        print("\n".join(found))
        return 1
    catalogue = Catalogue(domains)
    rows = examples(catalogue)
    out = HERE.parent / "data" / "embedded"
    write_jsonl(out / "tools.jsonl", ({**tool.schema(), "domain": catalogue.domain_of[name]} for name, tool in catalogue.tools.items()))
    write_jsonl(out / "examples.jsonl", rows)
    write_json(out / "held_out.json", sorted(catalogue.held_out))
    counts = {
        "domains": len(domains), "tools": len(catalogue.tools), "held_out_tools": len(catalogue.held_out),
        "phrasings": sum(len(tool.phrasings) for tool in catalogue.tools.values()), "examples": len(rows),
        **{label: dict(sorted(Counter(row["labels"][label] for row in rows).items())) for label in ("kind", "turns", "complexity", "tools")},
        "offered": {str(k): v for k, v in sorted(Counter(len(row["offered"]) for row in rows).items())},
    }
    write_json(out / "counts.json", counts)
    print(json.dumps(counts, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
