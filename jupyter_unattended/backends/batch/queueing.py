"""Handing orders over: all the links of a job, or the whole array, or nothing."""

from __future__ import annotations

import contextlib
import math
import os
import shlex
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ... import statedir
from ...errors import BackendError, ConflictError, WorkspaceError
from ...jobs.discovery import read_record
from ...spec import JobSpec
from ..base import Bundle, JobRef
from .files import BatchFiles
from .order import Order

if TYPE_CHECKING:
    from .backend import BatchBackend


def submit(backend: BatchBackend, bundle: Bundle, order: Order) -> None:
    """Submit a job, with all its links where they are queued ahead."""
    files = BatchFiles.of(bundle.paths)
    try:
        _write(backend, files, order, bundle)
        queue_links(backend, files, order, order.plan.links if order.plan.way == "links" else 1)
    except OSError as error:
        _clean(backend, bundle)
        raise _unwritable(error, files.root) from error
    except BaseException:
        _clean(backend, bundle)
        raise


def submit_array(
    backend: BatchBackend, bundles: Sequence[Bundle], orders: Sequence[Order]
) -> list[str]:
    """Submit many runs of one notebook as one array and return its tasks' ids."""
    home = bundles[0].paths.root.parent / ".arrays" / bundles[0].job_id
    try:
        home.mkdir(parents=True)
        for task, (order, bundle) in enumerate(zip(orders, bundles, strict=True), 1):
            _write(backend, BatchFiles.of(bundle.paths), order, bundle)
            (home / str(task)).symlink_to(bundle.paths.root, target_is_directory=True)
        script = home / "array.sh"
        script.write_text(
            backend.array_script(bundles[0], orders[0], home, len(bundles)), encoding="utf-8"
        )
        number = backend.submit_script(script, orders[0])
    except BaseException as error:
        shutil.rmtree(home, ignore_errors=True)
        for bundle in bundles:
            _clean(backend, bundle)
        if isinstance(error, OSError):
            raise _unwritable(error, home) from error
        raise
    ids = [backend.task_id(number, task) for task in range(1, len(bundles) + 1)]
    for bundle, id_ in zip(bundles, ids, strict=True):
        with contextlib.suppress(OSError):  # the handle says it too
            BatchFiles.of(bundle.paths).add_ids([id_])
    return ids


def submit_again(backend: BatchBackend, job: JobRef) -> None:
    """Submit the next link of a job that its scheduler no longer has."""
    files = BatchFiles.of(job.paths)
    order = _order_again(backend, job)
    try:
        files.done.unlink(missing_ok=True)
        queue_links(backend, files, order, 1)
    except OSError as error:
        raise _unwritable(error, files.root) from error


def lengthen(backend: BatchBackend, job: JobRef, total_time: float) -> None:
    """Set the total time, and queue the links that are missing where they are queued ahead."""
    files = BatchFiles.of(job.paths)
    if files.read_ending() is not None:
        raise ConflictError(f"{job.job_id} has ended; its total time can no longer be changed.")
    order = _order_again(backend, job)
    link = order.plan.link
    links = max(1, math.ceil(total_time / link - 1e-9)) if link else 1
    ids = files.read_ids()
    try:
        files.write_total(total_time)
        files.write_planned(links)
        if order.plan.way == "links" and len(ids) < links:
            queue_links(backend, files, order, links - len(ids), after=ids[-1])
    except OSError as error:
        raise _unwritable(error, files.root) from error
    if files.read_ending() is not None:  # its last link ended meanwhile, and knew nothing of it
        backend.delete(files.read_ids()[len(ids) :])
        raise ConflictError(f"{job.job_id} has just ended; its total time came too late.")


def queue_links(
    backend: BatchBackend, files: BatchFiles, order: Order, count: int, after: str | None = None
) -> None:
    """Submit `count` links, each to start after the one before it has ended.

    Parameters
    ----------
    backend, files, order, count
        Where, and what.
    after
        Id of the link that the first of them waits for. Without one, none of them starts before all
        are queued.

    Raises
    ------
    OSError
        If their ids cannot be written down; none of them is left then.
    """
    ids: list[str] = []
    hold = after is None and count > 1
    try:
        for _ in range(count):
            after = backend.submit_script(files.script, order, after, hold and not ids)
            ids.append(after)
        files.add_ids(ids)
        if hold and not order.options.hold:
            backend.release(ids[:1])
    except BaseException:
        if ids:
            with contextlib.suppress(BackendError):
                backend.delete(ids)
        raise


def _order_again(backend: BatchBackend, job: JobRef) -> Order:
    record = read_record(job.paths)
    if record is None:
        raise WorkspaceError(f"{job.paths.spec} cannot be read.")
    return backend.order(Bundle(JobSpec.checked(**record["spec"]), job.paths))


def _write(backend: BatchBackend, files: BatchFiles, order: Order, bundle: Bundle) -> None:
    files.root.mkdir(exist_ok=True)
    files.script.write_text(order.script, encoding="utf-8")
    files.script.chmod(0o755)
    files.write_planned(order.plan.links)
    if order.plan.total is not None:
        files.write_total(order.plan.total)
    if order.spec.secret_env:
        _write_secrets(backend, bundle)


def _write_secrets(backend: BatchBackend, bundle: Bundle) -> None:
    path = backend.secrets_file(bundle.job_id)
    statedir.ensure(backend.state_dir)
    path.parent.mkdir(mode=0o700, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        for name, value in bundle.secrets.items():
            file.write(f"export {name}={shlex.quote(value)}\n")


def _clean(backend: BatchBackend, bundle: Bundle) -> None:
    shutil.rmtree(BatchFiles.of(bundle.paths).root, ignore_errors=True)
    with contextlib.suppress(OSError):
        backend.secrets_file(bundle.job_id).unlink()


def _unwritable(error: OSError, path: Path) -> WorkspaceError:
    return WorkspaceError(f"{error.filename or path} cannot be written ({error.strerror}).")
