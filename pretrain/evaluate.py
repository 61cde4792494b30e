"""What a base is worth: LoRA on rows of `data/embedded`, then greedy calls on held-out tools and on BFCL.

    python -m pretrain.evaluate MODEL --out eval.json [--rows 1000] [--seeds 3] [--zero]

Verdicts are those of `stages.scoring.bfcl`. BFCL (`build/bfcl.json.xz`, packed by `pack_bfcl`) is only ever
read here. Rates come with n and a 95 % Wilson interval.
"""

import argparse
import json
import lzma
import math
import os
import random
import re
import time

import torch

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
TYPES = {"dict": "object", "float": "number", "tuple": "array"}
CALL = re.compile(r"<tool_call>\s*(.*?)\s*</tool_call>", re.S)
CATEGORIES = ("simple_python", "multiple", "parallel", "parallel_multiple", "irrelevance")


def pack_bfcl(source, target):
    """BFCL's five files as one: [{"id", "category", "messages", "tools", "gold"}]."""
    import gzip

    out = []
    for c in CATEGORIES:
        with gzip.open(f"{source}/BFCL_v4_{c}.json.gz", "rt", encoding="utf-8") as f:
            items = [json.loads(x) for x in f]
        gold = {}
        if c != "irrelevance":
            with gzip.open(f"{source}/possible_answer/BFCL_v4_{c}.json.gz", "rt", encoding="utf-8") as f:
                gold = {r["id"]: r["ground_truth"] for r in map(json.loads, f)}
        out += [{"id": x["id"], "category": c, "messages": x["question"][0], "tools": x["function"], "gold": gold.get(x["id"], [])} for x in items]
    with lzma.open(target, "wt", encoding="utf-8") as f:
        json.dump(out, f)


def plain_schema(s):
    """BFCL's type names as JSON Schema's, as the pipeline shows them."""
    if isinstance(s, dict):
        return {k: TYPES.get(v, v) if k == "type" and isinstance(v, str) else plain_schema(v) for k, v in s.items()}
    return [plain_schema(x) for x in s] if isinstance(s, list) else s


def embedded(folder):
    """(training rows: seen tools, test rows: held-out tools), each {"messages", "tools", "calls", "reply", "labels"}."""

    def read(n):
        return [json.loads(x) for x in open(os.path.join(folder, n), encoding="utf-8")]

    tools = {t["name"]: {k: t[k] for k in ("name", "description", "parameters")} for t in read("tools.jsonl")}
    rows = [dict(r, tools=[tools[n] for n in r["offered"]]) for r in read("examples.jsonl")]
    return [r for r in rows if r["labels"]["tools"] == "seen"], [r for r in rows if r["labels"]["tools"] == "held_out"]


def answer(row):
    """The completion in the target notation."""
    dump = lambda v: json.dumps(v, ensure_ascii=False)  # noqa: E731
    if row["calls"]:
        calls = (f'{{"name": {dump(c["name"])}, "arguments": {dump(c["arguments"])}}}' for c in row["calls"])
        return "\n".join(f"<tool_call>\n{c}\n</tool_call>" for c in calls) + "<|im_end|>"
    return row["reply"] + "<|im_end|>"


def parse(text):
    """(calls, attempted)."""
    calls = []
    for block in CALL.findall(text):
        try:
            d = json.loads(block)
            if isinstance(d["name"], str) and isinstance(d["arguments"], dict):
                calls.append((d["name"], d["arguments"]))
        except (ValueError, KeyError, TypeError):
            pass
    return calls, "<tool_call>" in text


def wilson(k, n, z=1.96):
    if not n:
        return [0, 0]
    p, d = k / n, 1 + z * z / n
    c, h = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return [round((c - h) / d, 4), round((c + h) / d, 4)]


