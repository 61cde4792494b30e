"""Parameters: what no stage could honour is refused in one sentence, and every file of conf/ composes into usable ones."""

from pathlib import Path

import pytest
import yaml

from stages import params
from stages.errors import ParamsError
from tests.tiny import ROOT, raw_params


def refusal(raw) -> str:
    """The message with which a mapping is refused; one sentence."""
    with pytest.raises(ParamsError) as error:
        params.parse(raw)
    message = str(error.value)
    assert "\n" not in message and message.endswith(".") and message.count(". ") == 0, message
    return message


def test_the_tiny_parameters_are_usable():
    assert params.parse(raw_params()).train.lora.rank == 4


# key, value, what the message must hold besides both
OUT_OF_RANGE = [
    ("seed", -1, "greater than or equal to 0"),
    ("seed", "many", "integer"),
    ("dataset.limit", 0, "greater than or equal to 1"),
    ("dataset.min_kept", 0, "greater than or equal to 1"),
    ("dataset.path", 7, "string"),
    ("model.dtype", "int8", "'auto', 'float32', 'bfloat16' or 'float16'"),
    ("model.quantize", "fp4", "'none' or 'nf4'"),
    ("model.max_tokens", 63, "greater than or equal to 64"),
    ("format.max_rejected", 1.01, "less than or equal to 1"),
    ("format.max_rejected", -0.1, "greater than or equal to 0"),
    ("split.by", "date", "'tool', 'cluster', 'group' or 'random'"),
    ("split.similarity", 0, "greater than 0"),
    ("split.similarity", 1.5, "less than or equal to 1"),
    ("contamination.ngram", 2, "greater than or equal to 3"),
    ("split.test", -0.1, "greater than or equal to 0"),
    ("dataset.shuffle", -1, "greater than or equal to 0"),
    ("train.lora.layers", 0, "greater than or equal to 1"),
    ("split.valid", -1, "greater than or equal to 0"),
    ("split.train", 0, "greater than or equal to 1"),
    ("suite_sizes.default", 0, "greater than or equal to 1"),
    ("gate.valid", 1.2, "less than or equal to 1"),
    ("gate.domain_cases", 0, "greater than or equal to 1"),
    ("cost.hour", -1, "greater than or equal to 0"),
    ("prompted.shots", 9, "less than or equal to 8"),
    ("prompted.shots", 1.5, "integer"),
    ("train.lora.rank", 0, "greater than or equal to 1"),
    ("train.lora.rank", 513, "less than or equal to 512"),
    ("train.lora.alpha", 0, "greater than 0"),
    ("train.lora.alpha", float("inf"), "finite"),
    ("train.lora.dropout", 1, "less than 1"),
    ("train.lora.dora", "perhaps", "boolean"),
    ("train.learning_rate", 0, "greater than 0"),
    ("train.learning_rate", 1, "less than 1"),
    ("train.learning_rate", float("nan"), "finite"),
    ("train.schedule", "step", "'linear', 'cosine', 'constant' or 'constant_with_warmup'"),
    ("train.warmup", -1, "greater than or equal to 0"),
    ("train.epochs", 0, "greater than 0"),
    ("train.steps", 0, "greater than or equal to 1"),
    ("train.batch_size", 0, "greater than or equal to 1"),
    ("train.accumulation", -3, "greater than or equal to 1"),
    ("train.weight_decay", -0.1, "greater than or equal to 0"),
    ("train.max_grad_norm", 0, "greater than 0"),
    ("train.optimizer", "sgd", "adafactor"),
    ("train.save_every", 0, "10"),
    ("train.save_every", 25, "multiple of 10"),
    ("train.eval_every", 0, "greater than or equal to 1"),
    ("train.attention", "flash", "'auto', 'flex', 'varlen' or 'rows'"),
    ("train.batch_tokens", 63, "greater than or equal to 64"),
    ("train.launcher.engine", "mpirun", "'none', 'torchrun' or 'accelerate'"),
    ("train.launcher.processes", 0, "greater than or equal to 1"),
    ("predict.max_new_tokens", 0, "greater than or equal to 1"),
    ("predict.batch_tokens", 255, "greater than or equal to 256"),
]


@pytest.mark.parametrize("key,value,allowed", OUT_OF_RANGE, ids=[f"{key}={value}" for key, value, _ in OUT_OF_RANGE])
def test_a_value_out_of_range_is_refused_by_name(key, value, allowed):
    message = refusal(raw_params(**{key: value}))
    assert f"{key} is {value!r}" in message and allowed in message


