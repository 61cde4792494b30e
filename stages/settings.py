"""The groups of params.yaml, typed: each key with its default, its range, and the conflicts within its group.

stages/params.py puts them together, refuses what does not fit across groups, and is where everything else imports them from.
"""

import re
from typing import Annotated, Any, Literal
from urllib.parse import parse_qsl, urlsplit

from pydantic import BaseModel, ConfigDict, Field, model_validator

Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, le=1)]


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Dataset(Strict):
    source: str  # a module of stages/sources
    path: str | None = None  # the file or folder to read; None = what the source names
    track: str  # what DVC hashes for it
    limit: Count | None = None  # read at most so many rows
    structured: Share = 0.0  # share of the rows of one request and one call that are also asked for a JSON object instead
    shuffle: Annotated[int, Field(ge=0)] | None = None  # the seed that draws those rows from all; None = the first ones
    min_kept: Count = 100  # fewer usable rows than this stop the run

    @model_validator(mode="after")
    def draws_some(self):
        if self.shuffle is not None and self.limit is None:
            raise ValueError(f"dataset.shuffle is {self.shuffle}, but dataset.limit is null: say how many rows to draw (split takes its own order)")
        return self


class Benchmark(Strict):
    path: str | None = None  # the folder of a BFCL checkout; its rows are tested on and never trained on
    track: str  # what DVC hashes for it


class Hand(Strict):
    path: str | None = None  # a file of prompts; tested on and never trained on
    track: str  # what DVC hashes for it


class Model(Strict):
    name: str  # a folder, or a hub id
    revision: str | None = None
    track: str  # what DVC hashes for it
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    quantize: Literal["none", "nf4"] = "none"
    max_tokens: Annotated[int, Field(ge=64)] = 2048  # prompt and completion together


class Format(Strict):
    max_rejected: Share = 0.05  # a larger share of rows failing the gate stops the run
    masking: Share = 0.0  # share of the training rows whose tools and parameters get neutral names


class Split(Strict):
    by: Literal["tool", "cluster", "group", "random"] = "tool"
    similarity: Annotated[float, Field(gt=0, le=1)] = 0.7  # from which Jaccard similarity of word pairs on two requests are near-duplicates
    remove_similar: bool = False  # take near-duplicates of test rows out of training, whatever split.by says
    # a number first: PyYAML reads 1e-01 as text
    held_out: Annotated[float | str, Field(union_mode="left_to_right")] = 0.15  # tools kept from training: a JSON list, or a share
    test: Annotated[float, Field(ge=0)] = 0.1  # below 1 a share of the other groups (or rows) kept for test, else rows
    structured: Annotated[float, Field(ge=0, lt=1)] = 0.0  # training rows whose answer is a JSON object, for each other training row
    stratify: str | None = None  # a label (of a group: its first row's) of which train, valid and test have equal shares
    spare: bool = False  # rows beyond split.train, of groups that training does not know, fill the suites
    valid: Annotated[int, Field(ge=0)] = 64  # rows for the loss on unseen rows during training
    train: Count | None = None  # use at most so many training rows; None = all
    train_tokens: Count | None = None  # train on rows of at most so many tokens; None = all
    irrelevance: Share | None = None  # share of the training rows in which no call is right; None = as the data has it
    missing: Share | None = None  # share of the training rows that lack a required value, within irrelevance; None = as the data has it


class Contamination(Strict):
    path: str | None = None  # a folder of JSON files; rows that hold its requests or tools are not trained on; None = no check
    track: str  # what DVC hashes for it
    ngram: Annotated[int, Field(ge=3)] = 13  # so many words in a row are a hit
    tools: bool = True  # a tool of the same name and parameter names is a hit too


class Prompted(Strict):
    instructions: str = ""
    shots: Annotated[int, Field(ge=0, le=8)] = 3


class Lora(Strict):
    rank: Annotated[int, Field(ge=1, le=512)] = 16
    alpha: Annotated[float, Field(gt=0)] = 32
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    targets: list[str] | Literal["all-linear"] = "all-linear"
    layers: Count | None = None  # only the last so many layers; None = all
    dora: bool = False
    rslora: bool = False


class Launcher(Strict):
    """Several processes, one a GPU, through an engine that is there already (docs/scale.md)."""

    engine: Literal["none", "torchrun", "accelerate"] = "none"
    processes: Count = 1  # on each machine
    strategy: Literal["ddp", "fsdp"] = "ddp"
    arguments: list[str] = []  # the engine's own, as --nnodes=2


