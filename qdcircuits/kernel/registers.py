"""Eight or sixteen numbers in vector registers, as one value inside compiled functions.

numba's own vectoriser must prove that two arrays do not overlap before it reads or writes several
numbers at once, and on rows this short it gives up: written with these values the same loops run three
to four times faster. LLVM maps a value to what the processor has: sixteen float32 are one register
with AVX-512, two with AVX2, four with NEON.

    load(array, start)            the eight numbers array[start : start + 8] of a flat array
    load_row(array, start)        the sixteen numbers from start on
    store(array, start, lanes)    writes eight or sixteen
    zeros(array), zero_row(array) eight, sixteen zeros of the array's precision
    total(lanes)                  the sum of the numbers
    walsh(lanes)                  the Walsh-Hadamard transform of the eight numbers
    +, +=, -, *                   number by number, also with a scalar on the left of *
"""

import operator
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import extending
from numba.core import types
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import lower_builtin, models, register_model

LANES = 8
ROW = 2 * LANES
FLAGS = ("contract", "reassoc", "nsz")  # not nnan: a NaN must come out as a NaN
INT32 = ir.IntType(32)
Compiler = tuple[Any, Callable[..., Any]]  # an intrinsic's signature, and what writes its instructions
intrinsic: Callable[..., Any] = extending.intrinsic  # a type checker sees what is called, not what it compiles


class Lanes(types.Type):
    """The type: `count` numbers of `dtype`, float32 or float64."""

    def __init__(self, dtype: types.Float, count: int) -> None:
        """Name it after its numbers."""
        self.dtype, self.count = dtype, count
        super().__init__(name=f"Lanes({dtype}, {count})")


@register_model(Lanes)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, dmm: Any, fe_type: Lanes) -> None:
        number = dmm.lookup(fe_type.dtype).get_value_type()
        super().__init__(dmm, fe_type, ir.VectorType(number, fe_type.count))


def _address(context: Any, builder: Any, array: Any, value: Any, start: Any, lanes: Lanes) -> tuple[Any, int]:
    """The address of array[start] as that of lanes, and how far it is sure to be aligned."""
    number = builder.gep(context.make_array(array)(context, builder, value).data, [start])
    size = context.get_abi_sizeof(context.get_value_type(lanes.dtype))
    return builder.bitcast(number, context.get_value_type(lanes).as_pointer()), size


def _load(array: Any, count: int) -> Compiler:
    """The signature and the instructions of a load."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        address, align = _address(context, builder, sig.args[0], args[0], args[1], sig.return_type)
        return builder.load(address, align=align)

    return Lanes(array.dtype, count)(array, types.intp), generate


@intrinsic
def load(typing_context: Any, array: Any, start: Any) -> Compiler:
    """Eight numbers of a flat array, from start on."""
    return _load(array, LANES)


@intrinsic
def load_row(typing_context: Any, array: Any, start: Any) -> Compiler:
    """Sixteen numbers of a flat array, from start on."""
    return _load(array, ROW)


@intrinsic
def store(typing_context: Any, array: Any, start: Any, lanes: Any) -> Compiler:
    """Write the numbers to a flat array, from start on."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        address, align = _address(context, builder, sig.args[0], args[0], args[1], sig.args[2])
        builder.store(args[2], address, align=align)
        return context.get_dummy_value()

    return types.void(array, types.intp, lanes), generate


def _zeros(array: Any, count: int) -> Compiler:
    """The signature and the constant of zeros."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return ir.Constant(context.get_value_type(sig.return_type), None)

    return Lanes(array.dtype, count)(array), generate


@intrinsic
def zeros(typing_context: Any, array: Any) -> Compiler:
    """Eight zeros of an array's precision."""
    return _zeros(array, LANES)


@intrinsic
def zero_row(typing_context: Any, array: Any) -> Compiler:
    """Sixteen zeros of an array's precision."""
    return _zeros(array, ROW)


@intrinsic
def total(typing_context: Any, lanes: Any) -> Compiler:
    """The sum of the numbers."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        values = [builder.extract_element(args[0], INT32(k)) for k in range(sig.args[0].count)]
        while len(values) > 1:
            half = len(values) // 2
            values = [builder.fadd(values[k], values[k + half], FLAGS) for k in range(half)]
        return values[0]

    return lanes.dtype(lanes), generate


@intrinsic
def walsh(typing_context: Any, lanes: Any) -> Compiler:
    """Three rounds of sums and differences, of numbers whose places differ in one bit."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        (value,) = args
        for bit in (1, 2, 4):
            swap = ir.Constant(ir.VectorType(INT32, LANES), [k ^ bit for k in range(LANES)])
            sign = ir.Constant(value.type, [-1.0 if k & bit else 1.0 for k in range(LANES)])
            partner = builder.shuffle_vector(value, value, swap)
            value = builder.fadd(builder.fmul(sign, value, FLAGS), partner, FLAGS)
        return value

    return lanes(lanes), generate


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
    place = ir.Constant(ir.VectorType(INT32, sig.args[1].count), None)
    same = builder.shuffle_vector(first, undefined, place)
    return builder.fmul(same, lanes, flags=FLAGS)
