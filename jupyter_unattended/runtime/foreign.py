"""Notebooks of other languages: their kernels, driven by nbclient, in the place of our shell."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .console import Console
from .context import StartError
from .document import Document


class _Result:
    """What `KernelShell.run_cell` returns, as IPython has it."""

    error_before_exec: BaseException | None = None

    def __init__(self, count: int | None, error: BaseException | None) -> None:
        self.execution_count = count
        self.error_in_exec = error


class KernelShell:
    """Runs cells in a kernel; what the runtime needs of IPython's shell.

    Parameters
    ----------
    console
        Where outputs go.
    document
        The notebook.
    kernel_name
        Name of the kernel to start.

    Raises
    ------
    StartError
        If nbclient is missing or the kernel cannot be started.
    """

    #: Cells are not run in the runtime's event loop: nbclient has its own.
    runs_in_loop = False

    def __init__(self, console: Console, document: Document, kernel_name: str) -> None:
        try:
            import nbformat
            from nbclient.client import NotebookClient
        except ImportError:
            raise StartError(
                f"a notebook with the kernel {kernel_name} needs nbclient, which {sys.executable} "
                "does not have; install it with: pip install nbclient"
            ) from None
        self.user_ns: dict[str, Any] = {}
        self.execution_count = 1
        self._console = console
        shell = self

        class Client(NotebookClient):
            """Hands every message to us instead of keeping outputs itself."""

            def process_message(self, msg: Any, cell: Any, cell_index: int) -> Any:
                if not shell._show(msg["msg_type"], msg["content"]):
                    super().process_message(msg, cell, cell_index)

        notebook: Any = nbformat.from_dict(document.notebook)  # type: ignore[no-untyped-call]
        self._places = {cell["id"]: place for place, cell in enumerate(notebook.cells)}
        self._client = Client(
            notebook,
            kernel_name=kernel_name,
            timeout=None,
            allow_errors=False,
            resources={"metadata": {"path": str(Path.cwd())}},
        )
        try:
            self._client.create_kernel_manager()
            self._client.start_new_kernel()
            self._client.start_new_kernel_client()
        except Exception as error:
            self.close()
            raise StartError(f"the kernel {kernel_name} cannot be started: {error}") from None
        with contextlib.suppress(Exception):
            client: Any = self._client.kc
            reply = self._client.wait_for_reply(client.kernel_info())
            if reply is not None:
                document.set_language(reply["content"]["language_info"])

    def transform_cell(self, source: str) -> str:
        """Leave the source to the kernel."""
        return source

    def should_run_async(self, source: str, **_: Any) -> bool:
        """Return False: the kernel knows how to run its cells."""
        return False

    def run_cell(self, source: str, store_history: bool, cell_id: str) -> _Result:
        """Run a cell in the kernel and wait for its end."""
        from nbclient.exceptions import CellExecutionError

        place = self._places[cell_id]
        count = self.execution_count
        error: BaseException | None = None
        try:
            self._client.execute_cell(
                self._client.nb.cells[place], place, execution_count=None, store_history=True
            )
        except CellExecutionError as raised:
            error = type(raised.ename or "Error", (Exception,), {})(raised.evalue)
        except KeyboardInterrupt as raised:
            error = raised
            with contextlib.suppress(Exception):
                self._interrupt()
        except Exception as raised:
            self._console.error(type(raised).__name__, str(raised), [str(raised)])
            error = raised
        return _Result(count if count == self.execution_count else self.execution_count - 1, error)

    def _interrupt(self) -> None:
        from jupyter_core.utils import run_sync

        manager: Any = self._client.km
        run_sync(manager.interrupt_kernel)()

    def close(self) -> None:
        """Stop the kernel."""
        with contextlib.suppress(Exception):
            self._client._cleanup_kernel()

    def _show(self, kind: str, content: Mapping[str, Any]) -> bool:
        """Show what a message says; return whether it was an output."""
        console = self._console
        if kind == "execute_input":
            self.execution_count = content["execution_count"] + 1
            return False
        if kind == "stream":
            console.stream(content["name"], content["text"])
        elif kind == "error":
            console.error(content["ename"], content["evalue"], list(content["traceback"]))
        elif kind == "clear_output":
            console.clear(wait=bool(content.get("wait")))
        elif kind in ("display_data", "execute_result", "update_display_data"):
            display_id = (content.get("transient") or {}).get("display_id")
            if kind == "update_display_data":
                console.update(display_id, content["data"], content["metadata"])
            else:
                console.display(
                    kind,
                    content["data"],
                    content["metadata"],
                    execution_count=content.get("execution_count"),
                    display_id=display_id,
                )
        else:
            return False
        return True