class Bench:
    """Tests as prompts; verdicts on completions."""

    def __init__(self, tok, data, n_test, seed=0):
        self.tok = tok
        train, held = embedded(data)
        R = random.Random(seed)
        self.train = R.sample(train, len(train))
        self.cases = [dict(r, suite="held_out") for r in R.sample(held, min(n_test, len(held)))]
        path = os.path.join(HERE, "build", "bfcl.json.xz")
        if os.path.exists(path):
            with lzma.open(path, "rt", encoding="utf-8") as f:
                self.cases += [dict(r, tools=plain_schema(r["tools"]), raw=r["tools"], suite="bfcl_" + r["category"]) for r in json.load(f)]
        for c in self.cases:
            c["prompt"] = self.prompt(c)
            c["ids"] = tok(c["prompt"], add_special_tokens=False)["input_ids"]
        self.skipped = sum(len(c["ids"]) > 1750 for c in self.cases)
        self.cases.sort(key=lambda c: len(c["ids"]))

    def prompt(self, row):
        return self.tok.apply_chat_template(row["messages"], tools=row["tools"], tokenize=False, add_generation_prompt=True)

    def encoded(self, rows, limit=1700):
        out = []
        for r in rows:
            p = self.tok(self.prompt(r), add_special_tokens=False)["input_ids"]
            a = self.tok(answer(r), add_special_tokens=False)["input_ids"]
            if len(p) + len(a) <= limit:
                out.append((p, a))
        return out

    def verdict(self, c, text):
        from stages.schema import Call, Example, Tool
        from stages.scoring import bfcl

        calls, attempted = parse(text)
        made = [Call(n, a) for n, a in calls]
        if c["suite"].startswith("bfcl_"):
            return bfcl.check(made, c["gold"], c["raw"], c["category"]).correct
        e = Example(
            c["id"], "embedded", c["messages"], [Tool(**t) for t in c["tools"]], [Call(**x) for x in c["calls"]] if c["calls"] else None, c["reply"]
        )
        if not c["calls"]:
            return not attempted
        return bfcl.check(made, bfcl.accepted(e), c["tools"], bfcl.category(e)).correct

    def score(self, model, new_tokens=288, batch=832):
        """({suite: {"n", "correct", "rate", "interval"}}, cases with their completions)."""
        dev, results = next(model.parameters()).device, {}
        for lo in range(0, len(self.cases), batch):
            b = [c for c in self.cases[lo : lo + batch] if len(c["ids"]) <= 1750]
            if not b:
                continue
            n = max(len(c["ids"]) for c in b)
            ids, mask = torch.zeros(len(b), n, dtype=torch.long), torch.zeros(len(b), n, dtype=torch.long)
            for i, c in enumerate(b):
                ids[i, n - len(c["ids"]) :] = torch.tensor(c["ids"])
                mask[i, n - len(c["ids"]) :] = 1
            with torch.no_grad():
                out = model.generate(
                    input_ids=ids.to(dev),
                    attention_mask=mask.to(dev),
                    max_new_tokens=new_tokens,
                    do_sample=False,
                    eos_token_id=[2, 0],
                    pad_token_id=0,
                )[:, n:].tolist()
            for c, o in zip(b, out):
                stop = next((i for i, t in enumerate(o) if t in (0, 2)), len(o))
                c["out"] = self.tok.decode(o[:stop])
        for c in self.cases:
            c["ok"] = self.verdict(c, c.get("out", ""))
            suites = [c["suite"]]
            if c["suite"] == "held_out":
                suites.append("held_out_" + (c["labels"]["kind"]))
                if c["calls"]:
                    suites.append("held_out_calls")
            for s in suites:
                r = results.setdefault(s, [0, 0])
                r[0] += 1
                r[1] += c["ok"]
        return {s: {"n": n, "correct": k, "rate": round(k / n, 4), "interval": wilson(k, n)} for s, (n, k) in sorted(results.items())}


def sample(rows, count, declines, R):
    """`count` rows, of which the share `declines` has no call: half of these lack a value, as far as there are such rows."""
    if declines is None:
        return R.sample(rows, min(count, len(rows)))
    kinds = {"call": [], "no_tool": [], "missing": []}
    for row in rows:
        kinds["call" if row["calls"] else row["labels"]["kind"] if row["labels"]["kind"] == "missing" else "no_tool"].append(row)
    half = round(count * declines / 2)
    missing = min(half, len(kinds["missing"]))
    none = min(2 * half - missing, len(kinds["no_tool"]))
    return [r for kind, n in (("missing", missing), ("no_tool", none), ("call", count - missing - none)) for r in R.sample(kinds[kind], n)]


