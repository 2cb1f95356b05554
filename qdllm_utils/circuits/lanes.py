"""Eight numbers in a vector register, as a value inside compiled functions.

numba's own vectoriser must prove that two arrays do not overlap before it reads or writes eight numbers
at once, and on rows this short it gives up: written with these values the same loops run three to
four times faster. LLVM maps a value to whatever the processor has (one AVX-512 register, two AVX ones,
four of NEON).

    load(array, start)            the numbers array[start : start + 8] of a flat array
    store(array, start, lanes)    writes them
    zeros(array), total(lanes)    eight zeros of the array's precision; the sum of eight numbers
    +, +=, -, *                   number by number, also with a scalar on the left of *
"""

import operator
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba.core import types
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import intrinsic, lower_builtin, models, register_model

LANES = 8
FLAGS = ("contract", "reassoc", "nsz")  # not nnan: a NaN must come out as a NaN
INT32 = ir.IntType(32)


class Lanes(types.Type):
    """The type: eight numbers of `dtype`, float32 or float64."""

    def __init__(self, dtype: types.Float) -> None:
        """Name it after its numbers."""
        self.dtype = dtype
        super().__init__(name=f"Lanes({dtype})")


@register_model(Lanes)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, dmm: Any, fe_type: Lanes) -> None:
        super().__init__(dmm, fe_type, ir.VectorType(dmm.lookup(fe_type.dtype).get_value_type(), LANES))


def _pointer(context: Any, builder: Any, array_type: Any, array: Any, start: Any) -> tuple[Any, Any]:
    """The address of array[start] as that of eight numbers, and how far it is sure to be aligned."""
    number = context.get_value_type(array_type.dtype)
    address = builder.gep(context.make_array(array_type)(context, builder, array).data, [start])
    return builder.bitcast(address, ir.VectorType(number, LANES).as_pointer()), context.get_abi_sizeof(number)


@intrinsic
def load(typing_context, array, start):
    """Eight numbers of a flat array, from start on."""

    def generate(context, builder, sig, args):
        address, align = _pointer(context, builder, sig.args[0], *args)
        return builder.load(address, align=align)

    return Lanes(array.dtype)(array, types.intp), generate


@intrinsic
def store(typing_context, array, start, lanes):
    """Write eight numbers to a flat array, from start on."""

    def generate(context, builder, sig, args):
        address, align = _pointer(context, builder, sig.args[0], *args[:2])
        builder.store(args[2], address, align=align)
        return context.get_dummy_value()

    return types.void(array, types.intp, lanes), generate


@intrinsic
def zeros(typing_context, array):
    """Eight zeros of an array's precision."""

    def generate(context, builder, sig, args):
        return ir.Constant(context.get_value_type(sig.return_type), None)

    return Lanes(array.dtype)(array), generate


@intrinsic
def total(typing_context, lanes):
    """The sum of the eight numbers."""

    def generate(context, builder, sig, args):
        values = [builder.extract_element(args[0], INT32(k)) for k in range(LANES)]
        while len(values) > 1:
            half = len(values) // 2
            values = [builder.fadd(values[k], values[k + half], FLAGS) for k in range(half)]
        return values[0]

    return lanes.dtype(lanes), generate


class _Elementwise(AbstractTemplate):
    def generic(self, args: tuple[Any, ...], kws: dict[str, Any]) -> Any:
        """Type two Lanes of the same numbers."""
        if len(args) == 2 and isinstance(args[0], Lanes) and args[0] == args[1]:
            return signature(args[0], *args)
        return None


@infer_global(operator.mul)
class _Product(_Elementwise):
    def generic(self, args: tuple[Any, ...], kws: dict[str, Any]) -> Any:
        """Type a scalar times Lanes as well."""
        if len(args) == 2 and isinstance(args[1], Lanes) and isinstance(args[0], types.Number):
            return signature(args[1], args[1].dtype, args[1])
        return super().generic(args, kws)


for _operation in (operator.add, operator.iadd, operator.sub):
    infer_global(_operation)(_Elementwise)


def _lower(operation: Any, name: str) -> None:
    """Lower an operation on two Lanes to one vector instruction."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return getattr(builder, name)(*args, flags=FLAGS)

    lower_builtin(operation, Lanes, Lanes)(generate)


_lower(operator.add, "fadd")
_lower(operator.iadd, "fadd")
_lower(operator.sub, "fsub")
_lower(operator.mul, "fmul")


@lower_builtin(operator.mul, types.Float, Lanes)
def _scale(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    number, lanes = args
    undefined = ir.Constant(lanes.type, ir.Undefined)
    first = builder.insert_element(undefined, number, INT32(0))
    same = builder.shuffle_vector(first, undefined, ir.Constant(ir.VectorType(INT32, LANES), [0] * LANES))
    return builder.fmul(same, lanes, flags=FLAGS)