class Train(Strict):
    backend: str = "hf"  # a module of stages/trainers
    lora: Lora = Lora()
    learning_rate: Annotated[float, Field(gt=0, lt=1)] = 1e-3
    schedule: Literal["linear", "cosine", "constant", "constant_with_warmup"] = "linear"
    warmup: Annotated[float, Field(ge=0)] = 0.05  # below 1 a share of the steps, else steps
    epochs: Annotated[float, Field(gt=0)] = 1
    steps: Count | None = None  # overrides epochs
    batch_size: Count = 4
    accumulation: Count = 1
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    max_grad_norm: Annotated[float, Field(gt=0)] = 1.0
    optimizer: Literal["auto", "adamw_torch", "adamw_torch_fused", "adamw_8bit", "adafactor"] = "auto"
    completion_only_loss: bool = True
    packing: bool | Literal["auto"] = "auto"
    attention: Literal["auto", "flex", "varlen", "rows"] = "auto"  # of packed rows
    compile: bool | Literal["auto", "static", "dynamic"] = "auto"
    sparse_logits: bool = True
    batch_tokens: Annotated[int, Field(ge=64)] | None = None  # tokens in one pass through the model; None: a GPU's memory, elsewhere batch_size rows
    gradient_checkpointing: bool | Literal["auto"] = "auto"
    launcher: Launcher = Launcher()
    # steps between checkpoints that an interrupted run goes on from; the loss is logged every 10, and a resumed log equals an unbroken one
    save_every: Annotated[int, Field(ge=10, multiple_of=10)] = 50
    eval_every: Count = 50  # steps between losses on the validation rows


class Predict(Strict):
    backend: str = "hf"  # a module of stages/generators
    max_new_tokens: Count = 192
    batch_tokens: Annotated[int, Field(ge=256)] = 16384  # prompts x longest prompt in one batch


class Budget(Strict):
    """What tuning may cost (stages/budget.py); None leaves a check out."""

    abstention: Share | None = 0.05  # of the cases of a suite where no call is right
    held_out: Share | None = 0.02  # of the cases of a suite of held-out tools
    text_loss: Annotated[float, Field(ge=0)] | None = 0.05  # of the base's loss on general text
    text: str = "data/text"  # the folder with that text


class Price(Strict):
    """Money for a million tokens, in any one currency."""

    input: Annotated[float, Field(ge=0)]
    output: Annotated[float, Field(ge=0)]


class Endpoint(Strict):
    """An OpenAI-compatible server as a subject; docs/endpoints.md explains each key with examples."""

    url: str  # up to the part before /chat/completions; Azure's ?api-version=... may follow
    model: str
    tools: Literal["native", "messages", "prompt"] = "native"
    plain_names: bool = False  # send tool names with only letters, digits, _ and -, as OpenAI and Azure demand
    max_tokens: Count | None = None  # None = predict.max_new_tokens
    concurrency: Annotated[int, Field(ge=1, le=256)] = 8
    timeout: Annotated[float, Field(gt=0)] = 120  # seconds for one answer
    retries: Annotated[int, Field(ge=0, le=20)] = 5
    api_key_env: str | None = None  # the environment variable that holds the key
    api_key_header: str = "Authorization"  # any other name gets the key without "Bearer"
    price: Price | None = None
    revision: str | None = None  # change it when what is served changes
    keep_answers: bool = False  # true: never ask for an answer again, also when the predictions are made anew
    extra: dict[str, Any] = {}  # put into each request; null takes a key out

    @model_validator(mode="after")
    def holds_no_secret(self):
        # The messages leave the values out: what stands there may be the key itself.
        if self.api_key_env is not None and not re.fullmatch(r"[A-Z_][A-Z0-9_]*", self.api_key_env):
            raise ValueError("endpoints: an api_key_env is no name of an environment variable (capitals, digits, _): put the key there, never here")
        if not re.fullmatch(r"[A-Za-z0-9-]+", self.api_key_header):
            raise ValueError("endpoints: an api_key_header is not the name of a header, such as Authorization or api-key")
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("endpoints: a url is not like http://127.0.0.1:8000/v1")
        names = [name for name, _ in parse_qsl(parts.query, keep_blank_values=True)]
        if "@" in parts.netloc or any(word in name.lower() for name in names for word in ("key", "token", "sig", "secret", "password")):
            raise ValueError("endpoints: a url holds a password or a key: name an environment variable in api_key_env instead")
        return self


class Gate(Strict):
    """Thresholds of stages/gate.py; None leaves a check out."""

    suites: list[str] | None = None  # whose cases are judged; None = all but those of a benchmark
    single_turn_exact: Share | None = 0.70
    field_f1: Share | None = 0.80
    multi_turn_f1: Share | None = 0.60
    valid: Share | None = 0.90
    domain_spread: Share | None = 0.15  # best minus worst domain's field F1, at most
    domain_cases: Count = 5  # domains with fewer cases are left out of the spread
    endpoint_distance: Share | None = 0.10  # share right of an endpoint minus that of the subject, at most


class Cost(Strict):
    hour: Annotated[float, Field(ge=0)] | None = None  # price of an hour of this machine, in the currency of the endpoints' prices