UNKNOWN = ["rate", "dataset.file", "model.nmae", "format.strict", "split.seed", "prompted.examples", "gate.exact", "cost.euros", "train.lr",
           "train.lora.r", "predict.beams"]


@pytest.mark.parametrize("key", UNKNOWN)
def test_an_unknown_key_is_refused_by_name(key):
    message = refusal(raw_params(**{key: 1}))
    assert f"{key} is not a known parameter" in message and "conf/config.yaml" in message


def test_a_missing_key_is_refused_by_name():
    raw = raw_params()
    del raw["model"]["name"]
    assert "model.name is missing" in refusal(raw)


MEMBERS = [("dialect", "formats", "tool_tags"), ("dataset.source", "sources", "seal_tools"), ("train.backend", "trainers", "hf"),
           ("predict.backend", "generators", "hf")]


@pytest.mark.parametrize("key,family,one", MEMBERS)
def test_an_unknown_member_is_refused_with_those_that_exist(key, family, one):
    message = refusal(raw_params(**{key: "telepathy"}))
    assert f"{key} is 'telepathy'" in message and one in message
    shared = next((ROOT / "stages" / family).glob("_*.py")).stem
    assert "is not known" in refusal(raw_params(**{key: shared})), "files with an underscore are no members"


@pytest.mark.parametrize("key", ["suites", "subjects"])
def test_suites_and_subjects_are_known_and_named_once(key):
    known = raw_params()[key][0]
    assert f"{key} has 'telepathy'" in refusal(raw_params(**{key: [known, "telepathy"]})) and known in refusal(raw_params(**{key: ["telepathy"]}))
    assert "none twice" in refusal(raw_params(**{key: [known, known]}))
    assert "at least once" in refusal(raw_params(**{key: []}))


ENGINE = {"engine": "torchrun", "processes": 2, "strategy": "ddp", "arguments": []}
CONFLICTS = [
    ({"train.launcher": ENGINE | {"engine": "none"}}, "train.launcher.processes is 2"),
    ({"train.launcher": ENGINE, "train.backend": "mlx", "predict.backend": "mlx"}, "train.launcher.engine is 'torchrun'"),
    ({"train.launcher": ENGINE | {"strategy": "fsdp"}, "model.quantize": "nf4"}, "cannot split 4-bit weights"),
    ({"suite_sizes": {"held_out": 5}}, "suite_sizes has no 'default'"),
    ({"suite_sizes": {"default": 5, "telepathy": 5}}, "suite_sizes has 'telepathy'"),
    ({"split.test": 20.5}, "split.test is 20.5: use a share below 1, or a whole number of rows"),
    ({"split.stratify": "kind", "split.irrelevance": 0.2}, "split.stratify is 'kind', but split.irrelevance"),
    ({"split.spare": True}, "split.spare is true, but split.train is null"),
    ({"dataset.shuffle": 42}, "dataset.shuffle is 42, but dataset.limit is null"),
    ({"split.by": "random", "split.test": 0}, "split.test is 0 with split.by=random"),
    ({"split.held_out": 1.0}, "split.held_out is 1.0"),
    ({"split.held_out": -0.5}, "split.held_out is -0.5"),
    ({"suites": ["held_out", "hand"]}, "suites has 'hand', but hand.path is not set"),
    ({"split.structured": 1.0}, "split.structured is 1.0"),
    ({"train.lora.dora": True, "model.quantize": "nf4", "train.lora.dropout": 0.1}, "DoRA over 4-bit layers takes dropout 0"),
    ({"seeds": [1, 42]}, "seeds has 42, which is `seed` itself or stands there twice"),
    ({"seeds": [1, 2, 1]}, "seeds has 1, which is"),
    ({"seeds": [1], "subjects": ["base"]}, "seeds are given, but subjects has no 'tuned'"),
    ({"gate.suites": ["no_tool"]}, "gate.suites has 'no_tool', which is not one of suites"),
    ({"predict.max_new_tokens": 512}, "predict.max_new_tokens is 512: it must be below model.max_tokens (512)"),
]


@pytest.mark.parametrize("changes,words", CONFLICTS, ids=[words for _, words in CONFLICTS])
def test_values_that_do_not_go_together_are_refused(changes, words):
    assert words in refusal(raw_params(**changes))


