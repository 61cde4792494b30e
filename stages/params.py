"""The parameters of a run, typed: `load()` reads params.yaml and refuses what no stage could honour.

params.yaml is the committed composition of conf/ (see conf/config.yaml for comments on each key). An unknown
key, a value out of range and a conflict each end in one sentence that names the key, the value and what is
allowed, before any work starts.
"""

import re
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import Field, ValidationError, model_validator

from stages.errors import ParamsError

# those that only other modules use are imported here too: this is the place that all others import from
from stages.settings import (  # noqa: F401
    Benchmark,
    Budget,
    Contamination,
    Cost,
    Count,
    Dataset,
    Endpoint,
    Format,
    Gate,
    Hand,
    Launcher,
    Lora,
    Model,
    Predict,
    Price,
    Prompted,
    Split,
    Strict,
    Train,
)

HERE = Path(__file__).parent


class Params(Strict):
    recipe: str
    scale: Literal["full", "smoke"] = "full"  # smoke = tried out on a few rows; the summary then says so
    seed: Annotated[int, Field(ge=0)] = 42
    seeds: list[Annotated[int, Field(ge=0)]] = []  # further training seeds: each trains one adapter more
    dialect: str = "native"
    dataset: Dataset
    benchmark: Benchmark
    hand: Hand
    contamination: Contamination
    model: Model
    format: Format = Format()
    split: Split = Split()
    suites: list[str]
    suite_sizes: dict[str, Count]
    subjects: list[str]
    prompted: Prompted = Prompted()
    train: Train = Train()
    predict: Predict = Predict()
    gate: Gate = Gate()
    cost: Cost = Cost()
    budget: Budget = Budget()
    # every subject whose answers are not computed here, by name; None = computed here
    endpoints: dict[str, Endpoint | None] = dict.fromkeys(("base", "prompted", "tuned"))

    @model_validator(mode="after")
    def fits_together(self):
        _member("dialect", self.dialect, "formats")
        _member("dataset.source", self.dataset.source, "sources")
        _member("train.backend", self.train.backend, "trainers")
        _member("predict.backend", self.predict.backend, "generators")
        from stages.suites import SUITES

        subjects = list(dict.fromkeys((*SUBJECTS, *self.endpoints)))
        for key, names, allowed in (("suites", self.suites, list(SUITES)), ("subjects", self.subjects, subjects)):
            for name in names:
                if name not in allowed:
                    raise ValueError(f"{key} has {name!r}, which is not known: use some of {', '.join(allowed)}")
            if len(set(names)) != len(names) or not names:
                raise ValueError(f"{key} is {names}: name each at least once and none twice")
        if twice := [seed for place, seed in enumerate(self.seeds) if seed in (self.seed, *self.seeds[:place])]:
            raise ValueError(f"seeds has {twice[0]}, which is `seed` itself or stands there twice: name only further seeds")
        if self.seeds and "tuned" not in self.subjects:
            raise ValueError("seeds are given, but subjects has no 'tuned', which is what they train: add it or leave seeds empty")
        if unknown := set(self.gate.suites or ()) - set(self.suites):
            raise ValueError(f"gate.suites has {min(unknown)!r}, which is not one of suites: name some of {', '.join(self.suites)}")
        if unknown := set(self.suite_sizes) - set(SUITES) - {"default"}:
            raise ValueError(f"suite_sizes has {min(unknown)!r}, which is not known: use default or some of {', '.join(SUITES)}")
        if "default" not in self.suite_sizes:
            raise ValueError("suite_sizes has no 'default': give the number of cases for suites that it does not name")
        if not self.benchmark.path and (bfcl := [name for name in self.suites if name.startswith("bfcl_")]):
            raise ValueError(f"suites has {bfcl[0]!r}, but benchmark.path is not set: use -S benchmark=bfcl")
        if not self.hand.path and "hand" in self.suites:
            raise ValueError("suites has 'hand', but hand.path is not set: use -S hand=file -S hand.path=FILE")
        if self.split.missing is not None and self.split.irrelevance is not None and self.split.missing > self.split.irrelevance:
            raise ValueError(f"split.missing is {self.split.missing}: it is a part of split.irrelevance ({self.split.irrelevance}), so lower it")
        if self.split.stratify and (self.split.irrelevance is not None or self.split.missing is not None):
            raise ValueError(f"split.stratify is {self.split.stratify!r}, but split.irrelevance or split.missing sets other shares: leave one out")
        if self.split.test >= 1 and self.split.test % 1:
            raise ValueError(f"split.test is {self.split.test}: use a share below 1, or a whole number of rows")
        if self.split.spare and self.split.train is None:
            raise ValueError("split.spare is true, but split.train is null: all rows train and none is left to spare")
        if self.split.by == "random" and not self.split.test:
            raise ValueError("split.test is 0 with split.by=random: keep some rows for test")
        if isinstance(self.split.held_out, float) and not 0 <= self.split.held_out < 1:
            raise ValueError(f"split.held_out is {self.split.held_out}: use a share from 0 to below 1, or a JSON file of tool names")
        if self.train.lora.dora and self.model.quantize != "none" and self.train.lora.dropout:
            raise ValueError("train.lora.dora with model.quantize and train.lora.dropout: DoRA over 4-bit layers takes dropout 0")
        if "tuned" in self.subjects and self.predict.backend != self.train.backend:
            raise ValueError(f"predict.backend is {self.predict.backend!r}: it must be {self.train.backend!r}, as train.backend, "
                             "since each reads only its own adapters")
        if self.train.launcher.processes > 1 and self.train.launcher.engine == "none":
            raise ValueError(f"train.launcher.processes is {self.train.launcher.processes}: set train.launcher.engine to torchrun or accelerate")
        if self.train.launcher.engine != "none" and self.train.backend != "hf":
            raise ValueError(f"train.launcher.engine is {self.train.launcher.engine!r}: only train.backend=hf runs in several processes")
        if self.train.launcher.strategy == "fsdp" and self.model.quantize != "none":
            raise ValueError("train.launcher.strategy is 'fsdp', which cannot split 4-bit weights: use ddp, or model.quantize=none")
        if self.predict.max_new_tokens >= self.model.max_tokens:
            raise ValueError(
                f"predict.max_new_tokens is {self.predict.max_new_tokens}: it must be below model.max_tokens ({self.model.max_tokens})"
            )
        self.endpoints_fit()
        return self

    def endpoints_fit(self) -> None:
        if self.predict.backend == "endpoint":
            raise ValueError("predict.backend is 'endpoint': put the server into endpoints and its name into subjects instead")
        for name, endpoint in self.endpoints.items():
            if not re.fullmatch(r"[a-z][a-z0-9_-]*", name) or name in RESERVED:
                raise ValueError(f"endpoints has {name!r}: use a name of small letters, digits, _ and -, but none of {', '.join(RESERVED)}")
            if endpoint is None and name not in SUBJECTS:
                raise ValueError(f"endpoints.{name} is null: give its url and model")
            if endpoint and name == "tuned":
                raise ValueError("endpoints.tuned is set: an adapter stays on this machine, so serve the merged model under another name")
            if endpoint and endpoint.tools == "messages" and self.dialect == "native":
                raise ValueError(f"endpoints.{name}.tools is 'messages', but dialect 'native' writes no tools into messages: use native or prompt")
        if missing := [name for name in self.subjects if name not in self.endpoints]:
            raise ValueError(f"subjects has {missing[0]!r}, but endpoints does not: add it with the value null")


