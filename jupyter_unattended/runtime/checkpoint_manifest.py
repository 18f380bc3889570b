"""What a checkpoint is, and how it stands in its manifest: JSON, and a checksum of it."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

FORMAT = 1


class CheckpointError(Exception):
    """A checkpoint cannot be used; the text says why in one sentence."""


@dataclass(frozen=True)
class Ref:
    """One stored payload: an object file, or bytes inside the manifest."""

    name: str
    size: int
    checksums: tuple[int, ...] = ()
    sample: int = 0
    inline: bytes | None = None

    def to_json(self) -> dict[str, Any]:
        """As it stands in a manifest."""
        data: dict[str, Any] = {"name": self.name, "size": self.size}
        if self.inline is None:
            data |= {"checksums": list(self.checksums), "sample": self.sample}
        else:
            data["inline"] = base64.b64encode(self.inline).decode("ascii")
        return data

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Ref:
        """Inverse of `to_json`."""
        inline = data.get("inline")
        return cls(
            name=data["name"],
            size=data["size"],
            checksums=tuple(data.get("checksums", ())),
            sample=data.get("sample", 0),
            inline=None if inline is None else base64.b64decode(inline),
        )


@dataclass(frozen=True)
class Manifest:
    """One published checkpoint of a series."""

    series: str
    sequence: int
    written: float
    refs: tuple[Ref, ...]
    meta: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Unique within the store."""
        return f"{self.series}.{self.sequence:08d}"

    @property
    def size(self) -> int:
        """Bytes of everything it names, shared objects counted in full."""
        return sum(ref.size for ref in self.refs)

    def encoded(self) -> bytes:
        """As it stands on the disk."""
        body = json.dumps(
            {
                "format": FORMAT,
                "series": self.series,
                "sequence": self.sequence,
                "written": self.written,
                "refs": [ref.to_json() for ref in self.refs],
                "meta": self.meta,
            },
            separators=(",", ":"),
        ).encode()
        return body + b"\n" + hashlib.sha256(body).hexdigest().encode() + b"\n"

    @classmethod
    def decoded(cls, content: bytes) -> Manifest:
        """Inverse of `encoded`.

        Raises
        ------
        CheckpointError
            If it is torn or damaged, or has another format.
        """
        body, _, tail = content.partition(b"\n")
        if tail.strip().decode("ascii", "replace") != hashlib.sha256(body).hexdigest():
            raise CheckpointError("its manifest does not match its checksum")
        data = json.loads(body)
        if data["format"] != FORMAT:
            raise CheckpointError(f"it has format {data['format']}, this version reads {FORMAT}")
        return cls(
            series=data["series"],
            sequence=data["sequence"],
            written=data["written"],
            refs=tuple(Ref.from_json(ref) for ref in data["refs"]),
            meta=data["meta"],
        )
