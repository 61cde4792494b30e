"""A model's tokenizer as the stages see it: chat template to exact text, end tokens, token ids."""

import re
from functools import cached_property

from stages.errors import RowError, StageError
from stages.formats import Rendered


def load(model) -> "Template":
    """The Template of params.model. Raises StageError when the tokenizer cannot be had."""
    from transformers import AutoTokenizer, GenerationConfig

    name = model.name
    try:
        tokenizer = AutoTokenizer.from_pretrained(name, revision=model.revision)
    except Exception as error:
        raise StageError(hub_sentence(name, error)) from None
    ends = [tokenizer.eos_token_id]
    try:
        extra = GenerationConfig.from_pretrained(name, revision=model.revision).eos_token_id
        ends += extra if isinstance(extra, list) else [extra]
    except OSError:
        pass  # no generation config: the tokenizer's end token is the only one
    return Template(name, tokenizer, [i for i in dict.fromkeys(ends) if i is not None])


def hub_sentence(name: str, error: Exception) -> str:
    """What went wrong while a model was fetched or opened, in one sentence with the remedy."""
    text = str(error)
    if "gated" in text.lower() or "401" in text or "403" in text:
        return f"model.name is {name!r}, which is gated: accept its terms on its hub page, then set HF_TOKEN and run again."
    first = text.strip().splitlines()[0][:200] if text.strip() else type(error).__name__
    return (f"model.name is {name!r}, which is no local folder and could not be fetched ({first}): check the name and the network, "
            "or download it and give the folder.")


# Some templates write today's date into the prompt (Llama 3.2, gpt-oss). A fixed day, Llama's own default, keeps prompts
# reproducible; transformers takes no function from outside, so it is defined in the template's own language.
DAY = {"%d": "26", "%b": "Jul", "%B": "July", "%m": "07", "%Y": "2024", "%y": "24", "%A": "Friday", "%a": "Fri"}
FIXED_DAY = "{%- macro strftime_now(format) -%}{{ format" + "".join(f" | replace('{k}', '{v}')" for k, v in DAY.items()) + " }}{%- endmacro %}"


def parting(prompt: str, whole: str) -> str:
    """Where a prompt and the whole that should begin with it part, for an error message."""
    at = next((i for i, (one, other) in enumerate(zip(prompt, whole)) if one != other), min(len(prompt), len(whole)))
    tag = prompt.rfind("<", max(at - 20, 0), at)
    at = tag if tag >= 0 and ">" not in prompt[tag:at] else at
    why = " (it opens reasoning, which the answer has not)" if prompt[at:].lstrip().startswith("<think>") else ""
    return f"the chat template writes {prompt[at : at + 40]!r} in the prompt, but {whole[at : at + 40]!r} there when an answer follows{why}"


