"""Muon for the matrices of the blocks, AdamW for the rest.

Muon (Jordan et al. 2024): the momentum of a matrix is replaced by its nearest orthogonal matrix, found by
five Newton-Schulz steps; scaled by 0.2 sqrt(larger side) (Liu et al. 2025) it shares AdamW's rate and decay.
"""

import torch


@torch.compile(dynamic=False)
def orthogonal(g):
    """Newton-Schulz on a stack [n, r, c] in bf16."""
    x = g.bfloat16()
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    tall = x.shape[-2] > x.shape[-1]
    x = x.mT if tall else x
    for a, b, c in [(3.4445, -4.7750, 2.0315)] * 5:
        s = x @ x.mT
        x = a * x + (b * s + c * s @ s) @ x
    return x.mT if tall else x


class Muon(torch.optim.Optimizer):
    """Stacks parameters of one shape, so that each shape costs a handful of kernels."""

    def __init__(self, params, lr, momentum=0.95, weight_decay=0.1):
        super().__init__(list(params), dict(lr=lr, momentum=momentum, weight_decay=weight_decay))

    @torch.no_grad()
    def step(self):
        for g in self.param_groups:
            by = {}
            for p in g["params"]:
                by.setdefault(p.shape, []).append(p)
            for shape, ps in by.items():
                st = self.state[ps[0]]
                grads = torch.stack([p.grad for p in ps])
                m = st.setdefault("momentum", torch.zeros_like(grads))
                m.lerp_(grads, 1 - g["momentum"])
                u = orthogonal(grads.lerp(m, g["momentum"])).to(grads.dtype)
                scale = 0.2 * max(shape) ** 0.5
                torch._foreach_mul_(ps, 1 - g["lr"] * g["weight_decay"])
                torch._foreach_add_(ps, list(u.unbind(0)), alpha=-g["lr"] * scale)


def build(model, kind, lr, decay=0.1):
    """[optimisers]; each group's `peak` is the rate that the schedule scales."""
    blocks = [p for n, p in model.named_parameters() if p.dim() == 2 and "embed" not in n]
    table = [p for n, p in model.named_parameters() if "embed" in n]
    norms = [p for p in model.parameters() if p.dim() < 2]
    cuda = next(model.parameters()).is_cuda
    if kind == "muon":
        opts = [
            Muon(blocks, lr, weight_decay=decay),
            torch.optim.AdamW(
                [dict(params=table, weight_decay=0.01), dict(params=norms, weight_decay=0.0)], lr=lr, betas=(0.9, 0.95), eps=1e-10, fused=cuda
            ),
        ]
    else:
        opts = [
            torch.optim.AdamW(
                [dict(params=blocks + table, weight_decay=decay), dict(params=norms, weight_decay=0.0)],
                lr=lr,
                betas=(0.9, 0.95),
                eps=1e-10,
                fused=cuda,
            )
        ]
    for o in opts:
        for g in o.param_groups:
            g["peak"] = lr
    return opts
