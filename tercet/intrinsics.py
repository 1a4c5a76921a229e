"""Two instructions that numba has no words for. Neither changes what is computed."""

from typing import Any

from llvmlite import ir
from numba.core import cgutils, config, types
from numba.extending import intrinsic

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
def _unowned(typing: Any, rows: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        if rows is types.none:
            return arguments[0]
        array = cgutils.create_struct_proxy(rows)(context, builder, value=arguments[0])
        array.meminfo = cgutils.get_null_value(array.meminfo.type)
        return array._getvalue()

    return rows(rows), generate


def _nothing(address: int) -> None:
    pass


def _same(rows: Any) -> Any:
    return rows


# ask_for(address): bring the line of memory there near the processor, without waiting for it; a wrong address does no harm.
ask_for: Any = _nothing if config.DISABLE_JIT else _ask_for
# unowned(rows): the same array (or None) without a count of its references, each change of which is atomic; the caller keeps it alive.
unowned: Any = _same if config.DISABLE_JIT else _unowned
