"""Instructions that numba has no words for."""

import ctypes
from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import cgutils, config, types
from numba.core.errors import RequireLiteralValue
from numba.experimental.function_type import _get_jit_address
from numba.extending import intrinsic
from numba.np.arrayobj import populate_array

_READ, _TO_SECOND_CACHE, _DATA = 0, 2, 1  # of llvm.prefetch; in the first cache it would push out what is worked on


@intrinsic
def _ask_for(typing: Any, address: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer, number = ir.IntType(8).as_pointer(), ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), (pointer, number, number, number))
        prefetch = builder.module.declare_intrinsic("llvm.prefetch", (pointer,), kind)
        builder.call(prefetch, (builder.inttoptr(arguments[0], pointer), *map(number, (_READ, _TO_SECOND_CACHE, _DATA))))
        return context.get_dummy_value()

    return types.void(types.int64), generate


@intrinsic
def _take(typing: Any, counter: Any, amount: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, value=arguments[0])
        return builder.atomic_rmw("add", array.data, arguments[1], "monotonic")

    return types.int64(counter, types.int64), generate


@intrinsic
def _unowned(typing: Any, rows: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        if rows is types.none:
            return arguments[0]
        array = cgutils.create_struct_proxy(rows)(context, builder, value=arguments[0])
        array.meminfo = cgutils.get_null_value(array.meminfo.type)
        return array._getvalue()

    return rows(rows), generate


@intrinsic
def _array_at(typing: Any, address: Any, count: Any, kind: Any) -> Any:
    rows = types.Array(kind.dtype, 1, "C")

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _borrowed(context, builder, rows, arguments[0], arguments[1])

    return rows(types.int64, types.int64, kind), generate


@intrinsic(prefer_literal=True)
def _floats_on_stack(typing: Any, count: Any) -> Any:
    if not isinstance(count, types.IntegerLiteral):
        raise RequireLiteralValue("count of floats_on_stack")
    rows = types.Array(types.float32, 1, "C")

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        number = ir.IntType(64)
        room = cgutils.alloca_once(builder, ir.FloatType(), size=number(count.literal_value))
        return _borrowed(context, builder, rows, builder.ptrtoint(room, number), number(count.literal_value))

    return rows(count), generate


def _borrowed(context: Any, builder: Any, rows: Any, address: Any, count: Any) -> Any:
    """An array value of `count` items at an address, which it does not own."""
    array = context.make_array(rows)(context, builder)
    itemsize = context.get_constant(types.intp, context.get_abi_sizeof(context.get_data_type(rows.dtype)))
    pointer = builder.inttoptr(address, array.data.type)
    populate_array(array, data=pointer, shape=[count], strides=[itemsize], itemsize=itemsize, meminfo=None)
    return array._getvalue()


def function_at(signature: Any) -> Any:
    """For compiled code: what makes a callable of that signature of the number that `address_of` gives."""
    kind = types.FunctionType(signature)

    @intrinsic
    def made(typing: Any, address: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            function = cgutils.create_struct_proxy(kind)(context, builder)
            for name in ("c_addr", "py_addr", "jit_addr"):
                setattr(function, name, cgutils.get_null_value(getattr(function, name).type))
            function.jit_addr = builder.inttoptr(arguments[0], function.jit_addr.type)
            return function._getvalue()

        return kind(types.int64), generate

    return _same if config.DISABLE_JIT else made


def address_of(function: Any, signature: Any) -> Any:
    """Where the machine code of a function compiled for a signature is; who passes it on keeps the function alive.

    An argument that is the function itself is looked up anew in each call, 100 µs under Python's and the compiler's locks.
    """
    return function if config.DISABLE_JIT else _get_jit_address(function, signature)


def _nothing(address: int) -> None:
    pass


def _take_alone(counter: Any, amount: int) -> int:
    counter[0] += amount
    return int(counter[0]) - amount


def _same(rows: Any) -> Any:
    return rows


def _read_at(address: int, count: int, kind: Any) -> Any:
    dtype = np.dtype(kind)
    rows: Any = np.ndarray(count, dtype, (ctypes.c_char * (int(count) * dtype.itemsize)).from_address(int(address)))
    return rows.view(np.recarray) if dtype.names else rows


def _new_floats(count: int) -> Any:
    return np.empty(count, np.float32)


# ask_for(address): bring the line of memory there near the processor, without waiting for it; a wrong address does no harm.
ask_for: Any = _nothing if config.DISABLE_JIT else _ask_for
# take(counter, amount): what an int64 array's first number was before that amount was added to it, by one thread at a time.
take: Any = _take_alone if config.DISABLE_JIT else _take
# unowned(rows): the same array (or None) without a count of its references, each change of which is atomic; the caller keeps it alive.
unowned: Any = _same if config.DISABLE_JIT else _unowned
# array_at(address, count, dtype): the array of that many items in memory there, without a count of references; the caller keeps it alive.
array_at: Any = _read_at if config.DISABLE_JIT else _array_at
# floats_on_stack(count): an array of a constant count of float32s, holding anything, for as long as the function that asks runs.
floats_on_stack: Any = _new_floats if config.DISABLE_JIT else _floats_on_stack
