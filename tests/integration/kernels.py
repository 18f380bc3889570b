"""A real kernel that runs cells as a notebook front end would have it run them."""

from __future__ import annotations

import os
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jupyter_client.blocking import BlockingKernelClient
from jupyter_client.manager import KernelManager


@dataclass
class Answer:
    """What a cell answered."""

    status: str = ""
    stdout: str = ""
    stderr: str = ""
    error: str = ""
    data: list[dict[str, Any]] = field(default_factory=list)

    @property
    def text(self) -> str:
        """The plain text of the last rich output."""
        return str(self.data[-1]["text/plain"])


class Kernel:
    """A kernel whose notebook is `notebook`."""

    def __init__(self, notebook: Path, **env: str) -> None:
        self.manager = KernelManager(kernel_name="python3")
        # As `Kernel is running over TCP` is nothing that a test can help.
        self.manager.transport = "ipc"
        # The sockets' path is short, and the same from the directories of both processes.
        self._sockets = tempfile.TemporaryDirectory(prefix="kernel-")
        self.manager.ip = f"{self._sockets.name}/ipc"
        variables = {**os.environ, "JPY_SESSION_NAME": str(notebook), **env}
        self.manager.start_kernel(cwd=str(notebook.parent), env=variables)
        self.client: BlockingKernelClient = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=30)

    def run(self, code: str, cell_id: str | None = None, timeout: float = 60) -> Answer:
        """Run a cell and return what it answered."""
        answer = Answer()

        def hear(message: dict[str, Any]) -> None:
            content = message["content"]
            kind = message["msg_type"]
            if kind == "stream":
                setattr(answer, content["name"], getattr(answer, content["name"]) + content["text"])
            elif kind in ("execute_result", "display_data"):
                answer.data.append(content["data"])
            elif kind == "error":
                answer.error = f"{content['ename']}: {content['evalue']}"

        session = self.client.session
        original = session.send
        if cell_id is not None:

            def send(stream: Any, what: Any, *args: Any, **kwargs: Any) -> Any:
                if isinstance(what, dict) and what["header"]["msg_type"] == "execute_request":
                    what["metadata"]["cellId"] = cell_id
                return original(stream, what, *args, **kwargs)

            session.send = send  # type: ignore[method-assign]
        try:
            reply = self.client.execute_interactive(code, output_hook=hear, timeout=timeout)
        finally:
            session.send = original  # type: ignore[method-assign]
        answer.status = reply["content"]["status"]
        return answer

    def interrupt_after(self, seconds: float) -> None:
        """Interrupt the kernel while a cell runs."""
        threading.Timer(seconds, self.manager.interrupt_kernel).start()

    def complete(self, code: str) -> list[str]:
        """Return what the Tab key offers at the end of `code`."""
        reply = self.client.complete(code, reply=True, timeout=20)
        return list(reply["content"]["matches"])

    def close(self) -> None:
        """End the kernel."""
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)
        self.manager.cleanup_resources()
        self._sockets.cleanup()


class ServedKernel(Kernel):
    """A kernel that a Jupyter server has started; it ends with the server."""

    def __init__(self, connection_file: Path) -> None:
        self.client = BlockingKernelClient(connection_file=str(connection_file))
        self.client.load_connection_file()
        self.client.start_channels()
        deadline = time.monotonic() + 60
        while True:
            try:
                self.client.wait_for_ready(timeout=30)
                return
            except RuntimeError:  # it takes a kernel without a heartbeat yet for a dead one
                if time.monotonic() > deadline:
                    raise

    def close(self) -> None:
        """Leave it."""
        self.client.stop_channels()
