"""Shapes against each other at equal training time, then more time for the best.

python -m pretrain.ab OUT --shapes d320,d256,d384 --seconds 70 --rest 100
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))


def start_workers(folder, tokenizer, n, tokens, seed, ahead=10_000):
    """The corpus workers, as one background process."""
    return subprocess.Popen(
        [
            sys.executable,
            "-m",
            "pretrain.corpus.mix",
            folder,
            "--tokenizer",
            tokenizer,
            "--workers",
            str(n),
            "--tokens",
            str(tokens),
            "--seed",
            str(seed),
            "--ahead",
            str(ahead),
        ],
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def stop(pool):
    """Ends the workers, which are children of the process that was started."""
    os.killpg(pool.pid, signal.SIGTERM)


def train(*args):
    subprocess.run([sys.executable, "-m", "pretrain.train", *map(str, args)], check=True)


def evaluate(*args):
    subprocess.run([sys.executable, "-m", "pretrain.evaluate", *map(str, args)], check=True)


def points(path):
    """Mean of exact calls on held-out tools and on BFCL simple."""
    with open(path, encoding="utf-8") as f:
        s = json.load(f)["runs"][0]["suites"]
    return (s["held_out_calls"]["rate"] + s["bfcl_simple_python"]["rate"]) / 2


def main():
    p = argparse.ArgumentParser()
    A = p.add_argument
    A("out")
    A("--work", default="/tmp/pretrain_ab")
    A("--tokenizer", default=os.path.join(HERE, "build", "tokenizer", "tokenizer.json"))
    A("--shapes", default="d320,d256,d384")
    A("--optimizer", default="muon")
    A("--lr", default="4e-3")
    A("--seconds", type=float, default=70)
    A("--limit", type=float, default=560, help="seconds for all")
    A("--workers", type=int, default=14)
    o = p.parse_args()
    t0, scores, data = time.time(), {}, os.path.join(o.work, "shards")
    os.makedirs(data, exist_ok=True)
    pool = start_workers(data, o.tokenizer, o.workers, 4e9, 1000)
    common = ["--data", data, "--tokenizer", o.tokenizer, "--lr", o.lr, "--optimizer", o.optimizer]
    try:
        for s in o.shapes.split(","):
            train("--shape", s, "--out", f"{o.work}/{s}", "--seconds", o.seconds, "--final", "--validate", *common)
            evaluate(
                f"{o.work}/{s}/hf",
                "--out",
                f"{o.work}/{s}/eval.json",
                "--rows",
                1000,
                "--epochs",
                3,
                "--tests",
                300,
                "--suites",
                "held_out,bfcl_simple,bfcl_irr",
            )
            scores[s] = points(f"{o.work}/{s}/eval.json")
            os.system(f"cp {o.work}/{s}/eval.json {o.out}/eval_{s}.json")
            print("AB", s, round(scores[s], 4), f"at {time.time() - t0:.0f}s", flush=True)
        best = max(scores, key=scores.get)
        rest = o.limit - (time.time() - t0) - 85
        print("best", best, "more seconds", round(rest), flush=True)
        if rest > 40:
            train(
                "--shape",
                best,
                "--out",
                f"{o.work}/first",
                "--seconds",
                rest,
                "--final",
                "--resume",
                f"{o.work}/{best}/ckpt.pt",
                "--validate",
                *common,
            )
            os.system(f"split -b 12M -d {o.work}/first/hf/model.safetensors {o.out}/model.part; cp {o.work}/first/train.json {o.out}/train.json")
            evaluate(f"{o.work}/first/hf", "--out", f"{o.out}/eval_first.json", "--rows", 1500, "--epochs", 3, "--tests", 400)
    finally:
        stop(pool)
    os.system(f"cat {data}/worker_1000.json")


if __name__ == "__main__":
    main()
