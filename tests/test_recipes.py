"""Recipes: every hyperparameter that they stand for is in the composition, each one loads at both scales, and one is run."""

import json
import subprocess
import sys

import pytest
import yaml

from stages.params import Params, parse
from tests import tiny
from tests.test_params import composed, names

SEVEN = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
FORMATS = {"model.name": "Qwen/Qwen2.5-1.5B-Instruct", "dataset.source": "embedded", "train.gradient_checkpointing": True, "train.lora.rank": 8,
           "train.lora.alpha": 8, "train.lora.dropout": 0.0}
HERMES = {
    "dataset.source": "hermes", "split.stratify": "complexity", "split.train": 100, "split.valid": 50, "split.test": 50, "model.quantize": "nf4",
    "train.lora.rank": 16, "train.lora.alpha": 32, "train.lora.dropout": 0.05, "train.batch_size": 4, "train.accumulation": 4,
    "train.learning_rate": 2e-4, "train.schedule": "cosine", "train.warmup": 0.05, "train.epochs": 3, "model.max_tokens": 2048,
    "model.dtype": "bfloat16", "suite_sizes.simple": 20, "suite_sizes.moderate": 20, "suite_sizes.complex": 10, "suite_sizes.default": 10}
GLAIVE = {
    "dataset.source": "glaive", "dataset.shuffle": 42, "split.train": 2500, "split.test": 200, "model.quantize": "nf4", "train.lora.rank": 16,
    "train.lora.alpha": 16, "train.lora.dropout": 0.0, "train.lora.targets": SEVEN, "train.batch_size": 2, "train.accumulation": 4,
    "train.warmup": 10, "train.steps": 120, "train.learning_rate": 2e-4, "train.optimizer": "adamw_8bit", "train.weight_decay": 0.01,
    "train.schedule": "linear", "train.packing": True, "model.max_tokens": 2048, "suite_sizes.default": 200}
# what each recipe is known by: a row of the table in docs/recipes.md
HYPERPARAMETERS = {
    "gemma-3-1b-mlx": {
        "model.name": "mlx-community/gemma-3-1b-it-4bit", "dataset.source": "xlam", "split.by": "random", "split.train": 800, "split.valid": 100,
        "split.test": 100, "suite_sizes.default": 100, "dialect": "markdown_json", "train.backend": "mlx", "predict.backend": "mlx",
        "train.lora.layers": 8, "train.steps": 500, "train.learning_rate": 1e-4, "train.batch_size": 2},
    "formats-1-manual-tags": FORMATS | {"dialect": "tool_tags", "train.completion_only_loss": False},
    "formats-2-tool-calls": FORMATS | {"dialect": "native", "train.completion_only_loss": False},
    "formats-3-completion-only": FORMATS | {"dialect": "native", "train.completion_only_loss": True},
    "phi-4-mini-hermes": HERMES | {"model.name": "microsoft/Phi-4-mini-instruct"},
    "llama-3.1-8b-hermes": HERMES | {"model.name": "meta-llama/Llama-3.1-8B-Instruct"},
    "phi-4-mini-structured": {"model.name": "microsoft/Phi-4-mini-instruct", "dataset.source": "xlam"},
    "qwen3-4b-base-qlora": {
        "model.name": "Qwen/Qwen3-4B-Base", "model.quantize": "nf4", "dataset.source": "xlam", "dialect": "query_answer", "split.by": "random",
        "split.test": 0.05, "subjects": ["base", "prompted", "tuned"], "train.lora.rank": 32, "train.lora.alpha": 64, "train.lora.dropout": 0.05,
        "train.lora.targets": SEVEN, "train.batch_size": 2, "train.accumulation": 4, "train.learning_rate": 1e-4, "train.schedule": "cosine",
        "train.warmup": 0.03, "train.epochs": 1, "model.max_tokens": 1024, "train.completion_only_loss": True,
        "train.gradient_checkpointing": True, "predict.max_new_tokens": 200},
    "qwen2.5-3b-glaive": GLAIVE | {"model.name": "Qwen/Qwen2.5-3B-Instruct", "dialect": "native"},
    "gemma-2-2b-glaive": GLAIVE | {"model.name": "google/gemma-2-2b-it", "dialect": "markdown_json"},
}


def at(mapping: dict, key: str):
    for part in key.split("."):
        mapping = mapping[part]
    return mapping


