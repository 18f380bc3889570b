"""IPython's shell in this process, showing what a notebook shows, with nobody to ask."""

from __future__ import annotations

import atexit
import builtins
import contextlib
import getpass
import importlib.util
import os
import sys
import tempfile
import types
import warnings
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from IPython.core.autocall import ExitAutocall
from IPython.core.compilerop import CachingCompiler
from IPython.core.displayhook import DisplayHook
from IPython.core.displaypub import DisplayPublisher
from IPython.core.error import StdinNotImplementedError
from IPython.core.interactiveshell import InteractiveShell, InteractiveShellABC
from IPython.core.profiledir import ProfileDir
from traitlets import Instance, Type, default, observe
from traitlets.config import Config

from .console import Console


class _Publisher(DisplayPublisher):
    """What ``display``, ``update_display`` and ``clear_output`` call."""

    def publish(
        self,
        data: Mapping[str, Any],
        metadata: Mapping[str, Any] | None = None,
        source: object = None,
        *,
        transient: Mapping[str, Any] | None = None,
        update: bool = False,
        **_: Any,
    ) -> None:
        """Show `data`, a mime bundle."""
        metadata = metadata or {}
        self._validate_data(data, metadata)  # type: ignore[no-untyped-call]
        display_id = (transient or {}).get("display_id")
        console: Console = self.shell.console
        if update:
            console.update(display_id, data, metadata)
        else:
            console.display("display_data", data, metadata, display_id=display_id)

    def clear_output(self, wait: bool = False) -> None:
        """Remove what the cell has shown."""
        self.shell.console.clear(wait=wait)


class _ResultHook(DisplayHook):
    """What the value of a cell's last expression goes through."""

    def write_output_prompt(self) -> None:
        """Write no prompt."""

    def write_format_data(
        self, format_dict: Mapping[str, Any], md_dict: Mapping[str, Any] | None = None
    ) -> None:
        """Show the value."""
        shell: Any = self.shell
        shell.console.display(
            "execute_result", format_dict, md_dict or {}, execution_count=self.prompt_count
        )

    def log_output(self, format_dict: Mapping[str, Any]) -> None:
        """Keep no copies: they would be kept for ever."""

    def finish_displayhook(self) -> None:
        """Note that it is over."""
        self._is_active = False


class _Profile(ProfileDir):
    """The user's profile, read where it exists, but never created."""

    @observe("location")
    def _location_changed(self, change: Any) -> None:
        base = change["new"]
        for name in ("security", "log", "startup", "pid", "static"):
            trait = f"{name}_dir"
            self.set_trait(trait, str(Path(base, getattr(self, f"{trait}_name"))))

    def _mkdir(self, path: str, mode: int | None = None) -> bool:
        return False

    @observe("log_dir")
    def check_log_dir(self, change: Any = None) -> None:
        """Create nothing."""

    @observe("startup_dir")
    def check_startup_dir(self, change: Any = None) -> None:
        """Create nothing."""

    @observe("security_dir")
    def check_security_dir(self, change: Any = None) -> None:
        """Create nothing."""

    @observe("pid_dir")
    def check_pid_dir(self, change: Any = None) -> None:
        """Create nothing."""

    @observe("static_dir")
    def check_static_dir(self, change: Any = None) -> None:
        """Create nothing."""


class _Exit(ExitAutocall):
    """``exit`` and ``quit``: they end the notebook, as ``sys.exit`` does."""

    rewrite = False

    def __call__(self, code: Any = None) -> None:
        raise SystemExit(code)


class _Compiler(CachingCompiler):
    """Names the code of cells as Jupyter's kernel does, whose pattern libraries know."""

    def get_code_name(self, raw_code: str, transformed_code: str, number: int) -> str:
        """Return a file name for a cell's code; the same in every attempt."""
        name = f"{zlib.crc32(raw_code.encode('utf-8', 'replace'))}.py"
        return str(Path(tempfile.gettempdir(), "ipykernel_unattended", name))


class _CommManager:
    """Takes the targets that widget libraries register; nobody will ever open one."""

    def register_target(self, *_: object) -> None:
        """Do nothing."""

    unregister_target = register_comm = unregister_comm = register_target


class _Kernel:
    """Stands where Jupyter's kernel hangs its own object: pandas, for one, asks if it is there."""

    def __init__(self, shell: Any) -> None:
        self.shell = shell
        self.comm_manager = _CommManager()


