"""The extension that Jupyter Server loads."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import Any

from jupyter_events.logger import EventLogger
from jupyter_server.extension.application import ExtensionApp
from jupyter_server.serverapp import ServerApp
from traitlets import Float, Integer, Unicode

from ..jobs.service import JobService
from . import files, forms, images, jobs, logs, status
from .base import PREFIX, NotFoundHandler
from .images import Images
from .root import Root
from .tasks import Context
from .view import Describe
from .watcher import SCHEMA_ID, Watcher
from .workers import Workers


class UnattendedApp(ExtensionApp):
    """Serve jobs to JupyterLab."""

    name = "jupyter_unattended"
    extension_url = "/lab"
    load_other_extensions = True

    state_dir = Unicode(
        "",
        help="Directory of the index of jobs. Empty: $UNATTENDED_STATE_DIR, else "
        "jupyter-unattended under $XDG_STATE_HOME.",
    ).tag(config=True)
    poll_interval = Float(
        1.0,
        help="Seconds between two looks at the jobs while a browser is open. Each look asks every "
        "backend that has unfinished jobs once.",
    ).tag(config=True)
    worker_processes = Integer(
        1,
        help="How many notebooks are read, checked and submitted at the same time, each by a "
        "process of its own that ends after ten idle minutes. 0: this process does it.",
    ).tag(config=True)

    @cached_property
    def service(self) -> JobService:
        """The one door to jobs."""
        return JobService(Path(self.state_dir) if self.state_dir else None)

    @cached_property
    def root(self) -> Root:
        """What the file browser shows."""
        return Root.of(self.server.contents_manager)

    @cached_property
    def describe(self) -> Describe:
        """Turns a job's view into what is sent to browsers."""
        return Describe(self.root)

    @cached_property
    def workers(self) -> Workers:
        """Processes for reading, checking and submitting notebooks."""
        return Workers(self.worker_processes, Context(self.service.state_dir, self.root))

    @cached_property
    def images(self) -> Images:
        """Images that are being made for notebooks."""
        return Images(self.service.state_dir, self.root)

    @cached_property
    def quick(self) -> ThreadPoolExecutor:
        """Threads for everything that answers at once."""
        return ThreadPoolExecutor(8, "unattended-quick")

    @cached_property
    def watcher(self) -> Watcher:
        """Emits an event whenever a job changes."""
        return Watcher(self.service, self.quick, self.poll_interval, self._emit, self.describe)

    @property
    def server(self) -> ServerApp:
        """The server that loaded this extension."""
        assert self.serverapp is not None
        return self.serverapp

    @property
    def events(self) -> EventLogger:
        """Where events go."""
        assert self.server.event_logger is not None
        return self.server.event_logger

    def _emit(self, data: dict[str, Any]) -> None:
        self.events.emit(schema_id=SCHEMA_ID, data=data)

    def initialize_handlers(self) -> None:
        """Register the endpoints; ``openapi.yaml`` describes them."""
        for module in (status, jobs, logs, files, forms, images):
            self.handlers.extend((PREFIX + path, handler) for path, handler in module.ENDPOINTS)
        self.handlers.append((PREFIX + r"/.*", NotFoundHandler))

    def initialize_settings(self) -> None:
        """Register the events and begin to watch."""
        schema = Path(__file__).with_name("events") / "job.yaml"
        if SCHEMA_ID not in self.events.schemas:
            self.events.register_event_schema(schema)
        self.server.io_loop.add_callback(self.watcher.start)

    async def stop_extension(self) -> None:
        """End with the server."""
        await self.watcher.stop()
        await asyncio.to_thread(self.workers.close)
        await asyncio.to_thread(self.images.close)
        self.quick.shutdown(wait=False, cancel_futures=True)