RESERVED = ("data", "log", "embedded", "seeds")  # folders beside those of the subjects
SUBJECTS = ("base", "prompted", "tuned")


def _member(key: str, name: str, family: str) -> None:
    allowed = sorted(p.stem for p in (HERE / family).glob("*.py") if not p.stem.startswith("_"))
    if name not in allowed:
        raise ValueError(f"{key} is {name!r}, which is not known: use one of {', '.join(allowed)}")


def parse(raw: dict) -> Params:
    """Typed parameters from a plain mapping. Raises ParamsError with one sentence for the first fault."""
    if not isinstance(raw, dict):
        raise ParamsError(f"params.yaml is not a mapping but {type(raw).__name__}: take it back with `git checkout params.yaml`.")
    try:
        return Params.model_validate({str(key): value for key, value in raw.items()})
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"] if part not in ("str", "float", "list[str]", "literal['all-linear']"))
        if first["type"] == "extra_forbidden":
            raise ParamsError(f"params.yaml: {key} is not a known parameter; see conf/config.yaml for all of them.") from None
        if first["type"] == "missing":
            raise ParamsError(f"params.yaml: {key} is missing; see conf/config.yaml for its meaning.") from None
        if first["type"] == "value_error":
            raise ParamsError(f"params.yaml: {first['ctx']['error']}.") from None
        message = first["msg"][0].lower() + first["msg"][1:]
        raise ParamsError(f"params.yaml: {key} is {first['input']!r}: {message}.") from None


def load(path: str | Path = "params.yaml") -> Params:
    """The parameters of this run. Raises ParamsError."""
    try:
        raw = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ParamsError(f"{path} does not exist: run from the top folder of the repository.") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ParamsError(f"{path} is not YAML ({' '.join(str(error).split())}): correct it, or take it back with `git checkout {path}`.") from None
    return parse({} if raw is None else raw)