class ZMQInteractiveShell(InteractiveShell):
    """The shell of an unattended notebook.

    It is named like the shell of Jupyter's kernel because that name is what libraries (rich, pandas
    and others) look at to decide whether they are in a notebook and may show rich output.
    """

    compiler_class = Type(_Compiler)
    displayhook_class = Type(_ResultHook)
    display_pub_class = Type(_Publisher)
    exiter = Instance(ExitAutocall)
    console: Console

    def __init__(self, console: Console, **arguments: Any) -> None:
        self.console = console
        #: The traceback of the last error, as lines with colour codes.
        self.last_traceback: list[str] | None = None
        self.kernel = _Kernel(self)
        super().__init__(**arguments)  # type: ignore[no-untyped-call]

    @default("exiter")
    def _exiter_default(self) -> ExitAutocall:
        return _Exit(self)  # type: ignore[no-untyped-call]

    @observe("ipython_dir")
    def _ipython_dir_changed(self, change: Any) -> None:
        """Create nothing."""

    def init_virtualenv(self) -> None:
        """Use this interpreter's packages and no others."""

    def init_environment(self) -> None:
        """Set what Jupyter's kernel sets, so that programs behave as in the notebook."""
        os.environ.update(
            TERM="xterm-color",
            CLICOLOR="1",
            FORCE_COLOR="1",
            CLICOLOR_FORCE="1",
            PAGER="cat",
            GIT_PAGER="cat",
        )

    def init_completer(self) -> None:
        """Do without completion, which takes long to import."""
        self.Completer: Any = None

    def init_data_pub(self) -> None:
        """Do without."""

    @contextlib.contextmanager
    def _tee(self, channel: str) -> Iterator[None]:
        """Keep no copy of the streams in the history."""
        yield

    def enable_gui(self, gui: str | None = None) -> None:
        """Ignore event loops of windows: nobody would see them."""

    def showtraceback(self, exc_tuple: Any = None, *arguments: Any, **options: Any) -> None:
        """Show where the notebook's own code was; that we raised the error there is no help."""
        error = sys.exc_info()[1] if exc_tuple is None else exc_tuple[1]
        if isinstance(error, BaseException):
            _end_in_other_code(error)
        super().showtraceback(exc_tuple, *arguments, **options)

    def _showtraceback(self, etype: type, evalue: BaseException, stb: Any) -> None:
        lines = stb if isinstance(stb, list) else [stb]
        self.last_traceback = lines
        if etype is SystemExit and not evalue.code:  # type: ignore[attr-defined]
            return  # the notebook's own, ordinary end
        self.console.error(etype.__name__, _text_of(evalue), lines)

    def system_piped(self, cmd: str) -> None:
        """Run a shell command in a pseudo-terminal, as the kernel does."""
        signals = len(self.console.stop.signals)
        super().system_piped(cmd)  # type: ignore[no-untyped-call]
        # IPython takes the interruption of a command for the command's business alone.
        if len(self.console.stop.signals) > signals and self.console.stop.told:
            raise KeyboardInterrupt

    system = system_piped


InteractiveShellABC.register(ZMQInteractiveShell)


def _end_in_other_code(error: BaseException) -> None:
    """Take our own frames off the inner end of a traceback."""
    last, link = None, error.__traceback__
    while link is not None:
        if link.tb_frame.f_globals.get("__package__") != __package__:
            last = link
        link = link.tb_next
    if last is not None:
        last.tb_next = None


def _text_of(value: BaseException) -> str:
    try:
        return str(value)
    except Exception:
        return f"<exception {type(value).__name__} has no text>"


def make(console: Console) -> ZMQInteractiveShell:
    """Return the shell; the notebook's module is ``__main__`` from here on."""
    if importlib.util.find_spec("matplotlib_inline") is not None:
        os.environ.setdefault("MPLBACKEND", "module://matplotlib_inline.backend_inline")
    ipython_dir = os.environ.get("IPYTHONDIR") or str(Path("~/.ipython").expanduser())
    if not _is_writable(Path(ipython_dir)):
        # IPython 8 creates a directory there; a container's home often takes none.
        temporary = tempfile.TemporaryDirectory(prefix="ipython-")
        atexit.register(temporary.cleanup)
        ipython_dir = temporary.name
    config = Config()
    config.HistoryManager.enabled = False
    config.HistoryManager.hist_file = ":memory:"
    # Libraries that are imported by name must find the notebook's names here, as in a script.
    module = types.ModuleType("__main__", doc="Automatically created module for IPython")
    module.__spec__ = None
    module.__builtins__ = builtins  # type: ignore[attr-defined]
    shell: ZMQInteractiveShell = ZMQInteractiveShell.instance(
        console=console,
        config=config,
        ipython_dir=ipython_dir,
        profile_dir=_Profile(location=str(Path(ipython_dir, "profile_default"))),
        user_module=module,
        user_ns=module.__dict__,
    )
    sys.displayhook = shell.displayhook
    # IPython's advice to who calls sys.exit() in a console.
    warnings.filterwarnings("ignore", message="To exit: use", category=UserWarning)
    _refuse_input()
    return shell


def _is_writable(directory: Path) -> bool:
    while not directory.exists() and directory != directory.parent:
        directory = directory.parent
    return os.access(directory, os.W_OK)


def _refuse_input() -> None:
    def refuse(what: str) -> Any:
        def refused(*_: object, **__: object) -> str:
            raise StdinNotImplementedError(
                f"{what} was called, but this notebook runs unattended: nobody is there to answer. "
                "Give the value as a parameter, an argument or an environment variable."
            )

        return refused

    builtins.input = refuse("input()")
    getpass.getpass = refuse("getpass()")