def test_numbers_that_yaml_reads_as_text_are_numbers(tmp_path):
    """PyYAML follows YAML 1.1, in which 1e-05 has no point and so is text."""
    text = yaml.safe_dump(raw_params()).replace("learning_rate: 0.003", "learning_rate: 1e-05")
    assert yaml.safe_load(text)["train"]["learning_rate"] == "1e-05"
    (tmp_path / "params.yaml").write_text(text)
    assert params.load(tmp_path / "params.yaml").train.learning_rate == 1e-05
    assert params.parse(raw_params(**{"split.held_out": "2e-01"})).split.held_out == 0.2
    assert params.parse(raw_params(**{"split.held_out": "tools.json"})).split.held_out == "tools.json"


@pytest.mark.parametrize("text,words", [
    ("seed: [1", "is not YAML"),
    ("seed: 1\n\tdialect: native", "is not YAML"),
    ("- seed", "is not a mapping"),
    ("42", "is not a mapping"),
    ("", "is missing"),
    ("1: 2", "is missing"),
    ("a: &a [*a]", "params.yaml"),
])
def test_files_that_hold_no_parameters(tmp_path, text, words):
    (tmp_path / "params.yaml").write_text(text)
    with pytest.raises(ParamsError) as error:
        params.load(tmp_path / "params.yaml")
    assert words in str(error.value) and "\n" not in str(error.value)


def test_a_missing_file_says_where_to_run(tmp_path):
    with pytest.raises(ParamsError, match="does not exist: run from the top folder"):
        params.load(tmp_path / "params.yaml")


# --- conf/ ----------------------------------------------------------------------------------------------


def names(group: str) -> list[str]:
    return sorted(path.stem for path in (ROOT / "conf" / group).glob("*.yaml"))


def composed(*overrides: str) -> dict:
    """What `dvc exp run -S ...` writes to params.yaml."""
    from hydra import compose, initialize_config_dir
    from omegaconf import OmegaConf

    with initialize_config_dir(str(ROOT / "conf"), version_base=None):
        return OmegaConf.to_container(compose("config", overrides=list(overrides)), resolve=True)


ALONE = [[f"{group}={name}"] for group in ("recipe", "dataset", "model") for name in names(group)]
TOGETHER = [["recipe=local", f"dataset={dataset}", f"model={model}"] for dataset in names("dataset") for model in names("model")[:2]]


@pytest.mark.parametrize("overrides", ALONE + TOGETHER, ids=" ".join)
def test_every_composition_loads(overrides):
    made = params.parse(composed(*overrides))
    asked = dict(override.split("=") for override in overrides)
    assert made.recipe == asked.get("recipe", "embedded"), "a recipe records its name"
    assert made.dataset.track and made.model.track


def test_a_recipe_brings_its_model_and_data():
    for recipe in names("recipe"):
        raw = yaml.safe_load((ROOT / f"conf/recipe/{recipe}.yaml").read_text())
        chosen = {key.split()[-1].strip("/"): value for entry in raw["defaults"] for key, value in entry.items()}
        made = composed(f"recipe={recipe}")
        for group in ("model", "dataset"):
            member = yaml.safe_load((ROOT / f"conf/{group}/{chosen[group]}.yaml").read_text())
            first = "name" if group == "model" else "source"
            assert made[group][first] == member[first]


def test_params_yaml_is_the_composition_of_the_default():
    assert yaml.safe_load((ROOT / "params.yaml").read_text()) == composed()


def test_a_typing_error_in_an_override_is_refused():
    from hydra.errors import ConfigCompositionException

    with pytest.raises(ConfigCompositionException, match="train.lora.rnak"):
        composed("train.lora.rnak=4")


def test_every_parameter_is_explained_in_conf():
    """config.yaml, or the model's or data set's file, has every key of the typed parameters: none is hidden."""

    def keys(model, prefix=""):
        for name, field in model.model_fields.items():
            inner = field.annotation
            if isinstance(inner, type) and issubclass(inner, params.Strict):
                yield from keys(inner, f"{prefix}{name}.")
            else:
                yield f"{prefix}{name}"

    def flat(mapping, prefix=""):
        for key, value in mapping.items():
            yield f"{prefix}{key}"
            if isinstance(value, dict):
                yield from flat(value, f"{prefix}{key}.")

    assert set(keys(params.Params)) <= set(flat(composed()))


def test_the_file_is_read_from_the_current_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text(yaml.safe_dump(raw_params(seed=7)))
    assert params.load().seed == 7
