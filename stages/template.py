"""A model's tokenizer as the stages see it: chat template to exact text, end tokens, token ids."""

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


class Template:
    """Wraps a tokenizer with a chat template. `ends` are the token ids at which generation stops."""

    def __init__(self, name: str, tokenizer, ends: list[int]):
        self.name, self.tokenizer, self.ends = name, tokenizer, ends

    def text(self, messages: list[dict], tools: list[dict] | None, generate: bool = True) -> str:
        return self.tokenizer.apply_chat_template(messages, tools=tools, add_generation_prompt=generate, tokenize=False)

    @cached_property
    def end_texts(self) -> list[str]:
        return [self.tokenizer.convert_ids_to_tokens(i) for i in self.ends]

    @cached_property
    def takes_system(self) -> bool:
        """Whether a system turn is shown at all (Gemma 2 refuses it)."""
        try:
            return "qwzx" in self.text([{"role": "system", "content": "qwzx"}, {"role": "user", "content": "x"}], None)
        except Exception:  # templates raise what their authors chose
            return False

    def turn(self, messages: list[dict], target: dict, tools: list[dict] | None) -> Rendered:
        """Prompt and completion of one assistant turn; what a template writes after the end token is cut.

        Raises RowError when the prompt is no prefix of the whole, or no end token closes the turn.
        """
        prompt = self.text(messages, tools)
        whole = self.text([*messages, target], tools, generate=False)
        if not whole.startswith(prompt):
            raise RowError("prompt_not_prefix", "the chat template renders the turns differently once the answer follows")
        completion = whole[len(prompt):]
        end = max(completion.rfind(text) + len(text) if text in completion else -1 for text in self.end_texts)
        if end < 0 or completion[end:].strip():
            raise RowError("no_end_token", f"the turn does not end with {' or '.join(self.end_texts)}")
        return Rendered(prompt, completion[:end])

    def ids(self, text: str) -> list[int]:
        """Token ids of a rendered text; the template has written all special tokens itself."""
        return self.tokenizer(text, add_special_tokens=False)["input_ids"]

    def batch_ids(self, texts: list[str]) -> list[list[int]]:
        return self.tokenizer(texts, add_special_tokens=False)["input_ids"]
