"""The vocabulary's logits only where a token is supervised.

TRL's own head does so on a GPU; elsewhere it computes them at every position, most of which are prompt.
"""

import types

import torch
from trl.trainer.utils import FusedCausalLMOutput

# what some models do to their logits after the head; TRL's head knows how, this one does not
SCALED = ("final_logit_softcapping", "logit_scale", "output_multiplier", "lm_head_multiplier", "logits_scaling")


def fault(config) -> str | None:
    """Why this head cannot take the place of TRL's for a model with this configuration; None when it can."""
    text = config.get_text_config()
    changed = [name for name in SCALED if getattr(text, name, None) not in (None, 1.0)]
    if getattr(text, "output_router_logits", False):
        changed.append("output_router_logits")
    return f"the model's configuration has {changed[0]}" if changed else None


def add(model) -> None:
    """model(..., labels=labels, fused_lm_head=True), for a model without PEFT around it, then goes this way.

    It gives what TRL's trainer reads: log_probs, entropy and is_top1 (supervised tokens,), and the mask of those (rows, tokens - 1).
    """
    before = model.forward

    def forward(self, *args, fused_lm_head=False, labels=None, **kwargs):
        if not fused_lm_head:
            return before(*args, **(kwargs if labels is None else kwargs | {"labels": labels}))
        hidden = self.base_model(*args, **kwargs | {"use_cache": False}).last_hidden_state[:, :-1]
        targets = labels[:, 1:]
        mask = targets != -100
        logits = self.get_output_embeddings()(hidden[mask]).float()
        losses = torch.nn.functional.cross_entropy(logits, targets[mask], reduction="none")
        with torch.no_grad():
            entropy = torch.distributions.Categorical(logits=logits.detach(), validate_args=False).entropy()
            best = logits.argmax(-1) == targets[mask]
        return FusedCausalLMOutput(log_probs=-losses, entropy=entropy, is_top1=best, label_mask=mask)

    model.forward = types.MethodType(forward, model)
