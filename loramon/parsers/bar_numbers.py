"""Numbers out of bytes, thousands at a time: eight bytes of text are one 64-bit word, and arithmetic on the word is
arithmetic on each byte ("SIMD within a register"; digits to number after D. Lemire, "Quickly parsing eight digits",
2018).

Every function also says which of its inputs it could read. What it read equals `int(text)` or `float(text)` exactly: a
mantissa below 2**53 and a power of ten up to 10**22 are both exact doubles, and one division or product rounds once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    U64 = NDArray[np.uint64]
    I64 = NDArray[np.int64]
    F64 = NDArray[np.float64]
    Mask = NDArray[np.bool_]

u64 = np.uint64
_ZEROS = u64(0x3030303030303030)
_SEVENS = u64(0x7F7F7F7F7F7F7F7F)
_ABOVE_NINE = u64(0x7676767676767676)
_HIGH_BITS = u64(0x8080808080808080)
_BYTE = u64(0xFF)
_ALL = u64(0xFFFFFFFFFFFFFFFF)
_INDEX_OF_ONE_HOT = u64(0x0001020304050607)
_CLOCK = u64(0x30303A30303A3030)  # 'HH:MM:SS', first character in the lowest byte
_CLOCK_TOO_BIG = u64(0x76767F76767F7676)
_POWERS_OF_TEN = 10.0 ** np.arange(23)


class Words:
    """A buffer of bytes that can be read as 64-bit words at any position.

    What is read may lie up to 128 bytes before or behind the position in question: the buffer needs margins of that
    size.
    """

    __slots__ = ("_words", "buffer", "bytes")

    def __init__(self, buffer: bytearray) -> None:
        self.buffer = buffer
        self.bytes: NDArray[np.uint8] = np.frombuffer(buffer, np.uint8)
        self._words: U64 = np.ndarray((len(buffer) - 7,), "<u8", buffer, 0, (1,))

    def at(self, positions: I64) -> U64:
        """The eight bytes from each position on, the first one lowest."""
        found: U64 = self._words[positions]
        return found if found.dtype.isnative else found.astype(u64)

    def begins(self, positions: I64, text: bytes) -> Mask:
        """Where `text` stands at the position."""
        equal = np.ones(len(positions), np.bool_)
        for k in range(0, len(text), 8):
            part = text[k : k + 8]
            difference = self.at(positions + k) ^ u64(int.from_bytes(part, "little"))
            equal &= (difference << u64(8 * (8 - len(part)))) == 0
        return equal


def decimal8(digits: U64) -> U64:
    """Eight digit values (0 to 9 a byte, the most significant in the lowest byte) as a number."""
    pairs = digits * u64(10) + (digits >> u64(8))
    high = (pairs & u64(0x000000FF000000FF)) * u64(0x000F424000000064)
    low = ((pairs >> u64(16)) & u64(0x000000FF000000FF)) * u64(0x0000271000000001)
    return (high + low) >> u64(32)


def _no_digit(values: U64) -> U64:
    """The high bit of each byte that is no digit value."""
    return (((values & _SEVENS) + _ABOVE_NINE) | values) & _HIGH_BITS


def _last_byte(high_bits: U64) -> U64:
    """Index of the highest byte whose high bit is set (0 where none is): the exponent of a float is a logarithm."""
    exponent = (high_bits | u64(1)).astype(np.float64).view(u64) >> u64(52)
    return (exponent - u64(1023)) >> u64(3)


def _first_byte(one_hot: U64) -> U64:
    """Index of the byte whose lowest bit is the only one set."""
    return (one_hot * _INDEX_OF_ONE_HOT) >> u64(56)


def whole_before(words: Words, end: I64) -> tuple[I64, I64, U64, Mask]:
    """The digits that end before each position: their number, the position of what stands before them and the byte
    there, and whether the number was read (1 to 7 digits and something else before them)."""
    digits = words.at(end - 8) ^ _ZEROS
    stop = _last_byte(_no_digit(digits))
    shift = stop * u64(8)
    before = ((digits >> shift) & _BYTE) ^ u64(0x30)
    number = decimal8(digits & (u64(0xFFFFFFFFFFFFFF00) << shift)).view(np.int64)
    place = end - 8 + stop.view(np.int64)
    return number, place, before, (stop < 7) & (before - u64(0x30) > 9)


def clock_seconds(words: Words, start: I64) -> tuple[F64, Mask]:
    """`MM:SS<` or `H:MM:SS<` (up to three figures of hours) from each position on, in seconds, and whether it was read."""
    seconds, ok = _short_clock(words, start)
    if not ok.all():
        days = np.flatnonzero(~ok & (words.bytes[start + 9] == 0x3C) & (words.bytes[start + 6] == 0x3A))
        hundreds = words.bytes[start[days]].astype(np.int64) - 0x30
        rest, ok[days] = _short_clock(words, start[days] + 1)
        ok[days] &= (hundreds >= 0) & (hundreds <= 9)
        seconds[days] = hundreds * 360000 + rest
    return seconds, ok


def _short_clock(words: Words, start: I64) -> tuple[F64, Mask]:
    word = words.at(start)
    short = (word >> u64(40)) & _BYTE == 0x3C
    if short.all():
        length = np.full(len(start), 5, u64)
        known = short
    else:
        one_hour = word >> u64(56) == 0x3C
        length = np.where(short, u64(5), np.where(one_hour, u64(7), u64(8)))
        known = short | one_hour | (words.bytes[start + 8] == 0x3C)
    shift = (u64(8) - length) * u64(8)
    values = (word << shift) ^ (_CLOCK & (_ALL << shift))
    wrong = (((values & _SEVENS) + _CLOCK_TOO_BIG) | values) & _HIGH_BITS
    pairs = (values * u64(10) + (values >> u64(8))) & u64(0x00FF0000FF0000FF)  # HH, MM, SS in bytes 0, 3, 6
    minutes = (pairs * u64(60 << 24 | 1)) >> u64(24) & u64(0xFFFFFF)
    seconds = minutes * u64(60) + (pairs >> u64(48))
    return seconds.astype(np.float64), known & (wrong == 0)


def numbers(words: Words, start: I64) -> tuple[F64, Mask]:
    """A number of up to eight characters (then perhaps an exponent), `nan` or `inf`, with or without a minus sign, that
    ends before `,` or `]`: its value, and whether it was read."""
    word = words.at(start)
    text = word[:1].tobytes()
    if (word == word[:1]).all() and (b"," in text or b"]" in text):  # a constant, like most learning rates
        value, ok, _, after = any_numbers(words, start[:1])
        ok &= (after == 0x2C) | (after == 0x5D)
        return np.repeat(value, len(start)), np.repeat(ok, len(start))
    value, ok = _fractions(word)
    if not ok.all():
        rest = np.flatnonzero(~ok)
        value[rest], good, _, after = any_numbers(words, start[rest])
        ok[rest] = good & ((after == 0x2C) | (after == 0x5D))
    return value, ok


def _fractions(word: U64) -> tuple[F64, Mask]:
    """The commonest shape: one digit, the point, one to five digits, `,` or `]`."""
    digits = word ^ _ZEROS
    tail = digits >> u64(16)
    other = _no_digit(tail)
    stop = (other & (~other + u64(1))) >> u64(7)
    size = _first_byte(stop)
    scale = _POWERS_OF_TEN[size.astype(np.int64)]
    first = digits & _BYTE
    fraction = decimal8((tail & (stop - u64(1))) << (u64(64) - np.maximum(size << u64(3), u64(1))))
    after = (word >> ((size << u64(3)) + u64(16))) & _BYTE
    ok = (first <= 9) & (size > 0) & (digits & u64(0xFF00) == 0x1E00)
    ok &= (after == 0x2C) | (after == 0x5D)
    return (first.astype(np.float64) * scale + fraction.astype(np.float64)) / scale, ok


def any_numbers(words: Words, start: I64) -> tuple[F64, Mask, I64, NDArray[np.uint8]]:
    """All shapes of numbers: the value, whether it was read, the position behind it and the byte there."""
    word = words.at(start)
    minus = word & _BYTE == 0x2D
    if minus.any():
        start = start + minus
        word = words.at(start)
    digits = word ^ _ZEROS
    other = _no_digit(digits)
    first = other & (~other + u64(1))
    second = other & (other - u64(1))
    second &= ~second + u64(1)
    below_first, below_second = (first >> u64(7)) - u64(1), (second >> u64(7)) - u64(1)  # all ones where there is none
    i, j = _first_byte(first >> u64(7)), _first_byte(second >> u64(7))
    j = np.where(second == 0, u64(8), j)
    point = ((word >> (i * u64(8))) & _BYTE == 0x2E) & (first != 0)
    whole = digits & below_first
    behind = digits & below_second & ~below_first & ~(_BYTE << (i * u64(8)))
    end = np.where(point, j, np.where(first == 0, u64(8), i))
    aligned = np.where(point, whole << u64(8) | behind, whole)
    ok = (end > 0) & (i > 0) | (first == 0)
    mantissa = decimal8(aligned << (u64(8) * (u64(8) - np.maximum(end, u64(1))))).astype(np.float64)
    power = np.where(point, i.astype(np.int64) + 1 - end.astype(np.int64), 0)
    at = start + end.astype(np.int64)
    after = words.bytes[at]
    exponent = np.flatnonzero(after == 0x65)
    if len(exponent):
        power[exponent], at[exponent] = _exponents(words, at[exponent] + 1, power[exponent])
        after = words.bytes[at]
    ok &= (after != 0x65) & (np.abs(power) <= 22)
    scale = _POWERS_OF_TEN[np.minimum(np.abs(power), 22)]
    value = np.where(power > 0, mantissa * scale, mantissa / scale)
    for name, number in ((0x6E616E, np.nan), (0x666E69, np.inf)):
        three = np.flatnonzero(word & u64(0xFFFFFF) == name)
        if len(three):
            value[three], ok[three], at[three] = number, True, start[three] + 3
            after[three] = words.bytes[at[three]]
    return np.where(minus, -value, value), ok, at, after


def _exponents(words: Words, start: I64, power: I64) -> tuple[I64, I64]:
    """`-5`, `+12`, `-05` behind an `e`, added to `power`; and the position behind, that of the `e` where it is none."""
    word = words.at(start)
    sign = word & _BYTE
    one = ((word >> u64(8)) & _BYTE) ^ u64(0x30)
    two = ((word >> u64(16)) & _BYTE) ^ u64(0x30)
    long = two <= 9
    size = np.where(long, one * u64(10) + two, one).astype(np.int64)
    good = ((sign == 0x2B) | (sign == 0x2D)) & (one <= 9)
    return power + np.where(sign == 0x2D, -size, size), start + np.where(good, np.where(long, 3, 2), -1)
