"""SFTTrainer with the steps of the recipe, and of the hardware's speed: packing, budgets, compiled layers, several processes.

What a step learns stays TRL's: `batch_size` x `accumulation` rows, the loss averaged over their supervised tokens. How the
rows go through the model is free: packed or padded, in as few passes as memory allows, shared over processes.
tests/trainers/test_fast.py holds losses and gradients against TRL's own.
"""

import contextlib
from dataclasses import dataclass

import torch
from accelerate.data_loader import BatchSamplerShard
from transformers import TrainerCallback
from transformers.trainer_pt_utils import LengthGroupedSampler
from trl import SFTTrainer

from stages import hardware
from stages.console import say
from stages.errors import StageError
from stages.mask import MaskProof
from stages.params import Params
from stages.trainers import _attention, _head, _memory, _packing

COMPILER = "inductor"


@dataclass
class Plan:
    """How rows go through the model; `said` is one line for each means that this hardware or model does not allow."""

    rows: int  # rows in one padded batch
    attention: str | None  # of packed rows; None = padded
    compiled: bool
    dynamic: bool | None  # kernels for any length; None = once a second length has come
    sparse_head: bool
    checkpointing: bool | str
    tokens: int | None  # in one pack; None = found by trying
    said: list[str]

    @classmethod
    def of(cls, params: Params, config, device: str) -> "Plan":
        train, said = params.train, []
        attention = None
        if train.packing is not False and not (train.packing == "auto" and device != "cuda"):
            wish = train.attention
            if wish == "auto":  # one FlashAttention call, in place of kernels compiled for each length
                narrow = hardware.choose(params.model.dtype)[1] != "float32"
                wish = "rows" if device != "cuda" else "varlen" if narrow and not _attention.fault(config, "varlen", device) else "flex"
            fault = _attention.fault(config, wish, device)
            if fault and wish != "rows":
                said.append(f"packed rows with attention rows, as {fault}")
                wish, fault = "rows", _attention.fault(config, "rows", device)
            attention = None if fault else wish
            if fault:
                said.append(f"rows padded and not packed, as {fault}")
        compiled = device == "cuda" if train.compile == "auto" else bool(train.compile)
        if compiled and attention == "rows":
            said.append("layers not compiled, as attention row by row has a new shape each time")
            compiled = False
        sparse = train.sparse_logits and device != "cuda"  # on a GPU TRL's own head is as sparse
        if sparse and (fault := _head.fault(config)):
            said.append(f"logits at every position, as {fault}")
            sparse = False
        checkpointing = train.gradient_checkpointing
        if checkpointing == "auto" and device != "cuda":
            checkpointing = False
        tokens = train.batch_tokens
        if tokens is None and device != "cuda":  # what a step computes must not depend on the memory that happens to be free
            tokens = 0
        return cls(train.batch_size, attention, compiled, None if train.compile in ("auto", True) else train.compile == "dynamic", sparse,
                   checkpointing, tokens, said)


class EpochSampler(LengthGroupedSampler):
    """Rows of about equal length together, in an order that seed and epoch alone decide.

    Transformers draws the order from the global random state, which a run that goes on inside of a later epoch does not have.
    """

    def __init__(self, seed: int, **options):
        super().__init__(**options)
        self.seed, self.epoch = seed, 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __iter__(self):
        self.generator = torch.Generator().manual_seed(self.seed + self.epoch)
        return super().__iter__()


