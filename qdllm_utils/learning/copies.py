"""Arithmetic of S copies side by side in which the bits of each copy are its own.

A row of the store is a function of its key, so seed 0 must come out the same alone, among three and among ten. Three
things in PyTorch would mix the copies, each by a last bit that training at a rate of .06 makes into other answers: a
batched matrix product chooses its way by the number of matrices; the last few numbers of a tensor, which do not fill
a vector register, go through other code than the rest (other roundings of cos, tanh and fused multiply-adds), and
which numbers are the last depends on S; a sum over several axes is ordered by their lengths. Here every product and
every sum is done a copy at a time, and what is done number by number sees whole registers only.
"""

import warnings
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

BLOCK = 64  # numbers: a multiple of what any vector register and any unrolled loop takes at once
# The gradients of `lay_out` are strided like their parameters; torch warns once that this may be slow. It is not.
warnings.filterwarnings("ignore", message="grad and param do not obey the gradient layout contract")

ALIGNMENT = 64  # bytes: of a fresh tensor, and of the registers that the matrix product loads


def apart(values: Tensor) -> Tensor:
    """One copy's part of a tensor, laid out as it is where the copy is alone: contiguous and aligned."""
    aligned = values.device.type != "cpu" or values.data_ptr() % ALIGNMENT == 0
    return values if aligned and values.is_contiguous() else values.clone(memory_format=torch.contiguous_format)


class _Affine(torch.autograd.Function):
    """x W + b a copy at a time; the gradients likewise."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        pairs = [(apart(x), apart(w)) for x, w in zip(values, weight, strict=True)]
        ctx.pairs, ctx.with_bias = pairs, bias is not None
        products = torch.stack([x @ w for x, w in pairs])
        return products if bias is None else products + bias[:, None]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        parts = [apart(part) for part in gradient]
        values = weight = bias = None
        if ctx.needs_input_grad[0]:
            values = torch.stack([part @ w.T for part, (_, w) in zip(parts, ctx.pairs, strict=True)])
        if ctx.needs_input_grad[1]:
            weight = torch.stack([x.T @ part for part, (x, _) in zip(parts, ctx.pairs, strict=True)])
        if ctx.with_bias and ctx.needs_input_grad[2]:
            bias = torch.stack([part.sum(dim=0) for part in parts])
        return values, weight, bias


def affine(values: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """values @ weight + bias of each copy: (S, B, o) from (S, B, i), (S, i, o) and (S, o)."""
    return _Affine.apply(values, weight, bias)


def elementwise(function: Callable[..., Tensor], *values: Tensor) -> Tensor:
    """function(*values), (S, B, ...), where row b of the result depends on row b of the values (S, B, ...) alone.

    The rows are padded with zeros to a multiple of BLOCK, so that no copy's numbers are in an unfilled register.
    """
    rows = values[0].shape[1]
    missing = -rows % BLOCK
    padded = [F.pad(part, (0, 0) * (part.dim() - 2) + (0, missing)) for part in values] if missing else values
    return function(*padded)[:, :rows]


def each(function: Callable[..., Tensor], *values: Tensor) -> Tensor:
    """function of each copy's part of the values (S, ...), stacked: for what is neither of the above."""
    return torch.stack([function(*(apart(part) for part in parts)) for parts in zip(*values, strict=True)])


class EachAlone(nn.Module):
    """A module of (inputs (S, B, ...), weights (S, ...)) run on one copy after the other."""

    def __init__(self, module: nn.Module) -> None:
        """Wrap the module."""
        super().__init__()
        self.module = module

    def forward(self, inputs: Tensor, weights: Tensor) -> Tensor:
        """The module's outputs, (S, ...)."""
        return each(lambda x, w: self.module(x[None], w[None])[0], inputs, weights)


def lay_out(parameters: list[nn.Parameter]) -> nn.Parameter:
    """One flat parameter (S, P) for the optimiser; the parameters (S, ...) and their gradients become views of it.

    A row holds one copy's numbers, padded with zeros to a multiple of BLOCK: an optimiser that goes over it number
    by number meets each copy in whole registers.
    """
    copies, sizes = len(parameters[0]), [parameter[0].numel() for parameter in parameters]
    first = parameters[0]
    flat = nn.Parameter(torch.zeros(copies, -(-sum(sizes) // BLOCK) * BLOCK, dtype=first.dtype, device=first.device))
    flat.grad = torch.zeros_like(flat)
    start = 0
    for parameter, size in zip(parameters, sizes, strict=True):
        place = flat.data[:, start : start + size].view(parameter.shape)
        place.copy_(parameter.data)
        parameter.data = place
        parameter.grad = flat.grad[:, start : start + size].view(parameter.shape)
        start += size
    return flat
