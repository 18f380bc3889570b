"""A job's live display: ipywidgets where there are any, HTML or text as it is now elsewhere.

One thread for each kernel looks after all displays on show and ends when none is left; displays of
jobs that have ended are drawn once more and let go.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..errors import UnattendedError
from ..jobs.states import State
from ..rendering import card, one_line

if TYPE_CHECKING:
    from ..job import Job
    from ..jobs.view import JobView

#: Seconds between two looks at the jobs on display.
_INTERVAL = 0.5
#: Bytes of the log's end that are looked at for its last lines.
_TAIL = 4096


def bundle(job: Job) -> dict[str, Any]:
    """Return what IPython shows of `job`: the live widget, with HTML and text for other viewers."""
    try:
        view = job.view()
        html = card(view, _metrics(job), _tail(job), time.time())
    except UnattendedError as error:
        return {"text/plain": str(error)}
    bundle = {"text/plain": one_line(view, time.time()), "text/html": html}
    if _has_widgets():
        display = _Display(job)
        display.draw(view)
        if not view.state.is_final:
            _refresher.add(display)
        # The widget stands in front; a viewer without widgets falls back to the others.
        bundle = {**bundle, **display.bundle()}
        bundle.pop("text/html")
    return bundle


def _has_widgets() -> bool:
    """Whether a widget could reach a front end: ipywidgets is here and this is a kernel."""
    try:
        import ipywidgets  # noqa: F401
        from IPython.core.getipython import get_ipython
    except ImportError:
        return False
    return getattr(get_ipython(), "kernel", None) is not None


class _Display:
    """The widgets of one display of one job."""

    def __init__(self, job: Job) -> None:
        import ipywidgets as widgets

        self.job = job
        self._html = widgets.HTML()
        self._message = widgets.HTML()
        self._buttons = {
            name: widgets.Button(description=name, tooltip=tooltip, disabled=True)
            for name, tooltip in (
                ("Pause", "Stop it so that it can go on later"),
                ("Resume", "Queue the next attempt"),
                ("Cancel", "Stop it for good"),
                ("Re-run", "Submit the same notebook again as a new job"),
            )
        }
        actions: dict[str, Callable[[], Any]] = {
            "Pause": job.pause,
            "Resume": job.resume,
            "Cancel": job.cancel,
            "Re-run": job.rerun,
        }
        for name, action in actions.items():
            self._buttons[name].on_click(self._handler(action))
        row = widgets.HBox(list(self._buttons.values()))
        self._box = widgets.VBox([self._html, row, self._message])
        self._drawn = ""

    def bundle(self) -> dict[str, Any]:
        """Return the widget's own MIME bundle."""
        made: dict[str, Any] = self._box._repr_mimebundle_()
        return {key: value for key, value in made.items() if key != "text/plain"}

    def update(self) -> bool:
        """Look at the job and draw it; return whether there will be more to see."""
        view = self.job.view()
        self.draw(view)
        return not view.state.is_final

    def draw(self, view: JobView) -> None:
        """Show `view`; nothing is sent to the browser if nothing changed."""
        drawn = card(view, _metrics(self.job), _tail(self.job), time.time())
        if drawn != self._drawn:
            self._drawn = self._html.value = drawn
        state = view.state
        can = {
            "Pause": state in (State.QUEUED, State.STARTING, State.RUNNING),
            "Resume": state is State.PAUSED,
            "Cancel": not state.is_final,
            "Re-run": state.is_final,
        }
        for name, button in self._buttons.items():
            if button.disabled == can[name]:
                button.disabled = not can[name]

    def say(self, error: UnattendedError) -> None:
        """Show what went wrong."""
        import html

        self._message.value = f'<span role="alert">{html.escape(str(error))}</span>'

    def _handler(self, action: Callable[[], Any]) -> Callable[[Any], None]:
        def clicked(_button: Any) -> None:
            self._message.value = ""
            try:
                outcome = action()
                if outcome is not None and outcome != self.job:
                    self._message.value = f"Submitted <code>{outcome.id}</code>."
                self.update()
                _refresher.add(self)
            except UnattendedError as error:
                self.say(error)

        return clicked


class _Refresher:
    """The thread that looks after all displays of this kernel."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._displays: list[_Display] = []
        self._thread: threading.Thread | None = None

    def add(self, display: _Display) -> None:
        """Keep `display` up to date until its job has ended."""
        with self._lock:
            if display not in self._displays:
                self._displays.append(display)
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._run, name="jupyter-unattended-display", daemon=True
                )
                self._thread.start()

    def _run(self) -> None:
        while True:
            time.sleep(_INTERVAL)
            with self._lock:
                displays = list(self._displays)
            ended = [display for display in displays if not self._update(display)]
            with self._lock:
                self._displays = [d for d in self._displays if d not in ended]
                if not self._displays:
                    self._thread = None
                    return

    @staticmethod
    def _update(display: _Display) -> bool:
        try:
            return display.update()
        except UnattendedError as error:
            # Deleted from elsewhere, or the index is out of reach: say it and stop looking.
            display.say(error)
            return False


_refresher = _Refresher()


def _metrics(job: Job) -> list[dict[str, Any]]:
    from ..job import service

    try:
        return service().metrics(job.id)
    except UnattendedError:
        return []


def _tail(job: Job) -> str:
    """Return the last lines of the newest attempt's log."""
    from ..job import service

    try:
        size = service().read_log(job.id, limit=0).size
        return service().read_log(job.id, max(0, size - _TAIL), limit=_TAIL).text
    except UnattendedError:
        return ""