class Epochs(TrainerCallback):
    """Tells the sampler its epoch: a loader that skips batches in several processes does not."""

    def __init__(self, sampler: EpochSampler, steps: int):
        self.sampler, self.steps = sampler, steps

    def on_epoch_begin(self, args, state, control, **kwargs):
        self.sampler.set_epoch(state.global_step // self.steps)


class FastTrainer(SFTTrainer):
    """Each batch is the rows of one optimiser step (_packing.flat); every pass is proved before a loss is computed on it."""

    def __init__(self, *args, plan: Plan, proof: MaskProof, longest: int, **options):
        super().__init__(*args, data_collator=_packing.flat, **options)
        self.plan, self.proof, self.longest, self.tokens, self.sums = plan, proof, longest, plan.tokens, {}
        self.rehearsed = not plan.compiled and plan.tokens is not None
        self.base = self.model.get_base_model()
        self.layers = [module for module in self.base.modules() if type(module).__name__ in (self.base._no_split_modules or ())]
        if plan.attention:
            try:
                self.base.set_attn_implementation(_attention.NAMES[plan.attention])
            except (ValueError, ImportError) as error:
                say(f"train: packed rows with attention rows, as the model refuses {plan.attention} ({' '.join(str(error).split())[:100]})")
                plan.attention, plan.compiled = "rows", False
                self.base.set_attn_implementation(_attention.NAMES["rows"])
        if plan.sparse_head:
            _head.add(self.base)
        if self.args.bf16 or self.args.fp16:  # autocast chooses the type: PEFT's own casts to float32 and back are saved
            for module in self.base.modules():
                if hasattr(module, "cast_input_dtype_enabled"):
                    module.cast_input_dtype_enabled = False
        self.compile_layers(plan.compiled)

    def compile_layers(self, on: bool) -> None:
        """Layer by layer: one kernel set serves all layers, where the whole model would take minutes."""
        torch._dynamo.config.recompile_limit = 64  # lengths of packs, where each is compiled
        for layer in self.layers:
            layer._compiled_call_impl = None
            if on:
                layer.compile(backend=COMPILER, dynamic=self.plan.dynamic)

    # --- rows ------------------------------------------------------------------------------------------------

    def _get_train_sampler(self, train_dataset=None):
        lengths = [len(ids) for ids in (train_dataset or self.train_dataset)["input_ids"]]
        sampler = EpochSampler(self.args.seed, batch_size=self.args.train_batch_size, lengths=lengths)
        self.add_callback(Epochs(sampler, -(-len(lengths) // self.args.train_batch_size)))
        return sampler

    def get_train_dataloader(self):
        return whole(super().get_train_dataloader())

    def get_eval_dataloader(self, eval_dataset=None):
        return whole(super().get_eval_dataloader(eval_dataset))

    def passes(self, inputs: dict) -> tuple[list[dict], int]:
        """(this process's packs of a step, at least one; the number of targets in the whole step). Raises StageError."""
        rows, share = _packing.rows_of(inputs), self.accelerator.num_processes
        lengths, pad = [len(ids) for ids, _ in rows], self.processing_class.pad_token_id
        if self.plan.attention:
            parts = _packing.balanced(lengths, self.tokens or self.plan.rows * self.longest, share)
        else:
            limit = len(rows) if self.tokens else self.plan.rows
            parts = _packing.chunks(lengths, min(limit, -(-len(rows) // share)), self.tokens, share)
        shortest = min(rows, key=lambda row: len(row[0]))[0]
        silent = [(shortest, torch.full_like(shortest, _packing.IGNORED))]  # where there are fewer packs than processes
        packs = [self.pack([rows[i] for i in part] or silent, pad) for part in parts]
        proved = 0
        for part, one in zip(parts, packs):
            for ids, labels in _packing.unpacked(one) if part else ():
                self.proof.check(ids, labels)
                proved += 1
            self.proof.batches += bool(part)
        if proved != len(rows):
            raise StageError(f"mask proof: {proved} of {len(rows)} rows of a step have something to learn in their pack; nothing was trained on it.")
        targets = sum(int((one["labels"] != _packing.IGNORED).sum()) for one in packs)
        return packs[self.accelerator.process_index :: share], targets

    def pack(self, rows: list, pad: int) -> dict:
        return _packing.packed(rows, pad, self.longest) if self.plan.attention else _packing.padded(rows, pad)

    # --- loss ------------------------------------------------------------------------------------------------

    def training_step(self, model, inputs, num_items_in_batch=None):
        """One whole optimiser step, in as many passes as it takes; gradients are exchanged with the last one."""
        if not self.rehearsed:
            _memory.rehearse(self, model)
            self.rehearsed = True
        counted, sums = self.proof.report(), dict(self.sums)
        try:
            loss = self.step(model, inputs)
        except torch.cuda.OutOfMemoryError:
            if self.accelerator.num_processes > 1 or not self.tokens or self.tokens <= self.longest:
                raise
            loss = None
        if loss is None:  # outside of the handler, which holds on to the memory
            self.tokens = max(self.tokens // 2, self.longest)
            say(f"train: step {self.state.global_step + 1} did not fit the GPU: anew, in packs of up to {self.tokens} tokens")
            self.proof.go_on_from(counted)
            self.sums = sums
            model.zero_grad()
            torch.cuda.empty_cache()
            return self.training_step(model, inputs, num_items_in_batch)
        self._total_train_tokens += inputs["input_ids"].numel()
        return loss

    def step(self, model, inputs: dict) -> torch.Tensor:
        packs, targets = self.passes(inputs)
        self.current_gradient_accumulation_steps = len(packs)  # what an auxiliary loss is averaged over
        loss = 0.0
        for number, one in enumerate(packs, 1):
            with contextlib.nullcontext() if number == len(packs) else self.accelerator.no_sync(model=model):
                loss = loss + self.one_pass(model, one, targets)
        return loss

    def one_pass(self, model, pack: dict, targets: int) -> torch.Tensor:
        """Forward and back over one pack, in a step of so many targets."""
        return super().training_step(model, pack, targets)

    def prediction_step(self, model, inputs, prediction_loss_only, ignore_keys=None):
        packs, targets = self.passes(inputs)
        with torch.no_grad(), self.compute_loss_context_manager():
            loss = sum(self.compute_loss(model, self._prepare_inputs(one), num_items_in_batch=targets) for one in packs)
        return self.accelerator.reduce(loss, "mean"), None, None

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        """This pass's part of the step's mean loss a target, times the processes, over which gradients are averaged.

        As TRL's, but that what is only logged stays on the device until it is: each look at it would stop the GPU.
        """
        router = {"output_router_logits": True} if self.aux_loss_enabled else {}
        outputs = model(**inputs, **router, use_cache=False, fused_lm_head=True)
        loss = -outputs.log_probs.sum() * (self.accelerator.num_processes / max(num_items_in_batch, 1))
        if self.aux_loss_enabled:
            loss = loss + self.router_aux_loss_coef * outputs.aux_loss / self.current_gradient_accumulation_steps
        mode = "train" if self.model.training else "eval"
        seen = torch.stack([outputs.label_mask.sum(), outputs.is_top1.sum()]).detach()
        self.sums[mode] = self.sums[mode] + seen if mode in self.sums else seen
        return (loss, outputs) if return_outputs else loss

    def log(self, logs: dict, start_time: float | None = None) -> None:
        mode = "train" if self.model.training else "eval"
        if (seen := self.sums.pop(mode, None)) is not None:
            targets, right = self.accelerator.reduce(seen, "sum").tolist()
            prefix = "" if mode == "train" else "eval_"
            logs |= {f"{prefix}mean_token_accuracy": right / max(targets, 1), f"{prefix}num_tokens": self._total_train_tokens}
        super(SFTTrainer, self).log(logs, start_time)  # TRL's own adds what its compute_loss has counted

    def floating_point_ops(self, inputs) -> int:
        return 0  # counts all parameters anew in each step, for a figure that nothing reads


def whole(loader):
    """A loader whose every process gets every batch, on the CPU: there each one takes its share of the packs."""
    loader.device = None
    if isinstance(loader.batch_sampler, BatchSamplerShard):  # as transformers does for samplers that share themselves
        loader.batch_sampler.num_processes, loader.batch_sampler.process_index = 1, 0
        loader.batch_sampler.even_batches = False  # an epoch's last step has the rows that are left, and none twice
    return loader
