"""Everything small that the tests share: a model with random weights, sixty rows, and a working folder like a clone.

The model has the architecture and the chat template of the embedded one (2 layers, hidden size 64, about 2,000 tokens) and
is made in a second or two. The rows are made from a handful of tools, so that every suite that the tests ask for has cases.
"""

import json
import os
import shutil
import subprocess
import sys
from functools import partial
from itertools import count
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
SHARED = ROOT.parent / "shared" / "data"
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<tool_call>", "</tool_call>", "<tools>", "</tools>"]

# --- rows -----------------------------------------------------------------------------------------------

CITIES = ["Hull", "Porto", "Łódź", "Bergen", "Osaka", "San José"]
NAMES = ["Ada", "Bo", "Chidi", "Dörte"]
TOOLS = {
    "get_weather": ("Weather of a city now.", {"city": {"type": "string"}, "units": {"type": "string", "enum": ["metric", "imperial"]}}, ["city"]),
    "set_timer": ("Starts a timer.", {"minutes": {"type": "integer", "minimum": 1}, "label": {"type": "string"}}, ["minutes"]),
    "send_message": ("Sends a text message.", {"to": {"type": "string"}, "text": {"type": "string"}}, ["to", "text"]),
    "convert_money": ("Converts an amount.", {"amount": {"type": "number"}, "into": {"type": "string"}}, ["amount", "into"]),
    "play_song": ("Plays music.", {"artist": {"type": "string"}, "loud": {"type": "boolean"}}, ["artist"]),
}
HELD_OUT = ["convert_money"]


def tool(name: str) -> dict:
    """A tool in the OpenAI form."""
    description, properties, required = TOOLS[name]
    parameters = {"type": "object", "properties": properties, "required": required}
    return {"type": "function", "function": {"name": name, "description": description, "parameters": parameters}}


def asked() -> list[tuple[str, list[dict] | str, list[str]]]:
    """(request, calls or reply, tools offered), sixty in all and no two alike."""

    def call(name, **arguments):
        return {"name": name, "arguments": arguments}

    made = []
    for city in CITIES:
        made.append((f"how cold is it in {city}?", [call("get_weather", city=city)], ["get_weather", "set_timer"]))
        made.append((f"Weather for {city}, in metric please.", [call("get_weather", city=city, units="metric")], ["play_song", "get_weather"]))
        made.append((f"{city} and Hull: weather?", [call("get_weather", city=city), call("get_weather", city="Hull")], ["get_weather"]))
        made.append((f"put on something by {city} Orchestra", [call("play_song", artist=f"{city} Orchestra")], ["play_song", "get_weather"]))
        made.append((f"translate {city}'s anthem into Latin", "None of the tools can translate.", ["set_timer", "play_song"]))
    for minutes in (3, 5, 8, 20, 45):
        made.append((f"timer, {minutes} minutes", [call("set_timer", minutes=minutes)], ["set_timer", "send_message"]))
        made.append((f"Set a {minutes} minute timer called tea", [call("set_timer", minutes=minutes, label="tea")], ["set_timer"]))
        made.append((f"{minutes} dollars in euros?", [call("convert_money", amount=minutes, into="EUR")], ["convert_money", "set_timer"]))
        made.append((f"How many yen are {minutes}.5?", [call("convert_money", amount=minutes + 0.5, into="JPY")], ["get_weather", "convert_money"]))
    for name in NAMES:
        made.append((f"text {name} that I'm late", [call("send_message", to=name, text="I'm late")], ["send_message", "play_song"]))
        both = [call("send_message", to=name, text='bring "milk"'), call("set_timer", minutes=10)]
        made.append((f'Tell {name} to bring "milk", then a timer of ten minutes', both, ["set_timer", "send_message"]))
    made.append(("who won in 1998?", "I have no tool for that.", ["convert_money"]))
    made.append(("what is the capital of Peru", "I have no tool for that, but it is Lima.", ["set_timer"]))
    return made


def messages_rows() -> list[dict]:
    """The rows in the OpenAI shape."""
    rows = []
    for request, target, offered in asked():
        answer = {"role": "assistant", "content": target}
        if not isinstance(target, str):
            answer = {"role": "assistant", "content": "", "tool_calls": [{"type": "function", "function": call} for call in target]}
        rows.append({"messages": [{"role": "user", "content": request}, answer], "tools": [tool(name) for name in offered]})
    return rows


def xlam_rows() -> list[dict]:
    """The rows in the shape of xLAM: flat parameters with Python's type names, lists as JSON text."""
    words = {"string": "str", "integer": "int", "number": "float", "boolean": "bool"}

    def flat(name):
        description, properties, required = TOOLS[name]
        parameters = {key: {"type": words[schema["type"]] + ("" if key in required else ", optional"), "description": key}
                      for key, schema in properties.items()}
        return {"name": name, "description": description, "parameters": parameters}

    return [{"id": number, "query": request, "tools": json.dumps([flat(name) for name in offered]),
             "answers": json.dumps([] if isinstance(target, str) else target)} for number, (request, target, offered) in enumerate(asked())]