class Template:
    """Wraps a tokenizer with a chat template. `ends` are the token ids at which generation stops."""

    def __init__(self, name: str, tokenizer, ends: list[int]):
        self.name, self.tokenizer, self.ends = name, tokenizer, ends

    def text(self, messages: list[dict], tools: list[dict] | None, generate: bool = True) -> str:
        """Raises RowError with the template's own words when it refuses the turns (two calls at once, two turns of one role)."""
        try:
            source = self.tokenizer.get_chat_template(None, tools)
            # thinking models: no data set holds reasoning, so the prompt closes it; other templates do not look at the flag
            return self.tokenizer.apply_chat_template(
                messages, tools=tools, add_generation_prompt=generate, tokenize=False, enable_thinking=False,
                chat_template=FIXED_DAY + source if "strftime_now" in source else source)
        except Exception as error:  # templates raise what their authors chose
            raise RowError("template_refuses", " ".join(str(error).split())[:200]) from None

    @cached_property
    def end_texts(self) -> list[str]:
        return [self.tokenizer.convert_ids_to_tokens(i) for i in self.ends]

    @cached_property
    def start_text(self) -> str:
        """The start token's text where the tokenizer puts one before a plain text, else ""; chat templates write their own."""
        start = self.tokenizer.bos_token_id
        return self.tokenizer.bos_token if start is not None and self.tokenizer("x")["input_ids"][:1] == [start] else ""

    def ending(self, text: str) -> str:
        """The end token's text that closes `text`; "" when none does."""
        return max((end for end in self.end_texts if text.endswith(end)), key=len, default="")

    @cached_property
    def takes_system(self) -> bool:
        """Whether a system turn is shown at all (Gemma 2 refuses it)."""
        try:
            return "qwzx" in self.text([{"role": "system", "content": "qwzx"}, {"role": "user", "content": "x"}], None)
        except RowError:
            return False

    def turn(self, messages: list[dict], target: dict, tools: list[dict] | None) -> Rendered:
        """Prompt and completion of one assistant turn; what a template writes after the end token is cut.

        Raises RowError when the prompt is no prefix of the whole, or no end token closes the turn.
        """
        prompt = self.text(messages, tools)
        whole = self.text([*messages, target], tools, generate=False)
        if not whole.startswith(prompt):
            raise RowError("prompt_not_prefix", parting(prompt, whole))
        completion = whole[len(prompt):]
        # the first end token: there the model stops (Phi's template writes a second one)
        end = min((completion.find(text) + len(text) for text in self.end_texts if text in completion), default=-1)
        if end < 0 or self._without_ends(completion[end:]).strip():
            raise RowError("no_end_token", f"the turn does not end with {' or '.join(self.end_texts)}")
        return Rendered(prompt, completion[:end])

    def _without_ends(self, text: str) -> str:
        for end in self.end_texts:
            text = text.replace(end, "")
        return text

    def ids(self, text: str) -> list[int]:
        """Token ids of a rendered text; the template has written all special tokens itself."""
        return self.tokenizer(text, add_special_tokens=False)["input_ids"]

    def batch_ids(self, texts: list[str]) -> list[list[int]]:
        return self.tokenizer(texts, add_special_tokens=False)["input_ids"] if texts else []

    @cached_property
    def _partings(self) -> re.Pattern | None:
        """Special tokens before which a text may be tokenised in two: they take in no blanks and are part of no other added token."""
        added = list(self.tokenizer.added_tokens_decoder.values())
        texts = [one.content for one in added if one.special and not (one.lstrip or one.normalized or one.single_word)]
        alone = [text for text in texts if text and not any(text in one.content and text != one.content for one in added)]
        return re.compile("|".join(map(re.escape, alone))) if alone else None

    @cached_property
    def _parts_hold(self) -> list[bool]:
        """Empty until the first texts have shown whether tokenising in two gives what tokenising the whole gives."""
        return []

    def ids_of_turns(self, turns: list[Rendered]) -> list[tuple[list[int], list[int], list[int]]]:
        """Token ids of each turn's prompt, of its completion, and of both together as one text.

        A tokenizer takes special tokens out before it looks at words, so that what stands before the prompt's last one has the same
        tokens in the prompt and in the whole, and is tokenised once. The first call proves that of all its turns; where it does not
        hold, every text is tokenised whole.
        """
        cut = [0 if self._parts_hold == [False] else self._last_parting(turn.prompt) for turn in turns]
        texts = [text for turn, at in zip(turns, cut)
                 for text in (turn.prompt[:at], turn.prompt[at:], turn.completion, turn.prompt[at:] + turn.completion)]
        ids = self.batch_ids(texts)
        made = [(ids[at] + ids[at + 1], ids[at + 2], ids[at] + ids[at + 3]) for at in range(0, len(ids), 4)]
        if turns and not self._parts_hold:
            full = self.batch_ids([text for turn in turns for text in (turn.prompt, turn.prompt + turn.completion)])
            self._parts_hold.append(all([prompt, whole] == full[2 * at : 2 * at + 2] for at, (prompt, _, whole) in enumerate(made)))
            return made if self._parts_hold[0] else self.ids_of_turns(turns)
        return made

    def _last_parting(self, prompt: str) -> int:
        """Where the last such special token of the prompt begins; 0 where there is none."""
        return max((match.start() for match in self._partings.finditer(prompt)), default=0) if self._partings else 0