@pytest.mark.parametrize("recipe", HYPERPARAMETERS)
def test_every_hyperparameter_is_the_composed_one(recipe):
    made = composed(f"recipe={recipe}")
    assert {key: at(made, key) for key in HYPERPARAMETERS[recipe]} == HYPERPARAMETERS[recipe]
    typed = parse(made).model_dump()
    assert {key: at(typed, key) for key in HYPERPARAMETERS[recipe]} == HYPERPARAMETERS[recipe], "no value changes where it is read"


def test_the_three_formats_differ_in_one_thing_each():
    one, two, three = (composed(f"recipe={name}") for name in HYPERPARAMETERS if name.startswith("formats-"))
    assert one | {"recipe": "", "dialect": "native"} == two | {"recipe": ""}
    two["train"]["completion_only_loss"] = True
    assert two | {"recipe": ""} == three | {"recipe": ""}


def test_the_second_phase_of_hermes():
    for recipe in ("phi-4-mini-hermes", "llama-3.1-8b-hermes"):
        made = parse(composed(f"recipe={recipe}", "split.train=1000", "split.valid=200", "split.test=200")).split
        assert (made.train, made.valid, made.test, made.stratify) == (1000, 200, 200, "complexity")


def test_the_tuning_grid_is_eighteen_runs_that_load():
    """As `dvc exp run --queue` expands it."""
    from dvc.utils.hydra import get_hydra_sweeps

    grid = {"params.yaml": ["recipe=qwen2.5-3b-glaive", "train.steps=120,200,300", "train.learning_rate=0.0001,0.0002,0.0005",
                            "model.max_tokens=1024,2048"]}
    runs = {tuple(sweep["params.yaml"]) for sweep in get_hydra_sweeps(grid)}
    assert len(runs) == 18
    seen = {(p.train.steps, p.train.learning_rate, p.model.max_tokens) for p in (parse(composed(*run)) for run in runs)}
    assert len(seen) == 18


@pytest.mark.parametrize("recipe", names("recipe"))
def test_at_smoke_scale_only_the_size_changes(recipe):
    """The embedded model, few rows, steps and cases: all else is the recipe's."""
    full, smoke = parse(composed(f"recipe={recipe}")), parse(composed(f"recipe={recipe}", "scale=smoke"))
    assert (full.scale, smoke.scale) == ("full", "smoke")
    assert smoke.model.name == "models/embedded" and smoke.train.steps == 4 and smoke.suite_sizes["default"] == 4
    size = {"scale": ..., "model": {"name", "revision", "track", "dtype", "quantize"}, "dataset": {"path", "track", "limit", "shuffle", "min_kept"},
            "split": {"train", "valid", "test", "train_tokens"}, "suites": ..., "suite_sizes": ..., "train": {"steps", "save_every", "eval_every"},
            "predict": {"max_new_tokens"}, "format": {"max_rejected"}, "budget": {"text"}}
    one, other = (params.model_dump(exclude=size) for params in (full, smoke))
    assert one == other
    assert set(size) <= set(Params.model_fields)


def test_sample_rows_stand_in_for_the_sets_of_the_hub():
    for recipe in names("recipe"):
        full, smoke = composed(f"recipe={recipe}")["dataset"], composed(f"recipe={recipe}", "scale=smoke")["dataset"]
        if str(full["path"]).startswith("hf://"):
            assert smoke["path"] == smoke["track"] == f"data/samples/{full['source']}.jsonl"
            assert (tiny.ROOT / smoke["path"]).is_file()
        else:
            assert smoke["path"] == full["path"]


def test_a_path_of_ones_own_is_stronger_than_the_scale():
    assert composed("recipe=qwen3-4b-base-qlora", "scale=smoke", "dataset.path=mine.json")["dataset"]["path"] == "mine.json"


def test_every_recipe_says_how_it_is_started():
    for recipe in names("recipe"):
        text = (tiny.ROOT / f"conf/recipe/{recipe}.yaml").read_text(encoding="utf-8")
        assert f"dvc exp run -S recipe={recipe}" in text or "dvc repro" in text or "python -m experiments.formats" in text


def prepared(folder, model, *overrides):
    """A clone with a recipe's parameters and what is needed to run its stages one by one."""
    clone = tiny.clone(folder / "clone", model)
    (clone / "params.yaml").write_text(yaml.safe_dump(composed(*overrides)), encoding="utf-8")
    for name in ("data/samples", "models/embedded"):
        (clone / name).parent.mkdir(parents=True, exist_ok=True)
        (clone / name).symlink_to(tiny.ROOT / name)
    return clone


