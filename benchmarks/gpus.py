"""The same training on 1, 2 and 4 GPUs of one machine, through torchrun.

    python -m benchmarks.gpus --most 4            # ->  benchmarks/results/gpus.json
    python -m benchmarks.gpus --scale tiny        # 1 and 2 processes on any CPU: that it runs, not that it is faster

Rows a step grow with the GPUs (56 each), so that each has as much to do; real tokens a second over all of them.
"""

from benchmarks import _common, training

COUNTS = (1, 2, 4, 8)


def on(count: int):
    def contender(options) -> dict:
        return training.ours(options, **{"train.batch_size": training.BIG[options.scale] * count})

    return contender


def main() -> None:
    parser = _common.arguments(__doc__.splitlines()[0], steps=10, warmup=5, gib=0.0, most=4)
    parser.add_argument("--quantize", choices=("none", "nf4"), default="none")
    options = parser.parse_args()
    most = 2 if options.scale == "tiny" else options.most
    counts = [count for count in COUNTS if count <= most]
    before = {f"{count} GPUs": ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={count}"] for count in counts}
    found = _common.contend("benchmarks.gpus", options, {f"{count} GPUs": on(count) for count in counts}, before)
    ratios = {}
    for count in counts[1:]:
        ratios |= _common.ratio(found, f"{count} GPUs", "1 GPUs", "tokens_per_second")
    _common.record(options, "gpus", "LoRA at the 4B shape on several GPUs", found, ratios)


if __name__ == "__main__":
    main()