def write_lines(path: Path, rows: list) -> Path:
    """A JSONL file; text goes in as it is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row, ensure_ascii=False)) + "\n" for row in rows), encoding="utf-8")
    return path


TEXTS = {"notes": ["The shop opens at nine.", "Bring a coat, it rains.", "Nobody knew the way."],
         "plain": ["Apples are red.", "The bus was late again."]}


def write_text_set(folder: Path) -> None:
    """The passages of TEXTS, a file a kind."""
    folder.mkdir(parents=True)
    for kind, passages in TEXTS.items():
        (folder / f"{kind}.txt").write_text("\n---\n".join(passages) + "\n", encoding="utf-8")


# --- model ----------------------------------------------------------------------------------------------


def tokenizer():
    """Byte-level BPE of about 2,000 tokens, with the chat template of the embedded model."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    texts = [json.dumps(row, ensure_ascii=False) for row in messages_rows()]
    with (ROOT / "data/embedded/tools.jsonl").open(encoding="utf-8") as tools:
        texts += [line for line, _ in zip(tools, range(150))]
    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer, raw.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    raw.train_from_iterator(texts, trainers.BpeTrainer(
        vocab_size=2000, special_tokens=SPECIAL, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
    made = PreTrainedTokenizerFast(tokenizer_object=raw, eos_token="<|im_end|>", pad_token="<|endoftext|>", padding_side="left")
    made.chat_template = (ROOT / "models/embedded/chat_template.jinja").read_text(encoding="utf-8")
    return made


# a chat template to be broken in tests: turns with tagged calls; it shows no tools
TURNS = """{% for m in messages %}<|im_start|>{{ m.role }}
{{ m.content }}{% for c in m.tool_calls or [] %}<tool_call>{{ c.function | tojson }}</tool_call>{% endfor %}<|im_end|>
{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant
{% endif %}"""


def changed(tmpl, chat_template: str | None = None, ends: list[int] | None = None, **tokens):
    """The tiny Template with another chat template, other end tokens, or other special tokens."""
    from transformers import PreTrainedTokenizerFast

    from stages.template import Template

    made = PreTrainedTokenizerFast(tokenizer_object=tmpl.tokenizer.backend_tokenizer, eos_token="<|im_end|>", pad_token="<|endoftext|>", **tokens)
    made.chat_template = chat_template or tmpl.tokenizer.chat_template
    return Template("fake/model", made, tmpl.ends if ends is None else ends)


def write_model(folder: Path) -> Path:
    """The model's files, as `from_pretrained` takes them."""
    import torch
    from transformers import Qwen3Config, Qwen3ForCausalLM

    made = tokenizer()
    made.save_pretrained(folder)
    torch.manual_seed(7)
    shape = dict(hidden_size=64, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=1, head_dim=32, intermediate_size=128)
    # weights so wide that answers differ from prompt to prompt; the usual ones make the model repeat the last token
    config = Qwen3Config(vocab_size=len(made), max_position_embeddings=1024, tie_word_embeddings=True, bos_token_id=None, initializer_range=0.3,
                         eos_token_id=made.eos_token_id, pad_token_id=made.pad_token_id, **shape)
    Qwen3ForCausalLM(config).save_pretrained(folder)
    return folder


# --- parameters and a working folder --------------------------------------------------------------------

SUITES = ["held_out", "seen_tools"]


def raw_params(**changes) -> dict:
    """params.yaml of a tiny run as a mapping; keys with dots change single values: raw_params(**{"train.lora.rank": 8})."""
    raw = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    raw |= {
        "recipe": "tiny", "seed": 42, "dialect": "native", "suites": list(SUITES), "suite_sizes": {"default": 6}, "subjects": ["base", "tuned"],
        "dataset": {"source": "local", "path": "tiny/rows.jsonl", "track": "tiny/rows.jsonl", "limit": None, "min_kept": 40},
        "model": {"name": "tiny/model", "revision": None, "track": "tiny/model", "dtype": "float32", "quantize": "none", "max_tokens": 512},
        "split": raw["split"] | {"by": "tool", "held_out": "tiny/held_out.json", "test": 0.15, "valid": 4, "train": None, "train_tokens": None,
                                  "irrelevance": None, "missing": None},
        "prompted": {"instructions": "", "shots": 2},
        "predict": {"backend": "hf", "max_new_tokens": 24, "batch_tokens": 1024},
        "endpoints": {"base": None, "prompted": None, "tuned": None},
        "seeds": [],
        "gate": {"suites": None, "single_turn_exact": 0.7, "field_f1": 0.8, "multi_turn_f1": 0.6, "valid": 0.9, "domain_spread": 0.15,
                 "domain_cases": 5, "endpoint_distance": 0.1},
        "cost": {"hour": None},
        "budget": raw["budget"] | {"text": "tiny/text"},
    }
    # 32 steps of 8 an epoch: the checkpoints at 10, 20 and 30 lie inside of epochs, as most do
    raw["train"] |= {"lora": raw["train"]["lora"] | {"rank": 4, "alpha": 8, "dropout": 0.1, "targets": "all-linear", "dora": False, "rslora": False},
                     "learning_rate": 0.003, "steps": 32, "batch_size": 5, "save_every": 10, "eval_every": 15}
    for key, value in changes.items():
        *parents, last = key.split(".")
        inner = raw
        for part in parents:
            inner = inner[part]
        inner[last] = value
    return raw


def params(**changes):
    """Typed parameters of a tiny run."""
    from stages.params import parse

    return parse(raw_params(**changes))


def write_params(folder: Path, **changes) -> None:
    (folder / "params.yaml").write_text(yaml.safe_dump(raw_params(**changes), sort_keys=False, allow_unicode=True), encoding="utf-8")


COPIED = ("stages", "conf", "models/base", "dvc.yaml", ".dvc/config", ".dvc/.gitignore", ".dvcignore", ".gitignore")


def clone(folder: Path, model: Path, **changes) -> Path:
    """A working folder like a fresh clone, with one commit, whose recipe `tiny` is the tiny model on the tiny rows.

    What it needs of its own lies in tiny/; conf/ has a model, a data set and a recipe of that name, and they are the default.
    """
    for name in COPIED:
        source, target = ROOT / name, folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)
    shutil.copytree(model, folder / "tiny/model")
    write_lines(folder / "tiny/rows.jsonl", messages_rows())
    write_text_set(folder / "tiny/text")
    (folder / "tiny/held_out.json").write_text(json.dumps(HELD_OUT))
    write_params(folder, **changes)
    write_conf(folder)
    git(folder, "init", "--quiet", "--initial-branch=main")
    commit(folder, "a tiny clone")
    return folder


def write_conf(folder: Path) -> None:
    """conf/ so that composing its default gives the folder's params.yaml."""
    raw = yaml.safe_load((folder / "params.yaml").read_text(encoding="utf-8"))
    del raw["benchmark"]
    for group in ("model", "dataset"):
        (folder / f"conf/{group}/tiny.yaml").write_text(yaml.safe_dump(raw.pop(group)), encoding="utf-8")
    recipe = {"defaults": [{"override /model": "tiny"}, {"override /dataset": "tiny"}], **raw}
    (folder / "conf/recipe/tiny.yaml").write_text("# @package _global_\n" + yaml.safe_dump(recipe, sort_keys=False), encoding="utf-8")
    config = (folder / "conf/config.yaml").read_text(encoding="utf-8")
    (folder / "conf/config.yaml").write_text(config.replace("recipe: embedded", "recipe: tiny"), encoding="utf-8")


def environment(folder: Path) -> dict[str, str]:
    """The environment of a real run: this Python first in the path, no network, a git that knows no user's settings."""
    person = {f"GIT_{who}_{what}": value for who in ("AUTHOR", "COMMITTER") for what, value in (("NAME", "Test"), ("EMAIL", "test@example.org"))}
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("GIT_", "DVC_", "PYTEST_"))}
    return {**kept, **person, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}", "GIT_CONFIG_GLOBAL": os.devnull,
            "HF_HUB_OFFLINE": "1", "PYTHONPATH": "", "PYTHONHASHSEED": "random", "DVC_NO_ANALYTICS": "1"}


