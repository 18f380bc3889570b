"""Which shared libraries a compiled module asks for, read from the file itself."""

from __future__ import annotations

import struct
from pathlib import Path

_DYNAMIC, _NEEDED, _STRING_TABLE, _LOAD = 2, 1, 5, 1


def needed(path: Path) -> list[str]:
    """Return the libraries that an ELF file asks for; none for what is no such file.

    Only 64-bit little-endian files are read: what wheels for Linux have.
    """
    try:
        with path.open("rb") as file:
            head = file.read(64)
            if head[:6] != b"\x7fELF\x02\x01":
                return []
            offset, size, count = _program_headers(head)
            file.seek(offset)
            table = file.read(size * count)
            segments = [struct.unpack_from("<IIQQQQQQ", table, n * size) for n in range(count)]
            dynamic = next((segment for segment in segments if segment[0] == _DYNAMIC), None)
            if dynamic is None:
                return []
            file.seek(dynamic[2])
            raw = file.read(dynamic[5])
            entries = list(struct.iter_unpack("<qQ", raw[: len(raw) // 16 * 16]))
            address = next((value for tag, value in entries if tag == _STRING_TABLE), None)
            wanted = [value for tag, value in entries if tag == _NEEDED]
            base = _file_offset(segments, address)
            if base is None:
                return []
            return [_text(file, base + position) for position in wanted]
    except (OSError, struct.error, UnicodeDecodeError):
        return []


def _program_headers(head: bytes) -> tuple[int, int, int]:
    (offset,) = struct.unpack_from("<Q", head, 32)
    size, count = struct.unpack_from("<HH", head, 54)
    return offset, size, count


def _file_offset(segments: list[tuple[int, ...]], address: int | None) -> int | None:
    for segment in segments:
        if address is not None and segment[0] == _LOAD:
            start, offset, length = segment[3], segment[2], segment[5]
            if start <= address < start + length:
                return address - start + offset
    return None


def _text(file: object, position: int) -> str:
    file.seek(position)  # type: ignore[attr-defined]
    raw: bytes = file.read(256)  # type: ignore[attr-defined]
    return raw.partition(b"\0")[0].decode()
