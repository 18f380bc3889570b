"""How Sphinx builds the user guide: `make docs`."""

from __future__ import annotations

from typing import Any

import click
from docutils import nodes
from docutils.parsers.rst import Directive
from docutils.statemachine import StringList

from jupyter_unattended import __version__
from jupyter_unattended.backends import registry
from jupyter_unattended.options import job_options
from jupyter_unattended.request import RequestCommand
from jupyter_unattended.spec import JobSpec

project = "jupyter-unattended"
author = "the jupyter-unattended developers"
project_copyright = author
version = release = __version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_click",
]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = "jupyter-unattended"
html_show_copyright = False

# Links to headings, as on the page of preflight's findings.
myst_heading_anchors = 3
# Pages of the guide also link to files of the repository, for those who read them there.
suppress_warnings = ["myst.xref_missing"]

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
napoleon_google_docstring = False
# Docstrings write names in single backticks; they are code, wherever they do not resolve.
default_role = "code"
# -- and -f are options, not dashes.
smartquotes = False


def _all_options(app: Any, ctx: click.Context, lines: list[str]) -> None:
    """Add the options of a submit, which are made when asked for: sphinx-click sees none."""
    if not isinstance(ctx.command, RequestCommand):
        return
    groups: dict[str, list[str]] = {}
    for parameter in ctx.command.get_params(ctx):
        job = getattr(parameter, "job", None)
        if job is not None:
            names, text = parameter.get_help_record(ctx)
            groups.setdefault(job.group, []).extend([f".. option:: {names}", "", f"   {text}", ""])
    for group, options in groups.items():
        lines += ["", f".. rubric:: {group}", "", *options]


def _literal_examples(app: Any, ctx: click.Context, lines: list[str]) -> None:
    """Show what follows "Examples:" as it is typed."""
    text = [line.removeprefix("| ") for line in lines]
    if "Examples:" in text:
        start = text.index("Examples:")
        end = next((i for i in range(start + 1, len(text)) if not text[i].strip()), len(text))
        examples = [f"   {line.strip()}" for line in text[start + 1 : end]]
        lines[start:end] = ["Examples::", "", *examples, ""]


class _JobFields(Directive):
    """The fields of a JobSpec with their defaults, from the model itself."""

    def run(self) -> list[nodes.Node]:
        lines: list[str] = []
        for name, field in JobSpec.model_fields.items():
            if name == "schema_version":
                continue
            default = field.get_default(call_default_factory=True)
            shown = "" if field.is_required() or default is None else f" (``{default!r}``)"
            lines += [f"``{name}``{shown}", f"   {field.description}", ""]
        found = nodes.Element()
        self.state.nested_parse(StringList(lines, source="JobSpec"), self.content_offset, found)
        return found.children


class _BackendOptions(Directive):
    """The options that each backend adds to those of every submit, from the models themselves."""

    def run(self) -> list[nodes.Node]:
        lines: list[str] = []
        for name in registry.names():
            own = [option for option in job_options(name) if option.backend == name]
            lines += [f".. rubric:: {name}", "", f"``--backend {name}``" if own else "None.", ""]
            for option in own:
                value = "|".join(option.choices or ()) or option.metavar or ""
                default = f" Default: {option.default}." if option.default else ""
                field = "" if option.flag[2:].replace("-", "_") == option.field else option.field
                known = f" In Python: ``{field}``." if field else ""
                flag = (
                    f"``{option.flag} {value}``" if option.kind != "flag" else f"``{option.flag}``"
                )
                lines += [flag, f"   {option.help}{default}{known}", ""]
        found = nodes.Element()
        self.state.nested_parse(StringList(lines, source="backends"), self.content_offset, found)
        return found.children


def setup(app: Any) -> None:
    """Connect the above (called by Sphinx)."""
    app.add_directive("job-fields", _JobFields)
    app.add_directive("backend-options", _BackendOptions)
    app.connect("sphinx-click-process-options", _all_options)
    app.connect("sphinx-click-process-epilog", _literal_examples)
