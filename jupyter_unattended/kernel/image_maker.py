"""Under the field for the image: a button that makes one for the notebook, and what comes of it."""

from __future__ import annotations

import html
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import ipywidgets as widgets

from ..errors import UnattendedError
from ..image.process import Making
from .fields import LABEL_WIDTH

_PAUSE = 0.3
_LINES = 8


class ImageMaker:
    """Makes an image, tries the notebook in it, and shows how far that is.

    Parameters
    ----------
    wanted
        Returns the fields of the job that the image is for, and values of its secret variables.
    made
        Called with the name of an image in which the notebook ran.
    cannot
        Why no image can be made here; empty where one can.
    """

    def __init__(
        self,
        wanted: Callable[[], tuple[Mapping[str, Any], Mapping[str, str]]],
        made: Callable[[str], None],
        cannot: str = "",
    ) -> None:
        self._wanted = wanted
        self._made = made
        self._making: Making | None = None
        self._base = widgets.Combobox(
            value="python",
            options=("python", "ml"),
            ensure_option=False,
            continuous_update=False,
            description="made from",
            tooltip="python, ml (PyTorch's or TensorFlow's own image), or the name of an image",
        )
        self._make = widgets.Button(
            description="Make and try an image",
            tooltip="Write a Containerfile for this notebook, build it, and try the notebook in it",
            layout=widgets.Layout(width="auto"),
            disabled=bool(cannot),
        )
        self._cancel = widgets.Button(description="Stop making it")
        self._bar = widgets.IntProgress(min=0, layout=widgets.Layout(width="auto"))
        self._said = widgets.HTML(html.escape(cannot))
        self._make.on_click(self._begin)
        self._cancel.on_click(self._stop)
        self._show(is_running=False)
        self.box = widgets.VBox(
            [widgets.HBox([self._make, self._base, self._cancel]), self._bar, self._said],
            layout=widgets.Layout(margin=f"0 0 6px {LABEL_WIDTH + 8}px"),
        )

    def _begin(self, _button: Any) -> None:
        try:
            fields, secrets = self._wanted()
        except UnattendedError as error:
            self._said.value = _alert(str(error))
            return
        self._bar.value = 0
        self._said.value = "Reading the notebook …"
        self._show(is_running=True)
        self._making = Making(
            {**fields, "backend": "container"}, base=self._base.value or "python", secrets=secrets
        )
        threading.Thread(target=self._watch, args=(self._making,), daemon=True).start()

    def _stop(self, _button: Any) -> None:
        if self._making is not None:
            self._making.cancel()

    def _watch(self, making: Making) -> None:
        while making.is_running:
            self._tell(making.state())
            time.sleep(_PAUSE)
        state = making.state()
        self._show(is_running=False)
        self._said.value = "".join([*_outcome(state), *_ties(state)])
        if state["phase"] == "done":
            self._made(state["image"]["name"])

    def _show(self, *, is_running: bool) -> None:
        for widget in (self._bar, self._cancel):
            widget.layout.display = "" if is_running else "none"
        for widget in (self._make, self._base):
            widget.layout.display = "none" if is_running else ""

    def _tell(self, state: Mapping[str, Any]) -> None:
        step = state["step"]
        if state["phase"] == "trying":
            self._bar.value = self._bar.max
            self._said.value = f"Trying the notebook in {_code(state['image']['name'])} …"
        elif step is not None:
            self._bar.max, self._bar.value = step["total"], step["number"] - 1
            lines = html.escape("\n".join(state["lines"][-_LINES:]))
            self._said.value = (
                f"Step {step['number']} of {step['total']}: {_code(step['text'])}<pre>{lines}</pre>"
            )


def _outcome(state: Mapping[str, Any]) -> list[str]:
    """Say what came of it."""
    trial = state["trial"]
    if state["phase"] == "done":
        return [f"The notebook ran in {_code(state['image']['name'])} ({trial['seconds']:.0f} s)."]
    if state["phase"] == "cancelled":
        return ["No image was made."]
    if trial is None:
        return [_alert(state["error"])]
    lines = [_alert(f"It did not run in the image: {trial['reason']}.")]
    for lack in trial["lacks"]:
        line = f"; add to {html.escape(lack['where'])}: {_code(lack['line'])}"
        lines.append(_item(html.escape(lack["message"]) + (line if lack["line"] else "")))
    lines.append("The log: " + _code(f"%submit logs {trial['job']}"))
    return lines


def _ties(state: Mapping[str, Any]) -> list[str]:
    """Say what the image alone does not solve."""
    made = state["made"] or {"ties": [], "kept": []}
    lines = [
        _item(f"{html.escape(name)} was there and is kept.")
        for name in made["kept"]
        if name == "Containerfile"
    ]
    for tie in made["ties"]:
        help_ = tie["option"] or tie["fix"]
        lines.append(_item(html.escape(tie["message"]) + (f": {_code(help_)}" if help_ else "")))
    return lines


def _code(text: str) -> str:
    return f"<code>{html.escape(text)}</code>"


def _item(text: str) -> str:
    return f'<div style="line-height: 1.4">• {text}</div>'


def _alert(text: str) -> str:
    return f'<span role="alert" style="color: #d32f2f">{html.escape(text)}</span>'
