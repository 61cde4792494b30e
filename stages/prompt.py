"""prompt: the base model's best prompt, as a subject of its own: instructions and solved training rows.

    python -m stages.prompt     ->  models/prompted/subject.json

Examples come from training rows alone, the shortest of a random fifty of each kind, so that the prompt stays small. Training rows
answered with a JSON object give as many again, which only such cases are shown.
"""

from stages.console import main_guard, say
from stages.errors import StageError
from stages.files import read_jsonl, write_json
from stages.params import Params, load
from stages.rank import rank
from stages.structured import KIND as STRUCTURED

KINDS = ("single", "no_tool", "parallel", "multiple")  # in this order, again from the first when more are asked


def choose(rows: list[dict], params: Params) -> list[dict]:
    """Example JSON of `prompted.shots` training rows of one turn. Raises StageError when there are too few."""
    pools = {kind: [] for kind in (*KINDS, STRUCTURED)}
    for row in sorted(rows, key=lambda row: rank(params.seed, row["id"])):
        labels = row["example"]["labels"]
        if labels["turns"] == "single" and len(pools.get(labels["kind"], range(50))) < 50:
            pools[labels["kind"]].append(row)
    ordered = [sorted(pool, key=lambda row: row["prompt_tokens"] + row["completion_tokens"]) for pool in pools.values()]
    chosen = [pool[turn] for turn in range(params.prompted.shots) for pool in ordered[:-1] if turn < len(pool)]
    structured = ordered[-1]
    if (most := max(len(chosen), len(structured))) < params.prompted.shots:
        raise StageError(f"prompted.shots is {params.prompted.shots}, but only {most} training rows can serve: lower it.")
    return [row["example"] for row in chosen[: params.prompted.shots] + structured[: params.prompted.shots]]


@main_guard
def main() -> None:
    params = load()
    shots = choose(list(read_jsonl("data/split/train.jsonl")), params)
    write_json("models/prompted/subject.json", {"adapter": None, "instructions": params.prompted.instructions, "shots": shots})
    say(f"prompt: {len(shots)} examples from the training rows (models/prompted/subject.json)")


if __name__ == "__main__":
    main()
