"""A tiny ONNX model, written by hand: the format is a handful of nested records.

The numbers are those of `onnx.proto`, version 8 of the format, operators of version 13.
"""

from __future__ import annotations

from collections.abc import Sequence

_FLOAT, _INTS, _INT = 1, 7, 2


def mean_of(shape: Sequence[int | str], *, sigmoid: bool = True) -> bytes:
    """A model that returns the mean of its input (batch, a, b), squashed to 0..1, as (batch, 1)."""
    nodes = [
        _node("ReduceMean", "input_features", "rows", axes=[2], keepdims=0),
        _node("ReduceMean", "rows", "mean", axes=[1], keepdims=1),
        _node("Sigmoid" if sigmoid else "Identity", "mean", "logits"),
    ]
    graph = b"".join(_bytes(1, node) for node in nodes)
    graph += _bytes(2, b"mean") + _bytes(11, _tensor("input_features", shape))
    graph += _bytes(12, _tensor("logits", [shape[0], 1]))
    return _number(1, 8) + _bytes(7, graph) + _bytes(8, _number(2, 13))


def _node(kind: str, source: str, target: str, **attributes: int | list[int]) -> bytes:
    made = _bytes(1, source.encode()) + _bytes(2, target.encode()) + _bytes(4, kind.encode())
    for name, value in attributes.items():
        attribute = _bytes(1, name.encode())
        if isinstance(value, list):
            attribute += b"".join(_number(8, one) for one in value) + _number(20, _INTS)
        else:
            attribute += _number(3, value) + _number(20, _INT)
        made += _bytes(5, attribute)
    return made


def _tensor(name: str, shape: Sequence[int | str]) -> bytes:
    sizes = b"".join(
        _bytes(1, _number(1, size) if isinstance(size, int) else _bytes(2, size.encode()))
        for size in shape
    )
    kind = _bytes(1, _number(1, _FLOAT) + _bytes(2, sizes))
    return _bytes(1, name.encode()) + _bytes(2, kind)


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _bytes(field: int, value: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    made = bytearray()
    while value > 0x7F:
        made.append(value & 0x7F | 0x80)
        value >>= 7
    made.append(value)
    return bytes(made)