def lora(model, data, steps, batch=16, lr=2e-3, rank=32, seed=0):
    """LoRA on all projections, completion-only loss; gives the merged model."""
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(seed)
    m = get_peft_model(
        model,
        LoraConfig(
            r=rank,
            lora_alpha=2 * rank,
            lora_dropout=0.0,
            target_modules=["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"],
        ),
    )
    m.train()
    ps, R, queue, losses = [p for p in m.parameters() if p.requires_grad], random.Random(seed), [], []
    opt, dev = torch.optim.AdamW(ps, lr=lr, weight_decay=0.0), next(m.parameters()).device
    for s in range(steps):
        if len(queue) < batch:
            queue += R.sample(data, len(data))
        rows, queue = queue[:batch], queue[batch:]
        n = max(len(p) + len(a) for p, a in rows)
        ids, lab, mask = torch.zeros(batch, n, dtype=torch.long), torch.full((batch, n), -100), torch.zeros(batch, n, dtype=torch.long)
        for i, (p, a) in enumerate(rows):
            k = len(p) + len(a)
            ids[i, :k], lab[i, len(p) : k], mask[i, :k] = torch.tensor(p + a), torch.tensor(a), 1
        for g in opt.param_groups:
            g["lr"] = lr * min(1, (s + 1) / 20) * max(0.02, 1 - s / steps)
        with torch.autocast(dev.type, dtype=torch.bfloat16, enabled=dev.type == "cuda"):
            loss = m(input_ids=ids.to(dev), attention_mask=mask.to(dev), labels=lab.to(dev)).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(ps, 1.0)
        opt.step()
        opt.zero_grad()
        losses.append(loss.item() if s % 10 == 0 else 0)
    return m.merge_and_unload()


def english_loss(model, tok):
    """Mean loss a token on the part of the novels that no training document holds."""
    from .corpus import mix

    text = mix.novels()[-120_000:]
    ids = torch.tensor(tok(text, add_special_tokens=False)["input_ids"])
    ids = ids[: len(ids) // 1024 * 1024].view(-1, 1024).to(next(model.parameters()).device)
    with torch.no_grad():
        return sum(model(input_ids=ids[i : i + 8], labels=ids[i : i + 8]).loss.item() * len(ids[i : i + 8]) for i in range(0, len(ids), 8)) / len(ids)


def main():
    from transformers import AutoModelForCausalLM, AutoTokenizer

    p = argparse.ArgumentParser()
    A = p.add_argument
    A("model")
    A("--out", required=True)
    A("--data", default=os.path.join(ROOT, "data", "embedded"))
    A("--rows", type=int, default=1500)
    A("--epochs", type=float, default=4)
    A("--tests", type=int, default=400)
    A("--seeds", type=int, default=1)
    A("--declines", type=float, help="share of the rows in which no call is right, half of them for lack of a value; default as the data has it")
    A("--lr", type=float, default=2e-3)
    A("--rank", type=int, default=32)
    A("--zero", action="store_true")
    A("--suites", default="", help="only suites whose name starts with one of these, comma-separated")
    A("--failures", type=int, default=400)
    o = p.parse_args()
    dev = "cuda" if torch.cuda.is_available() else "cpu"
    tok = AutoTokenizer.from_pretrained(o.model)

    def load():
        return AutoModelForCausalLM.from_pretrained(o.model, dtype=torch.float32).to(dev)

    bench, report, t0 = Bench(tok, o.data, o.tests), {"args": vars(o), "runs": []}, time.time()
    if o.suites:
        bench.cases = [c for c in bench.cases if c["suite"].startswith(tuple(o.suites.split(",")))]
    report["english_loss_base"] = english_loss(load(), tok)
    if o.zero:
        report["zero_shot"] = bench.score(load().to(torch.bfloat16 if dev == "cuda" else torch.float32).eval())
        print("zero-shot", {k: v["rate"] for k, v in report["zero_shot"].items()}, flush=True)
    for seed in range(o.seeds):
        rows = sample(bench.train, o.rows, o.declines, random.Random(seed))
        data = bench.encoded(rows)
        m = lora(load(), data, max(1, int(o.epochs * len(data) / 16)), lr=o.lr, rank=o.rank, seed=seed).eval()
        loss = english_loss(m, tok)
        r = bench.score(m.to(torch.bfloat16 if dev == "cuda" else torch.float32))
        report["runs"].append({"seed": seed, "rows": len(data), "english_loss": loss, "suites": r})
        print(
            f"seed {seed} {time.time() - t0:.0f}s skipped {bench.skipped} english {report['english_loss_base']:.3f}->{loss:.3f} "
            + " ".join(f"{k.replace('bfcl_', 'B:').replace('held_out', 'H')}={v['rate'] * 100:.1f}({v['n']})" for k, v in r.items()),
            flush=True,
        )
    fails = [
        {
            "suite": c["suite"],
            "kind": c.get("labels", {}).get("kind"),
            "query": c["messages"][-1]["content"][:500],
            "tools": [t["name"] for t in c["tools"]],
            "out": c.get("out", "")[:500],
            "gold": c.get("gold") or c.get("calls"),
        }
        for c in bench.cases
        if not c["ok"]
    ]
    random.Random(1).shuffle(fails)
    report["failures"] = fails[: o.failures]
    with open(o.out, "w", encoding="utf-8") as f:
        json.dump(report, f, ensure_ascii=False, indent=1)


if __name__ == "__main__":
    main()
