"""Training by the clock: reads shards as the workers write them, resumable, warm-up / stable / decay.

    python -m pretrain.train --shape d320 --data SHARDS --out OUT --seconds 80 [--resume CKPT] [--final]

Fresh rows are used first; when the GPU is ahead of the workers, rows are used again and the log says how
often. The rate is constant after the warm-up and falls to zero over the last `--decay` share of
`--seconds` when `--final` is given (a decayed checkpoint beside the resumable one when `--branch`).
"""

import argparse
import faulthandler
import glob
import json
import os
import time

import numpy as np
import torch

from . import model as M
from . import optim

torch._dynamo.config.recompile_limit = 64
PEAK = 790e12  # bf16 FLOP/s measured on the H200


class Rows:
    """A token buffer on the device; rows of T + 1 tokens, stride T."""

    def __init__(self, folder, T, device, capacity, delete):
        self.folder, self.T, self.dev, self.delete = folder, T, device, delete
        self.buf = torch.empty(capacity, dtype=torch.int16, device=device)
        self.n, self.seen, self.fresh, self.old, self.repeats = 0, set(), [], [], 0
        self.rng = np.random.default_rng(0)

    def scan(self, limit=64):
        new = [x for x in glob.glob(os.path.join(self.folder, "*.bin")) if x not in self.seen]
        for path in sorted(new, key=os.path.getmtime)[:limit]:
            a = np.fromfile(path, dtype=np.uint16).view(np.int16)
            self.seen.add(path)
            if self.delete:
                os.remove(path)
            if self.n + len(a) > len(self.buf):
                self.n, self.old = 0, []  # start over; the oldest are forgotten
            self.buf[self.n : self.n + len(a)] = torch.from_numpy(a).to(self.dev)
            starts = self.n + np.arange((len(a) - 1) // self.T) * self.T
            self.fresh.extend(starts.tolist())
            self.n += len(a)

    def batch(self, size):
        if len(self.fresh) > size * 2 or not self.old:
            pick = self.rng.integers(0, len(self.fresh), size)
            pick = np.unique(pick)
            while len(pick) < size:
                pick = np.unique(np.append(pick, self.rng.integers(0, len(self.fresh), size - len(pick))))
            starts = [self.fresh[i] for i in pick]
            for i in sorted(pick.tolist(), reverse=True):
                self.fresh[i] = self.fresh[-1]
                self.fresh.pop()
            self.old.extend(starts)
        else:
            starts = [self.old[i] for i in self.rng.integers(0, len(self.old), size)]
            self.repeats += size
        i = torch.tensor(starts, device=self.dev)[:, None] + torch.arange(self.T + 1, device=self.dev)
        return self.buf[i]


def split(rows, weight):
    """int16 rows [B, T + 1] -> ids, targets, weights."""
    answer = rows < 0
    ids = (rows.int() & 0x7FFF).long()
    return ids[:, :-1], ids[:, 1:], torch.where(answer[:, 1:], 1.0, weight)


def validation(model, tokenizer_file, T, device, weight, rows=8):
    """Mean loss of answer tokens by source, on documents of seeds that no worker uses."""
    from tokenizers import Tokenizer

    from .corpus import mix

    tok, R, out = Tokenizer.from_file(tokenizer_file), __import__("random").Random(990_001), {}
    for s in mix.weights():
        parts, n = [], 0
        while n < rows * T + 1:
            d = mix.novel(R, (0.97, 1)) if s == "novel" else mix.segments(s, R)
            if d:
                parts += mix.encode(tok, [d])
                n += len(parts[-1])
        a = torch.from_numpy(np.concatenate(parts)[: rows * T + 1].view(np.int16).copy()).to(device)
        x, y, w = split(a.unfold(0, T + 1, T), 0.0)
        with torch.no_grad(), torch.autocast(device, dtype=torch.bfloat16, enabled=device == "cuda"):
            out[s] = round(model(x, y, w).item(), 4)
    return out


def arguments():
    p = argparse.ArgumentParser()
    A = p.add_argument
    A("--shape", default="d320")
    A("--data", required=True)
    A("--out", required=True)
    A("--tokenizer", required=True)
    A("--seconds", type=float, default=60)
    A("--batch", type=int, default=256)
    A("--length", type=int, default=1024)
    A("--lr", type=float, default=4e-3)
    A("--optimizer", default="muon")
    A("--weight", type=float, default=0.15, help="loss weight of prompt tokens")
    A("--warmup", type=int, default=150)
    A("--decay", type=float, default=0.3)
    A("--final", action="store_true")
    A("--resume", help="checkpoint with optimiser state")
    A("--init", help="weights only (safetensors)")
    A("--counters", help="JSON with the counters of the earlier stretches, for --init")
    A("--capacity", type=float, default=1.6e9)
    A("--delete", action="store_true")
    A("--min-rows", type=int, default=2000)
    A("--validate", action="store_true")
    A("--save-every", type=float, default=1e9)
    A("--watchdog", type=float, default=1e6, help="seconds within which 20 steps must be done")
    A("--max-steps", type=int, default=10**9)
    return p.parse_args()


def save_stable(path, model, meta):
    """bf16 weights before the anneal, from which the next round goes on; the counters beside them."""
    from safetensors.torch import save_file

    save_file({k: v.detach().to(torch.bfloat16).cpu().contiguous() for k, v in model.state_dict().items()}, path)
    with open(path + ".json", "w", encoding="utf-8") as f:
        json.dump(meta, f)
    return True


def save(path, model, opts, meta):
    torch.save({"model": model.state_dict(), "opts": [o.state_dict() for o in opts], "meta": meta}, path + ".tmp")
    os.replace(path + ".tmp", path)


def main():
    o = arguments()
    faulthandler.dump_traceback_later(o.watchdog, exit=True)  # a start that hangs must not eat the lease
    dev = "cuda" if torch.cuda.is_available() else "cpu"
    torch.manual_seed(0)
    torch.set_float32_matmul_precision("high")
    os.makedirs(o.out, exist_ok=True)
    model = M.Model(o.shape).to(dev)
    opts = optim.build(model, o.optimizer, o.lr)
    meta = {"tokens": 0, "steps": 0, "unique": 0, "repeats": 0, "log": []}
    if o.resume:
        ck = torch.load(o.resume, map_location=dev, weights_only=True)
        model.load_state_dict(ck["model"])
        [x.load_state_dict(s) for x, s in zip(opts, ck["opts"])]
        meta = ck["meta"]
        for x in opts:
            for g in x.param_groups:
                g["peak"] = o.lr
    if o.init:
        from safetensors.torch import load_file

        model.load_state_dict({k: v.float() for k, v in load_file(o.init).items()}, strict=False)
        if o.counters:
            with open(o.counters, encoding="utf-8") as f:
                meta.update(json.load(f))
    if dev == "cuda":
        model.compile()
    rows, wait = Rows(o.data, o.length, dev, int(o.capacity), o.delete), time.time()
    while len(rows.fresh) < o.min_rows:
        rows.scan()
        time.sleep(0.2)
    print(f"data after {time.time() - wait:.1f}s", flush=True)
    wait, t0, first, losses, mark, stable = time.time() - wait, time.time(), meta["steps"], [], None, False
    fpt, saved = model.flops_per_token(o.length), time.time()
    while True:
        elapsed = time.time() - t0
        part = elapsed / o.seconds
        if part >= 1 or meta["steps"] - first >= o.max_steps:
            break
        f = min(1, (meta["steps"] - first + 1) / o.warmup)
        if o.final and part > 1 - o.decay:
            if not stable:
                stable = save_stable(os.path.join(o.out, "stable.safetensors"), model, meta)
            f *= max(0.0, (1 - part) / o.decay)
        for x in opts:
            for g in x.param_groups:
                g["lr"] = g["peak"] * f
        ids, y, w = split(rows.batch(o.batch), o.weight)
        with torch.autocast(dev, dtype=torch.bfloat16, enabled=dev == "cuda"):
            loss = model(ids, y, w)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for x in opts:
            x.step()
            x.zero_grad(set_to_none=True)
        meta["steps"] += 1
        meta["tokens"] += ids.numel()
        losses.append(loss.detach())
        k = meta["steps"] - first
        if k % 10 == 0:
            rows.scan(24)
            if dev == "cuda" and k % 20 == 0:
                torch.cuda.synchronize()
        if k == 20:
            faulthandler.cancel_dump_traceback_later()
            faulthandler.dump_traceback_later(o.seconds + 100, exit=True)
            mark = (time.time(), meta["tokens"])
            print(f"first 20 steps {time.time() - t0:.1f}s, waited {wait:.1f}s for data", flush=True)
        if k % 200 == 0:
            v = torch.stack(losses[-100:]).mean().item()
            rate = (meta["tokens"] - mark[1]) / (time.time() - mark[0])
            meta["log"].append([meta["steps"], meta["tokens"], round(v, 4)])
            print(
                f"{meta['steps']} {elapsed:.0f}s loss {v:.4f} {rate / 1e6:.2f}M tok/s MFU {rate * fpt / PEAK * 100:.1f}% "
                f"fresh rows {len(rows.fresh)} repeats {rows.repeats * o.length / 1e6:.0f}M lr {f:.3f}",
                flush=True,
            )
        if time.time() - saved > o.save_every:
            save(os.path.join(o.out, "ckpt.pt"), model, opts, meta)
            saved = time.time()
    if dev == "cuda":
        torch.cuda.synchronize()
    rate = (meta["tokens"] - mark[1]) / max(1e-9, time.time() - mark[0]) if mark else 0
    meta["unique"] += rows.n
    meta["repeats"] += rows.repeats * o.length
    last = torch.stack(losses[-100:]).mean().item()
    save(os.path.join(o.out, "ckpt.pt"), model, opts, meta)
    report = {
        "args": {k: v for k, v in vars(o).items() if k not in ("data", "out", "resume", "tokenizer")},
        "parameters": sum(p.numel() for p in model.parameters()),
        "steps": meta["steps"],
        "tokens": meta["tokens"],
        "tokens_this_run": meta["steps"] - first and (meta["steps"] - first) * o.batch * o.length,
        "tokens_per_second": rate,
        "mfu_of_790_tflops": rate * fpt / PEAK,
        "loss": last,
        "repeated_tokens": meta["repeats"],
        "log": meta["log"],
    }
    if o.validate:
        model.run_block, model.run_head = M.Block.forward, M.head_loss
        report["validation"] = validation(model, o.tokenizer, o.length, dev, o.weight)
    with open(os.path.join(o.out, "train.json"), "w", encoding="utf-8") as f:
        json.dump(report, f, indent=1)
    here = os.path.dirname(os.path.abspath(__file__))
    size = M.export(
        {k: v.cpu() for k, v in model.state_dict().items()},
        o.shape,
        os.path.join(o.out, "hf"),
        os.path.dirname(o.tokenizer),
        os.path.join(os.path.dirname(here), "models", "embedded", "chat_template.jinja"),
    )
    print(
        f"DONE {o.shape} {report['parameters'] / 1e6:.2f}M steps {meta['steps']} tokens {meta['tokens'] / 1e6:.0f}M "
        f"{rate / 1e6:.2f}M tok/s MFU {rate * fpt / PEAK * 100:.1f}% loss {last:.4f} file {size / 1e6:.1f}MB {report.get('validation', '')}",
        flush=True,
    )


if __name__ == "__main__":
    main()
