"""What a training is told reaches the libraries: adapted layers, MLX's optimizer and schedule."""

import pytest

from tests import tiny


def adapted(model, **changes) -> list[str]:
    """Names of the trainable weights of the tiny model."""
    from peft import get_peft_model

    from stages.trainers import hf

    params = tiny.params(**{"model.name": str(model), **changes})
    base = hf.load_model(params)
    config = hf.adapted(base, params)
    return [name for name, weight in get_peft_model(base, config).named_parameters() if weight.requires_grad]


def test_only_the_last_layers_are_adapted(model):
    everywhere, last = adapted(model), adapted(model, **{"train.lora.layers": 1})
    assert last == [name for name in everywhere if ".layers.1." in name] and len(last) == len(everywhere) / 2
    assert adapted(model, **{"train.lora.layers": 9}) == everywhere, "more layers than there are: all"
    some = adapted(model, **{"train.lora.layers": 1, "train.lora.targets": ["q_proj", "v_proj"]})
    assert some == [name for name in last if "q_proj" in name or "v_proj" in name]


@pytest.fixture
def mlx():
    pytest.importorskip("mlx.core", reason="this machine has no MLX")
    from stages.trainers import mlx

    return mlx


def stepped(mlx, gradient: float, **changes) -> list[float]:
    """A weight of 1 after each of three updates with the same gradient, by MLX; learning rate 0.1."""
    import mlx.core as mx

    made = mlx.optimizer(tiny.params(**{"train.learning_rate": 0.1, "train.schedule": "constant", "train.warmup": 0, **changes}), 10)
    weights, found = {"w": mx.array([1.0])}, []
    for _ in range(3):
        weights = made.apply_gradients({"w": mx.array([gradient])}, weights)
        found.append(weights["w"].item())
    return found


def torch_stepped(gradient: float, decay: float) -> list[float]:
    import torch

    weight = torch.nn.Parameter(torch.ones(1))
    made, found = torch.optim.AdamW([weight], lr=0.1, weight_decay=decay), []
    for _ in range(3):
        weight.grad = torch.tensor([gradient])
        made.step()
        found.append(weight.item())
    return found


@pytest.mark.parametrize("decay", [0.0, 0.3])
def test_adamw_of_mlx_is_torchs(mlx, decay):
    """With bias correction, and with the weight decay that was asked for: mlx's own defaults have neither."""
    assert stepped(mlx, 0.01, **{"train.weight_decay": decay}) == pytest.approx(torch_stepped(0.01, decay), abs=1e-5)


def test_mlx_clips_gradients(mlx):
    """All gradients together, before the optimizer sees them."""
    import mlx.core as mx

    made = mlx.optimizer(tiny.params(**{"train.max_grad_norm": 0.5}), 10)
    seen = []
    made.apply_single = lambda gradient, parameter, state: seen.append(gradient) or parameter
    made.apply_gradients({"a": mx.array([3.0]), "b": mx.array([4.0])}, {"a": mx.array([0.0]), "b": mx.array([0.0])})
    assert [round(one.item(), 4) for one in seen] == [0.3, 0.4], "norm 5 becomes norm 0.5"


def test_mlx_adapts_the_last_layers(mlx, model, tmpl, tmp_path):
    import mlx.core as mx

    prompt = "<|im_start|>user\nhello<|im_end|>\n<|im_start|>assistant\n"
    rows = [{"prompt": prompt, "completion": f"good day {number}<|im_end|>"} for number in range(4)]
    params = tiny.params(**{"model.name": str(model), "train.backend": "mlx", "predict.backend": "mlx", "train.steps": 2, "train.batch_size": 2,
                            "train.lora.layers": 1})
    made = mlx.train(rows, [], params, tmpl, tmp_path)
    names = list(mx.load(str(made.adapter / "adapters.safetensors")))
    assert names and all(".layers.1." in name for name in names)
    assert '"num_layers": 1' in (made.adapter / "adapter_config.json").read_text()


def test_packing_is_refused(mlx, model, tmpl, tmp_path):
    from stages.errors import StageError

    rows = [{"prompt": "<|im_start|>user\nhello<|im_end|>\n<|im_start|>assistant\n", "completion": "good day<|im_end|>"}] * 4
    changes = {"model.name": str(model), "train.packing": True, "train.steps": 1}
    with pytest.raises(StageError, match="train.packing is set to what train.backend=mlx does not offer"):
        mlx.train(rows, [], tiny.params(**changes | {"train.backend": "mlx", "predict.backend": "mlx"}), tmpl, tmp_path)