@pytest.mark.parametrize("recipe", ["qwen3-4b-base-qlora", "gemma-3-1b-mlx"])
def test_without_the_hub_the_run_ends_in_one_sentence(tmp_path, model, recipe):
    clone = prepared(tmp_path, model, f"recipe={recipe}")
    message = tiny.one_sentence(tiny.stage(clone, "curate", check=False))
    assert "xlam_function_calling_60k.json" in message and "dataset.path=data/raw/" in message, "which file, and how it is then found"
    (clone / "params.yaml").write_text(yaml.safe_dump(composed(f"recipe={recipe}", "dataset.path=data/samples/xlam.jsonl", "dataset.limit=50",
                                                               "dataset.shuffle=1", "dataset.min_kept=10")), encoding="utf-8")
    tiny.stage(clone, "curate")
    message = tiny.one_sentence(tiny.stage(clone, "format", check=False))
    assert composed(f"recipe={recipe}")["model"]["name"] in message and "download it and give the folder" in message


def test_stratified_rows_of_hermes(tmp_path, model):
    """Curate, format and split of a recipe on its own data format: the parts have what was asked, and about equal shares.

    Not quite equal ones, as a dialogue goes by its first turn; tests/test_split.py has rows that stand alone.
    """
    clone = prepared(tmp_path, model, "recipe=phi-4-mini-hermes", "scale=smoke", "split.train=100", "split.valid=20", "split.test=40",
                     "split.train_tokens=null", "suites=[simple,moderate,complex]")
    for stage in ("curate", "format", "split"):
        tiny.stage(clone, stage)
    labels = {part: [json.loads(line)["example"]["labels"] for line in (clone / f"data/split/{part}.jsonl").open()]
              for part in ("train", "valid", "test")}
    # JSON-mode rows have their own suite and are parted beside the others
    parts = {part: [one["complexity"] for one in rows if one["kind"] != "structured"] for part, rows in labels.items()}
    assert {part: len(rows) for part, rows in parts.items()} == {"train": 100, "valid": 20, "test": 40}
    for kind in ("simple", "moderate", "complex"):
        shares = [rows.count(kind) / len(rows) for rows in parts.values()]
        assert 0 < min(shares) and max(shares) - min(shares) < 0.15, kind


# --- sample rows ---------------------------------------------------------------------------------------------


def test_the_sample_rows_are_made_again_byte_for_byte(tmp_path):
    from authoring import samples

    samples.main(tmp_path)
    for name in samples.FORMATS:
        assert (tmp_path / f"{name}.jsonl").read_bytes() == (tiny.ROOT / f"data/samples/{name}.jsonl").read_bytes()
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 1_500_000


def test_no_sample_row_holds_a_held_out_tool():
    held = json.loads((tiny.ROOT / "data/embedded/held_out.json").read_text())
    for path in (tiny.ROOT / "data/samples").glob("*.jsonl"):
        text = path.read_text(encoding="utf-8").replace("\\", "")
        assert not [name for name in held if f'"name": "{name}"' in text], path.name


# --- runs ----------------------------------------------------------------------------------------------------


def run(module: str, *arguments: str) -> str:
    done = subprocess.run([sys.executable, "-m", module, *arguments], cwd=tiny.ROOT, env=tiny.environment(tiny.ROOT), capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def test_a_recipe_runs_at_smoke_scale(tmp_path):
    """The raw prompt of a base model, through all stages with a real `dvc exp run`; benchmarks.smoke runs the others in the same way."""
    from benchmarks import smoke

    (tmp_path / "clone").mkdir()
    made = smoke.run("qwen3-4b-base-qlora", tmp_path / "clone", "subjects=[base,tuned]", "train.steps=1")
    assert made["exit"] == 0 and set(made["summary"]["exact_match"]) == {"calls"}
    assert yaml.safe_load((tmp_path / "clone/params.yaml").read_text())["recipe"] == "qwen3-4b-base-qlora"
    assert "</answer>" in (tmp_path / "clone/data/suites/calls.jsonl").read_text()
    assert json.loads((tmp_path / "clone/models/tuned/adapter_config.json").read_text())["r"] == 32
    assert "| qwen3-4b-base-qlora | 0 |" in smoke.table({"qwen3-4b-base-qlora": made})


def test_shapes_at_tiny_scale():
    said = run("benchmarks.shapes", "gemma-3-1b-mlx", "--scale", "tiny", "--steps", "2")
    made = json.loads(said[said.index("{") :])
    assert made["steps"] == 2 and made["rows_a_step"] == 2 and made["peak_gib"] > 0 and made["tokens_per_second"] > 0
