"""JSON Schema to ipywidgets: one widget for each field, each with a label and its description."""

from __future__ import annotations

import json
import operator
from collections.abc import Callable, Mapping
from typing import Any

import ipywidgets as widgets

from ..errors import SpecError

_WIDE = widgets.Layout(width="auto", flex="1 1 auto")
LABEL_WIDTH = 190
#: Keyword of a schema, when a value breaks it, and what it asks for.
_BOUNDS: tuple[tuple[str, Callable[[Any, Any], bool], str], ...] = (
    ("minimum", operator.lt, "at least"),
    ("maximum", operator.gt, "at most"),
    ("exclusiveMinimum", operator.le, "more than"),
    ("exclusiveMaximum", operator.ge, "less than"),
)


class Field:
    """One field: its widget, and its value as JSON.

    Parameters
    ----------
    name
        The field's name in the form's data.
    schema
        Its JSON Schema.
    value
        What it opens with; None for nothing.
    is_required
        Whether it may be left empty.
    """

    def __init__(
        self, name: str, schema: Mapping[str, Any], value: Any, *, is_required: bool = False
    ) -> None:
        self.name = name
        self.schema = schema
        untitled = "Variables" if schema.get("x-widget") == "environment" else name
        self.title = str(schema.get("title") or untitled)
        self._types = _types(schema)
        self._is_required = is_required
        # The label is the widget's own: so screen readers tell it, and a click on it goes there.
        self.input = self._make(value)
        self.input.description = self.title
        self.input.style.description_width = f"{LABEL_WIDTH}px"
        self.input.tooltip = str(schema.get("description", ""))
        disabled = schema.get("x-disabled") or schema.get("readOnly")
        self.input.disabled = bool(disabled)

    def box(self) -> widgets.Widget:
        """Return the field with its description below."""
        notes = [self.schema.get("x-disabled"), self.schema.get("description")]
        note = next((str(text) for text in notes if text), "")
        if not note or note.rstrip(".") == self.title:
            return self.input
        hint = widgets.HTML(
            layout=widgets.Layout(margin=f"0 0 6px {LABEL_WIDTH + 8}px", min_height="0")
        )
        hint.value = (
            f'<div style="font-size: .85em; line-height: 1.3; opacity: .75">{_escape(note)}</div>'
        )
        return widgets.VBox([self.input, hint])

    def value(self) -> Any:
        """Return the value as JSON; None where nothing was filled in.

        Raises
        ------
        SpecError
            If what was typed is not of the field's type.
        """
        raw = self.input.value
        if isinstance(self.input, (widgets.Checkbox, widgets.Dropdown)):
            return raw
        text = str(raw).strip() if self.schema.get("x-widget") != "lines" else str(raw)
        if self.schema.get("x-widget") == "environment":
            return _environment_rows(text)
        if not text:
            if self._is_required:
                raise SpecError(f"{self.title}: a value is needed")
            return None
        return self._parse(text)

    def _parse(self, text: str) -> Any:
        kinds = self._types
        try:
            if self.schema.get("x-widget") == "json" or {"array", "object"} & kinds:
                value = json.loads(text)
            elif "integer" in kinds:
                value = int(text)
            elif "number" in kinds:
                value = float(text)
            else:
                return text
        except ValueError:
            wanted = "JSON" if {"array", "object"} & kinds else "a number"
            if "integer" in kinds:
                wanted = "a whole number"
            raise SpecError(f"{self.title}: {text!r} is not {wanted}") from None
        self._check_bounds(value)
        return value

    def _check_bounds(self, value: Any) -> None:
        if not isinstance(value, (int, float)):
            return
        for keyword, is_wrong, words in _BOUNDS:
            bound = self.schema.get(keyword)
            if bound is not None and is_wrong(value, bound):
                raise SpecError(f"{self.title}: {value:g} is not {words} {bound:g}")

    def _make(self, value: Any) -> Any:
        schema = self.schema
        choices = _choices(schema)
        if choices:
            known = [choice for _, choice in choices]
            if value not in known:
                choices = [("", None), *choices] if not self._is_required else choices
                value = choices[0][1]
            return widgets.Dropdown(options=choices, value=value, layout=_WIDE)
        if self._types == {"boolean"}:
            return widgets.Checkbox(value=bool(value), layout=_WIDE)
        placeholder = str(schema.get("x-placeholder", ""))
        if schema.get("x-widget") == "environment":
            text = "\n".join(f"{row['name']}={row['value']}" for row in value or [])
            return widgets.Textarea(
                value=text, placeholder="NAME=VALUE, one on a line", layout=_WIDE
            )
        text = _text(value)
        if schema.get("x-widget") == "lines" or "\n" in text:
            rows = min(12, max(3, text.count("\n") + 1))
            return widgets.Textarea(value=text, placeholder=placeholder, rows=rows, layout=_WIDE)
        return widgets.Text(value=text, placeholder=placeholder, layout=_WIDE)


def _types(schema: Mapping[str, Any]) -> set[str]:
    kinds = schema.get("type", "string")
    return set(kinds if isinstance(kinds, list) else [kinds]) - {"null"}


def _choices(schema: Mapping[str, Any]) -> list[tuple[str, Any]]:
    if "enum" in schema:
        return [("" if value is None else str(value), value) for value in schema["enum"]]
    return [
        (
            str(option.get("title", option["const"]))
            + (f" (not usable here: {option['x-disabled']})" if option.get("x-disabled") else ""),
            option["const"],
        )
        for option in schema.get("oneOf", ())
        if "const" in option
    ]


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _environment_rows(text: str) -> list[dict[str, Any]]:
    from ..request import looks_secret

    rows = []
    for line in filter(None, map(str.strip, text.splitlines())):
        name, equals, value = line.partition("=")
        if not equals:
            raise SpecError(f"Environment variables: {line!r} is not NAME=VALUE")
        rows.append({"name": name, "value": value, "secret": looks_secret(name)})
    return rows


def _escape(text: str) -> str:
    import html

    return html.escape(text)