STARTED = count(os.getpid())


def confined():
    """Keeps the next process on one processor, in turns: the tiny model gains nothing from more, and tests run side by side."""
    if not hasattr(os, "sched_setaffinity"):
        return None
    allowed = sorted(os.sched_getaffinity(0))
    return partial(os.sched_setaffinity, 0, {allowed[next(STARTED) % len(allowed)]})


def run(folder: Path, *command: str, check: bool = True, **options) -> subprocess.CompletedProcess:
    """A command in the folder, its output kept as text; fails with the output when it exits with another code than 0."""
    done = subprocess.run(command, cwd=folder, env=environment(folder), capture_output=True, text=True, timeout=500,
                          **{"preexec_fn": confined()} | options)
    assert not check or done.returncode == 0, f"{' '.join(command)} ended with {done.returncode}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done


def stage(folder: Path, name: str, *arguments: str, **options) -> subprocess.CompletedProcess:
    """`python -m stages.NAME` in the folder."""
    return run(folder, sys.executable, "-m", f"stages.{name}", *arguments, **options)


def start(folder: Path, *command: str) -> subprocess.Popen:
    """A command in the folder in a process group of its own, both outputs in one pipe."""
    return subprocess.Popen(command, cwd=folder, env=environment(folder), text=True, start_new_session=True, preexec_fn=confined(),
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def git(folder: Path, *arguments: str) -> str:
    return run(folder, "git", *arguments).stdout


def commit(folder: Path, message: str) -> None:
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", message)


def one_sentence(done: subprocess.CompletedProcess) -> str:
    """What a failed stage wrote last, having shown that it is one `error:` line and no traceback."""
    assert done.returncode == 1, (done.returncode, done.stdout, done.stderr)
    assert "Traceback" not in done.stderr, done.stderr
    lines = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1, done.stderr
    return lines[0]
