"""One stretch of training on a GPU machine: workers, training, evaluation, everything worth keeping in OUT.

    python -m pretrain.session OUT --seconds 430 --final --seeds 1 [--init W] [--resume CKPT]

Files come back in pieces of 14 MiB; `cat model.part* > model.safetensors` joins them.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time

from .ab import HERE, evaluate, start_workers, stop, train


def pieces(path, prefix):
    os.system(f"split -b 14680064 -d {path} {prefix}.part")


def main():
    p = argparse.ArgumentParser()
    A = p.add_argument
    A("out")
    A("--work", default="/tmp/pretrain_session")
    A("--shape", default="d384x8")
    A("--seconds", type=float, default=400)
    A("--workers", type=int, default=14)
    A("--seed", type=int, default=2000)
    A("--tests", type=int, default=400)
    A("--seeds", type=int, default=1)
    A("--rows", type=int, default=1500)
    A("--epochs", type=float, default=3)
    A("--zero", action="store_true")
    A("--no-eval", action="store_true")
    A("--keep-stable", action="store_true", help="bring back the weights from before the anneal, too")
    o, rest = p.parse_known_args()
    data, run, tok = f"{o.work}/shards_{o.seed}", f"{o.work}/run", os.path.join(HERE, "build", "tokenizer", "tokenizer.json")
    shutil.rmtree(data, ignore_errors=True)
    os.makedirs(data)
    t0, pool = time.time(), start_workers(data, tok, o.workers, 1e11, o.seed, ahead=60)
    try:
        command = ["--shape", o.shape, "--data", data, "--out", run, "--tokenizer", tok, "--delete", "--validate", "--watchdog", 100, *rest]
        try:
            train("--seconds", o.seconds, *command)
        except subprocess.CalledProcessError:
            if time.time() - t0 > 150:
                raise
            print("second start, compiling in one thread", flush=True)
            os.environ["TORCHINDUCTOR_COMPILE_THREADS"] = "1"
            train("--seconds", o.seconds - (time.time() - t0), *command)
    finally:
        stop(pool)
    print(f"trained at {time.time() - t0:.0f}s", flush=True)
    stats = [json.load(open(os.path.join(data, f), encoding="utf-8")) for f in os.listdir(data) if f.startswith("worker_")]
    total = {"tokens": sum(s["tokens"] for s in stats), "characters": {}, "guard": {}}
    for s in stats:
        for part in ("characters", "guard"):
            for k, v in s[part].items():
                total[part][k] = total[part].get(k, 0) + v
    with open(f"{run}/train.json", encoding="utf-8") as f:
        report = json.load(f)
    report["corpus"] = total
    with open(f"{o.out}/train.json", "w", encoding="utf-8") as f:
        json.dump(report, f)
    pieces(f"{run}/hf/model.safetensors", f"{o.out}/model")
    if o.keep_stable:
        pieces(f"{run}/stable.safetensors", f"{o.out}/stable")
    if not o.no_eval:
        evaluate(
            f"{run}/hf",
            "--out",
            f"{o.out}/eval.json",
            "--rows",
            o.rows,
            "--epochs",
            o.epochs,
            "--tests",
            o.tests,
            "--seeds",
            o.seeds,
            *(["--zero"] if o.zero else []),
        )
    print(f"end at {time.time() - t0:.0f}s", flush=True)


if __name__ == "__main__":
    sys.exit(main())
