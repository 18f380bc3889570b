"""The files of a job directory: looked at in the browser, one downloaded, or all of them."""

from __future__ import annotations

import base64
import mimetypes
import os
import tempfile
import zipfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote

from jupyter_server.auth.decorator import authorized
from tornado.iostream import StreamClosedError
from tornado.web import authenticated

from ..errors import ConflictError, JobNotFoundError, UnattendedError
from .base import UnattendedHandler
from .jobs import JOB

_PIECE = 1 << 18
#: Larger files are not sent as JSON; they can be downloaded.
_LARGEST_SHOWN = 64 << 20
#: More entries of one directory are not listed.
_MOST_ENTRIES = 5000


class ContentsHandler(UnattendedHandler):
    """A job directory as JupyterLab's file browser and document opener want to see it."""

    @authenticated
    @authorized
    async def get(self, ref: str, path: str) -> None:
        """Return a file or directory in the Contents API's format; read-only."""
        with_content = self.get_query_argument("content", "1") != "0"
        service = self.service
        await self.answer(
            lambda: contents_model(inside(service.paths(ref).root, path), path, with_content)
        )


class FileHandler(UnattendedHandler):
    """One file, as it is."""

    @authenticated
    @authorized
    async def get(self, ref: str, path: str) -> None:
        """Send the file as a download: what a job wrote is never run in the server's origin."""
        service = self.service
        try:
            stream = await self.in_thread(lambda: _open(inside(service.paths(ref).root, path)))
        except UnattendedError as error:
            self.refuse(error)
            return
        with stream:
            await send(self, stream, Path(path).name)


class ArchiveHandler(UnattendedHandler):
    """All files of a job."""

    @authenticated
    @authorized
    async def get(self, ref: str) -> None:
        """Send the job directory as a zip file; checkpoints only where asked for."""
        with_checkpoints = self.get_query_argument("checkpoints", "0") == "1"
        service = self.service

        def pack() -> tuple[IO[bytes], str]:
            paths = service.paths(ref)
            left_out = set() if with_checkpoints else {paths.checkpoints}
            # Without a name, so that it is gone whatever happens.
            target = tempfile.TemporaryFile()  # noqa: SIM115
            with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=3) as archive:
                for file in _walk(paths.root, left_out):
                    archive.write(file, Path(paths.job_id) / file.relative_to(paths.root))
            target.seek(0)
            return target, f"{paths.job_id}.zip"

        try:
            stream, name = await self.in_thread(pack)
        except UnattendedError as error:
            self.refuse(error)
            return
        with stream:
            await send(self, stream, name)


async def send(handler: UnattendedHandler, stream: IO[bytes], name: str) -> None:
    """Send an open file as a download, piece by piece."""
    handler.set_header("Content-Type", "application/octet-stream")
    handler.set_header("X-Content-Type-Options", "nosniff")
    handler.set_header("Content-Disposition", f"attachment; filename*=utf-8''{quote(name)}")
    size = os.fstat(stream.fileno()).st_size
    handler.set_header("Content-Length", str(size))
    left = size  # not more than announced, though a log may have grown meanwhile
    while left > 0:
        piece = await handler.in_thread(partial(stream.read, min(_PIECE, left)))
        if not piece:
            return
        left -= len(piece)
        handler.write(piece)
        try:
            await handler.flush()
        except StreamClosedError:
            return
    handler.finish()


def inside(root: Path, path: str) -> Path:
    """Return a path in a job directory; nothing leads out of it, links neither."""
    try:
        full = (root / path.strip("/")).resolve()
        full.relative_to(root.resolve())
    except (OSError, ValueError):
        raise JobNotFoundError(f"There is no {path} in {root}.") from None
    if not os.path.exists(full):  # noqa: PTH110 - Path.exists() raises where a name is too long
        raise JobNotFoundError(f"There is no {path} in {root}.")
    return full


def contents_model(file: Path, path: str, with_content: bool) -> dict[str, Any]:
    """Return a model in the Contents API's format."""
    found = file.stat()
    path = path.strip("/")
    model: dict[str, Any] = {
        "name": file.name if path else "",
        "path": path,
        "type": "directory" if file.is_dir() else _type(file),
        "created": _time(found.st_ctime),
        "last_modified": _time(found.st_mtime),
        "size": None if file.is_dir() else found.st_size,
        "writable": False,
        "mimetype": None,
        "format": None,
        "content": None,
    }
    if not with_content:
        return model
    if file.is_dir():
        with os.scandir(file) as entries:
            names = sorted(entry.name for entry in entries)[:_MOST_ENTRIES]
        model["format"] = "json"
        model["content"] = [
            contents_model(file / name, f"{path}/{name}".strip("/"), False)
            for name in names
            if (file / name).exists()
        ]
        return model
    if found.st_size > _LARGEST_SHOWN:
        raise ConflictError(
            f"{path} is too large to be shown ({found.st_size >> 20} MiB); download it."
        )
    return {**model, **_content(file, model["type"])}


def _content(file: Path, kind: str) -> dict[str, Any]:
    import json

    raw = file.read_bytes()
    if kind == "notebook":
        try:
            return {"format": "json", "content": json.loads(raw)}
        except ValueError:
            pass  # shown as the text that it is
    mimetype = mimetypes.guess_type(file.name)[0]
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        return {
            "type": "file",
            "format": "base64",
            "content": base64.b64encode(raw).decode(),
            "mimetype": mimetype or "application/octet-stream",
        }
    return {
        "type": "file",
        "format": "text",
        "content": text,
        "mimetype": mimetype or "text/plain",
    }


def _type(file: Path) -> str:
    return "notebook" if file.suffix == ".ipynb" else "file"


def _time(seconds: float) -> str:
    from datetime import datetime, timezone

    return datetime.fromtimestamp(seconds, timezone.utc).isoformat().replace("+00:00", "Z")


def _open(file: Path) -> IO[bytes]:
    try:
        return file.open("rb")
    except OSError as error:
        raise JobNotFoundError(f"{file} cannot be read ({error.strerror}).") from error


def _walk(root: Path, left_out: set[Path]) -> Iterator[Path]:
    for directory, names, files in os.walk(root):
        here = Path(directory)
        names[:] = sorted(
            name for name in names if here / name not in left_out and name != "__pycache__"
        )
        for name in sorted(files):
            file = here / name
            if file.is_file() and not file.is_symlink():
                yield file


#: Path and handler of each endpoint.
ENDPOINTS: list[tuple[str, Any]] = [
    (JOB + r"/contents(?P<path>(?:/.*)?)", ContentsHandler),
    (JOB + r"/files/(?P<path>.+)", FileHandler),
    (JOB + r"/archive", ArchiveHandler),
]
