"""``%submit form``: the parameter form made of ipywidgets, from the schema of every other form.

What was typed is remembered for each notebook as long as the kernel lives, so that running the cell
again shows it again.
"""

from __future__ import annotations

import html
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .. import form_values, forms
from ..errors import PreflightError, SpecError, UnattendedError
from ..job import Job, JobList, service
from ..request import Request
from ..spec import JobSpec

#: Notebook -> the values that were last in its form.
_remembered: dict[Path, dict[str, Any]] = {}


def show(request: Request, *, submitted: Callable[[Job], None], check: Callable[..., None]) -> Any:
    """Return the form for a notebook as a widget.

    Parameters
    ----------
    request
        The notebook, and values from the magic's words.
    submitted
        Called with each job that the form submits.
    check
        Called with the notebook and ``force`` before a submit; raises where the file on disk is
        older than what is being edited.

    Raises
    ------
    UnattendedError
        If the notebook cannot be used, or there are no widgets here.
    """
    try:
        import ipywidgets  # noqa: F401
    except ImportError:
        raise SpecError(
            "The form needs ipywidgets in this kernel's environment: %pip install ipywidgets; "
            "%submit without form needs none"
        ) from None
    spec = request.spec()
    return _Form(spec, submitted, check).box


class _Form:
    def __init__(
        self, spec: JobSpec, submitted: Callable[[Job], None], check: Callable[..., None]
    ) -> None:
        import ipywidgets as widgets

        self._widgets = widgets
        self._spec = spec
        self._notebook = spec.notebook
        self._submitted = submitted
        self._check = check
        self._fields: dict[tuple[str, ...], Any] = {}
        self._body = widgets.VBox()
        self._findings = widgets.HTML()
        self._message = widgets.HTML()
        self._preview = widgets.HTML()
        self._output = widgets.Output()
        self._force = widgets.Checkbox(
            value=False, description="Submit in spite of errors", indent=False
        )
        self._force.layout.display = "none"
        buttons = []
        for text, action, style in (
            ("Submit", self._submit, "primary"),
            ("Preview", self._show_preview, ""),
            ("Check again", self._check_again, ""),
        ):
            button = widgets.Button(description=text, button_style=style)
            button.on_click(self._guarded(action))
            buttons.append(button)
        name = html.escape(self._notebook.name)
        title = widgets.HTML(f'<h3 style="margin: 0 0 4px">Run {name} unattended</h3>')
        self.box = widgets.VBox(
            [
                title,
                self._findings,
                self._body,
                widgets.HBox([*buttons, self._force]),
                self._message,
                self._preview,
                self._output,
            ],
            layout=widgets.Layout(max_width="820px"),
        )
        self._draw(_remembered.get(self._notebook))

    # -- drawing ---------------------------------------------------------------------------------

    def _draw(self, data: dict[str, Any] | None) -> None:
        """Draw the form with the values in `data`, or those the notebook has now."""
        spec = self._spec
        if data is not None:
            try:
                fields, _ = form_values.to_fields(data)
                spec = JobSpec.checked(notebook=self._notebook, **fields)
            except UnattendedError:
                data = None  # a value that is refused now: begin again
        prepared = service().prepare(spec)
        choices = forms.backend_choices(service(), prepared.policy)
        form = forms.build(
            prepared.spec,
            prepared.parameters,
            choices,
            requirements=prepared.requirements.text,
            candidates=prepared.candidates,
            policy=prepared.policy,
        )
        self._fields = {}
        values = form.data if data is None else {**form.data, **data}
        chosen = next((one for one in choices if one.name == prepared.spec.backend), None)
        properties = forms.for_backend(form.schema, chosen)["properties"]
        sections = {group["id"]: [] for group in form.schema["x-groups"]}  # type: ignore[var-annotated]
        for name, schema in properties.items():
            section = sections[schema.get("x-group", "advanced")]
            if schema.get("type") == "object" and schema.get("properties"):
                required = schema.get("required", ())
                inner = values.get(name) or {}
                for child, child_schema in schema["properties"].items():
                    value = inner.get(child, child_schema.get("default"))
                    section.append(
                        self._field((name, child), child_schema, value, child in required)
                    )
            else:
                is_required = name in form.schema["required"]
                section.append(self._field((name,), schema, values.get(name), is_required))
                if schema.get("x-widget") == "image" and not self._fields[name,].input.disabled:
                    section.append(self._maker(schema))
        self._body.children = self._sections(form.schema["x-groups"], sections)
        self._show_findings(prepared.findings)
        backend = self._fields.get(("backend",))
        if backend is not None:
            backend.input.observe(self._guarded(self._backend_changed), names="value")

    def _field(
        self, path: tuple[str, ...], schema: dict[str, Any], value: Any, is_required: bool
    ) -> Any:
        from .fields import Field

        field = Field(path[-1], schema, value, is_required=is_required)
        field.input.observe(lambda _change: self._remember(), names="value")
        self._fields[path] = field
        return field.box()

    def _maker(self, schema: dict[str, Any]) -> Any:
        """Return what makes an image for the field above it."""
        from .image_maker import ImageMaker

        image = self._fields["image",].input

        def wanted() -> tuple[dict[str, Any], dict[str, str]]:
            self._check(self._notebook, force=False)
            fields, secrets = form_values.to_fields(self._data())
            fields.pop("image", None)  # that one is still to be made
            return {**fields, "notebook": self._notebook}, secrets

        def made(name: str) -> None:
            image.value = name

        return ImageMaker(wanted, made, str(schema.get("x-cannot-make", ""))).box

    def _sections(self, groups: list[dict[str, Any]], sections: dict[str, list[Any]]) -> list[Any]:
        widgets = self._widgets
        drawn: list[Any] = []
        folded: list[tuple[str, Any]] = []
        for group in groups:
            children = sections[group["id"]]
            if not children:
                continue
            box = widgets.VBox(children)
            if group["open"]:
                drawn += [widgets.HTML(f"<b>{html.escape(group['title'])}</b>"), box]
            else:
                folded.append((group["title"], box))
        if folded:
            accordion = widgets.Accordion([box for _, box in folded], selected_index=None)
            for index, (title, _) in enumerate(folded):
                accordion.set_title(index, title)
            drawn.append(accordion)
        return drawn

    def _show_findings(self, findings: list[Any]) -> None:
        colours = {"error": "#d32f2f", "warning": "#e65100"}
        lines = []
        for finding in findings:
            where = f"cell {finding.cell + 1}" if finding.cell is not None else "notebook"
            line = f", line {finding.line}" if finding.line is not None else ""
            fix = f"; {html.escape(finding.fix)}" if finding.fix else ""
            lines.append(
                f'<li><b style="color: {colours.get(finding.severity, "inherit")}">'
                f"{finding.severity}</b> {where}{line}: {html.escape(finding.message)}{fix}</li>"
            )
        self._findings.value = (
            f'<ul style="margin: 0; line-height: 1.4">{"".join(lines)}</ul>' if lines else ""
        )
        has_errors = any(finding.severity == "error" for finding in findings)
        self._force.layout.display = "" if has_errors else "none"

    # -- values ----------------------------------------------------------------------------------

    def _data(self) -> dict[str, Any]:
        """Return what was typed, in the shape that `form_values.to_specs` reads."""
        data: dict[str, Any] = {}
        for path, field in self._fields.items():
            value = field.value()
            if len(path) == 1:
                data[path[0]] = value
            elif value is not None:
                data.setdefault(path[0], {})[path[1]] = value
        return data

    def _remember(self) -> None:
        try:
            _remembered[self._notebook] = self._data()
        except UnattendedError:
            return  # half-typed; the last whole values stay

    def _specs(self) -> tuple[list[JobSpec], dict[str, str]]:
        return form_values.to_specs(self._notebook, self._data())

    # -- what the buttons do ---------------------------------------------------------------------

    def _submit(self) -> None:
        specs, secrets = self._specs()
        self._check(self._notebook, force=self._force.value)
        try:
            views = service().submit_many(specs, force=self._force.value, secrets=secrets)
        except PreflightError as error:
            self._show_findings(error.findings)
            raise
        submitted = JobList(Job(view.id) for view in views)
        self._submitted(submitted[-1])
        self._output.clear_output()
        self._output.append_display_data(submitted if len(submitted) > 1 else submitted[0])
        names = ", ".join(f"<code>{html.escape(job.id)}</code>" for job in submitted[:5])
        more = f" and {len(submitted) - 5} more" if len(submitted) > 5 else ""
        self._message.value = f"Submitted {names}{more}."

    def _show_preview(self) -> None:
        if self._preview.value:
            self._preview.value = ""
            return
        prepared = service().prepare(self._specs()[0][0])
        parts = [
            ("start.sh", prepared.start_script),
            (prepared.rendering.filename, prepared.rendering.text),
            ("requirements.txt", prepared.requirements.text),
        ]
        self._preview.value = "".join(
            f"<b>{html.escape(name)}</b><pre>{html.escape(text)}</pre>" for name, text in parts
        )

    def _check_again(self) -> None:
        self._show_findings(service().prepare(self._specs()[0][0]).findings)
        self._message.value = "Checked."

    def _backend_changed(self) -> None:
        data = self._data()
        data.pop("options", None)
        self._draw(data)

    def _guarded(self, action: Callable[[], None]) -> Callable[[Any], None]:
        def run(_event: Any) -> None:
            self._message.value = ""
            try:
                action()
            except UnattendedError as error:
                self._message.value = (
                    f'<span role="alert" style="color: #d32f2f">{html.escape(str(error))}</span>'
                )

        return run
