"""The mixture: sources with their shares, documents as segments, token shards.

    python -m pretrain.corpus.mix OUT --workers 14 --rows 64000000 --tokenizer FILE

A shard is a uint16 array: token id, plus 0x8000 where the token carries full loss weight. Written to a
temporary name and renamed, so a reader never sees half of one.
"""

import argparse
import json
import lzma
import os
import random
import time
from functools import lru_cache

import numpy as np
import yaml

from . import augment, concepts, drills, guard, procedural, real, rename, render
from . import lexicon as L

FLAG = 0x8000


@lru_cache(None)
def novels():
    path = os.path.join(L.BUILD, "novels.txt.xz")
    if not os.path.exists(path):
        return "It was a bright cold day in the valley, and the clocks were striking noon. " * 200
    with lzma.open(path, "rt", encoding="utf-8") as f:
        return f.read().replace("\x1e", "\n")


def novel(R, part=(0, 0.97)):
    """A stretch of a novel; the last 3 % are kept for validation."""
    text = novels()
    lo, hi = int(len(text) * part[0]), int(len(text) * part[1]) - 3200
    s = R.randrange(lo, max(lo + 1, hi))
    return [(text[s : s + R.randint(800, 3000)], 1)]


TASKS = {
    "procedural": (procedural.sample, 0.25),
    "concepts": (concepts.task, 0.6),
    "library": (real.library, 0.5),
    "sgd": (real.sgd, 0.6),
    "snips": (real.snips, 0.8),
    "seal": (real.rows_of("seal"), 0.9),
    "droidcall": (real.rows_of("droidcall"), 0.85),
    "glaive": (real.rows_of("glaive"), 0.5),
    "api_bank": (real.rows_of("api_bank"), 0.9),
}
TEXTS = {"novel": novel, "sgd_text": real.sgd_text, "drills": drills.document, "choose": concepts.choose}


def weights(path=None):
    """{source: share of documents} of params.yaml; sources without material drop out."""
    with open(path or os.path.join(L.HERE, "params.yaml"), encoding="utf-8") as f:
        w = dict(yaml.safe_load(f)["mix"])
    have = real.load()
    for k in ("sgd", "snips", "seal", "droidcall", "glaive", "api_bank", "library", "sgd_text"):
        if k in w and not have.get({"sgd_text": "sgd"}.get(k, k)):
            w.pop(k)
    if not concepts.load()[0]:
        w.pop("concepts", None)
        w.pop("choose", None)
    return w


def task(source, R):
    """A guarded, renamed Task of a tool source, or None."""
    make, share = TASKS[source]
    t = make(R)
    if t is None or not t.turns:
        return None
    if source in ("concepts", "library", "sgd"):
        t = augment.apply(t, R)
    t = rename.apply(t, R, share)
    return t if guard.passes(t) else None


def segments(source, R):
    """[(text, is_answer)] of one document, or None."""
    if source in TEXTS:
        return TEXTS[source](R)
    t = task(source, R)
    return render.document(t, R) if t else None


def stream(seed, mix=None):
    """Endless (source, segments)."""
    R, mix = random.Random(seed), mix or weights()
    names, shares = list(mix), list(mix.values())
    while True:
        s = R.choices(names, shares)[0]
        x = segments(s, R)
        if x:
            yield s, x


def encode(tokenizer, docs):
    """[segments] -> one uint16 array per document, `<|endoftext|>` (id 0) behind it."""
    texts = [t for d in docs for t, _ in d]
    ids = iter(tokenizer.encode_batch_fast(texts, add_special_tokens=False))
    out = []
    for d in docs:
        o = []
        for _, w in d:
            x = next(ids).ids
            o += [i | FLAG for i in x] if w else x
        o.append(FLAG)
        out.append(np.array(o, dtype=np.uint16))
    return out


def worker(folder, tokenizer_file, seed, shard_tokens, quota, ahead):
    """Writes shards until `quota` tokens; waits while more than `ahead` shards of this worker lie unread."""
    from tokenizers import Tokenizer

    tok, docs, have, written, k = Tokenizer.from_file(tokenizer_file), [], [], 0, 0
    counts, t0 = {}, time.time()
    for source, d in stream(seed):
        docs.append(d)
        if len(docs) < 64:
            counts[source] = counts.get(source, 0) + sum(len(t) for t, _ in d)
            continue
        counts[source] = counts.get(source, 0) + sum(len(t) for t, _ in d)
        have += encode(tok, docs)
        docs = []
        if sum(map(len, have)) >= shard_tokens:
            a = np.concatenate(have)
            have = []
            name = os.path.join(folder, f"shard_{seed}_{k:05d}")
            a.tofile(name + ".tmp")
            os.rename(name + ".tmp", name + ".bin")
            written += len(a)
            k += 1
            with open(os.path.join(folder, f"worker_{seed}.json"), "w", encoding="utf-8") as f:
                json.dump({"tokens": written, "seconds": time.time() - t0, "characters": counts, "guard": dict(guard.COUNTS)}, f)
            if written >= quota:
                return
            while sum(x.startswith(f"shard_{seed}_") and x.endswith(".bin") for x in os.listdir(folder)) > ahead:
                time.sleep(0.2)


def main():
    import multiprocessing as mp

    p = argparse.ArgumentParser()
    p.add_argument("folder")
    p.add_argument("--tokenizer", required=True)
    p.add_argument("--workers", type=int, default=2)
    p.add_argument("--seed", type=int, default=1000)
    p.add_argument("--shard", type=int, default=1_000_000)
    p.add_argument("--tokens", type=float, default=1e7, help="in all")
    p.add_argument("--ahead", type=int, default=10_000)
    a = p.parse_args()
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    os.makedirs(a.folder, exist_ok=True)
    ps = [
        mp.get_context("spawn").Process(target=worker, args=(a.folder, a.tokenizer, a.seed + i, a.shard, a.tokens / a.workers, a.ahead))
        for i in range(a.workers)
    ]
    [x.start() for x in ps]
    [x.join() for x in ps]


if __name__ == "__main__":
    main()
