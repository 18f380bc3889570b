"""A notebook's parameters: the names in the cell tagged ``parameters``, as papermill has it.

Everything is read from the source; nothing is executed. The standard library is enough, because
this module travels with a job.
"""

from __future__ import annotations

import ast
import io
import json
import keyword
import re
import tokenize
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from .annotations import (
    Kind,
    NotConstant,
    ValueType,
    enumerations,
    from_annotation,
    from_default,
    last_name,
    source,
)
from .arguments import ParametersError, convert, normalise, others, parse, to_arguments

__all__ = [
    "INJECTED_TAG",
    "TAG",
    "Parameter",
    "ParametersError",
    "candidates",
    "convert",
    "find",
    "inject",
    "normalise",
    "others",
    "parse",
    "read",
    "render",
    "to_arguments",
    "to_json_schema",
]

#: Tag of the cell that holds the parameters and their defaults.
TAG = "parameters"
#: Tag of the cell, after that one, that holds the values of one run.
INJECTED_TAG = "injected-parameters"

_MAGIC = re.compile(r"^(\s*)[%!?].*$", re.MULTILINE)
_TYPE_COMMENT = re.compile(r"type:\s*(?P<type>[^\s#]+)\s*")
_PRAGMA = re.compile(r"(noqa|type:\s*ignore|pylint:|pragma:|fmt:|ruff:)")
_JSON_TYPES: dict[Kind, str] = {
    "bool": "boolean",
    "int": "integer",
    "float": "number",
    "str": "string",
    "list": "array",
    "dict": "object",
}


@dataclass(frozen=True, kw_only=True)
class Parameter(ValueType):
    """One parameter of a notebook.

    Parameters
    ----------
    name
        The name in the notebook.
    default
        The default, where `has_default` and where it is known without running the cell.
    has_default
        Whether the cell gives the name a value.
    default_source
        Source of a default that is only known when the cell runs, for example ``os.cpu_count()``.
    description
        The trailing comment, or the text in an ``Annotated``.
    annotation
        The annotation as written.
    """

    name: str
    default: Any = None
    has_default: bool = False
    default_source: str = ""
    description: str = ""
    annotation: str = ""

    @property
    def required(self) -> bool:
        """Whether a value must be given, because the cell has none."""
        return not self.has_default

    def to_json_schema(self) -> dict[str, Any]:
        """Return the JSON Schema of the parameter's value."""
        schema: dict[str, Any] = {"title": self.name}
        if self.description:
            schema["description"] = self.description
        json_type = _JSON_TYPES.get(self.kind)
        if self.choices is not None:
            schema["enum"] = [*self.choices, *([None] if self.nullable else [])]
        if json_type is None:
            # Of unknown type: written as text, read as an argument is.
            schema["type"] = ["string", "null"]
        else:
            schema["type"] = [json_type, "null"] if self.nullable else json_type
        items = _JSON_TYPES.get(self.items) if self.items else None
        if self.kind == "list":
            schema["items"] = {"type": items} if items else {}
        elif self.kind == "dict":
            schema["additionalProperties"] = {"type": items} if items else True
        if self.has_default and not self.default_source and _is_json(self.default):
            schema["default"] = self.default
        return schema


def to_json_schema(parameters: Iterable[Parameter]) -> dict[str, Any]:
    """Return the JSON Schema of an object that holds a value for each parameter."""
    parameters = list(parameters)
    return {
        "type": "object",
        "properties": {parameter.name: parameter.to_json_schema() for parameter in parameters},
        "required": [parameter.name for parameter in parameters if parameter.required],
        "additionalProperties": False,
    }


def _is_json(value: Any) -> bool:
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        return False
    return True


# -- reading ---------------------------------------------------------------------------------------


def find(notebook: Mapping[str, Any]) -> tuple[int | None, list[Parameter]]:
    """Return the index of the cell tagged ``parameters``, None without one, and its parameters.

    `notebook` is the notebook as it is on disk (JSON) or as nbformat reads it. The parameters of a
    notebook in another language than Python cannot be read; there are none then.
    """
    for index, cell in enumerate(notebook.get("cells", ())):
        if cell.get("cell_type") == "code" and TAG in _tags(cell):
            return index, read(source_of(cell)) if _is_python(notebook) else []
    return None, []


def candidates(notebook: Mapping[str, Any]) -> list[Parameter]:
    """Return what could be parameters in a notebook without the tag.

    These are the constants assigned at the top level of the first code cell that does more than
    import.
    """
    if not _is_python(notebook):
        return []
    for cell in notebook.get("cells", ()):
        if cell.get("cell_type") != "code":
            continue
        tree = _parse(source_of(cell))
        if tree is None or not all(isinstance(line, _PREAMBLE) for line in tree.body):
            return [
                parameter
                for parameter in read(source_of(cell))
                if parameter.has_default
                and not parameter.default_source
                and not parameter.name.startswith("_")
            ]
    return []


_PREAMBLE = (ast.Import, ast.ImportFrom, ast.Pass, ast.Expr)


def read(source: str) -> list[Parameter]:
    """Return the parameters of a cell, in the order of their first mention.

    A cell that is not valid Python has none; preflight says so.
    """
    tree = _parse(source)
    if tree is None:
        return []
    enums = enumerations(tree)
    comments = _comments(source)
    found: dict[str, Parameter] = {}
    for statement in tree.body:
        for name, annotation, default in _assignments(statement):
            parameter = _parameter(
                name, annotation, default, _comment_of(statement, comments), enums
            )
            earlier = found.get(name)
            found[name] = parameter if earlier is None else _merged(earlier, parameter)
    return list(found.values())


def _parse(source: str) -> ast.Module | None:
    first = source.lstrip()
    if first.startswith("%%"):  # %%time and such: the body is Python all the same
        source = source.replace(first.splitlines()[0], "pass", 1)
    try:
        return ast.parse(_MAGIC.sub(r"\1pass", source))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _assignments(
    statement: ast.stmt,
) -> Iterator[tuple[str, ast.expr | None, ast.expr | None]]:
    """Yield name, annotation and default of every name that a statement assigns."""
    if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
        default = statement.value
        if isinstance(default, ast.Constant) and default.value is ...:
            default = None
        yield statement.target.id, statement.annotation, default
    elif isinstance(statement, ast.Assign):
        for target in statement.targets:
            if isinstance(target, ast.Name):
                yield target.id, None, statement.value
            elif isinstance(target, ast.Tuple) and isinstance(statement.value, ast.Tuple):
                pairs = zip(target.elts, statement.value.elts, strict=False)
                yield from ((t.id, None, value) for t, value in pairs if isinstance(t, ast.Name))


def _parameter(
    name: str,
    annotation: ast.expr | None,
    default: ast.expr | None,
    comment: str,
    enums: Mapping[str, ValueType],
) -> Parameter:
    if annotation is None:
        annotation, comment = _type_comment(comment)
    value_type, value, default_source = ValueType(), None, ""
    if default is not None:
        try:
            value_type, value = from_default(default, enums)
        except NotConstant:
            default_source = ast.unparse(default)
    if annotation is not None:
        annotated = from_annotation(annotation, enums)
        if annotated.kind != "any" or annotated.choices or default_source:
            nullable = annotated.nullable or (default is not None and value_type.kind == "none")
            value_type = replace(annotated, nullable=nullable)
    return Parameter(
        name=name,
        default=value,
        has_default=default is not None,
        default_source=default_source,
        description=_PRAGMA.split(comment)[0].strip(" #-:") or _annotated_text(annotation),
        annotation="" if annotation is None else ast.unparse(annotation),
        **vars(value_type),
    )


def _merged(earlier: Parameter, later: Parameter) -> Parameter:
    """Join ``x: int`` and a later ``x = 1``."""
    if earlier.annotation and not later.annotation:
        fields = {**vars(earlier), "description": earlier.description or later.description}
        names = ("default", "has_default", "default_source")
        return Parameter(**{**fields, **{name: getattr(later, name) for name in names}})
    return replace(later, description=later.description or earlier.description)


def _type_comment(comment: str) -> tuple[ast.expr | None, str]:
    """Split ``type: int  how many`` as papermill reads it."""
    match = _TYPE_COMMENT.match(comment)
    if match is None or match["type"].startswith("ignore"):
        return None, comment
    try:
        return ast.parse(match["type"], mode="eval").body, comment[match.end() :]
    except SyntaxError:
        return None, comment


def _annotated_text(annotation: ast.expr | None) -> str:
    """Return the text in ``Annotated[int, "how many"]``."""
    if not isinstance(annotation, ast.Subscript) or last_name(annotation.value) != "Annotated":
        return ""
    for node in ast.walk(annotation.slice):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            return node.value
    return ""


def _comments(source: str) -> dict[int, str]:
    """Return the comments by line."""
    found: dict[int, str] = {}
    try:
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            if token.type == tokenize.COMMENT:
                found[token.start[0]] = token.string.lstrip("#").strip()
    except (tokenize.TokenError, SyntaxError):
        pass  # what a magic line hides has no comment
    return found


def _comment_of(statement: ast.stmt, comments: Mapping[int, str]) -> str:
    last = comments.get(statement.end_lineno or statement.lineno, "")
    return last or comments.get(statement.lineno, "")


def source_of(cell: Mapping[str, Any]) -> str:
    """Return a cell's source, which on disk may be a list of lines."""
    text = cell.get("source", "")
    return text if isinstance(text, str) else "".join(text)


def _tags(cell: Mapping[str, Any]) -> Sequence[str]:
    tags = cell.get("metadata", {}).get("tags", ())
    return tags if isinstance(tags, (list, tuple)) else ()


def _is_python(notebook: Mapping[str, Any]) -> bool:
    metadata = notebook.get("metadata", {})
    language = metadata.get("kernelspec", {}).get("language")
    language = language or metadata.get("language_info", {}).get("name") or "python"
    return str(language).lower() in ("python", "ipython")


# -- writing ---------------------------------------------------------------------------------------


def render(values: Mapping[str, Any], parameters: Iterable[Parameter] = ()) -> str:
    """Return the source of the cell that gives the parameters their values for one run.

    Parameters
    ----------
    values
        Values by name, as `parse` returns them.
    parameters
        The notebook's parameters: they tell which values are members of an enumeration, tuples or
        paths.

    Raises
    ------
    ParametersError
        If a name or a value cannot be written in Python.
    """
    known = {parameter.name: parameter for parameter in parameters}
    lines = ["# Parameters"]
    for name, value in values.items():
        if not name.isidentifier() or keyword.iskeyword(name):
            raise ParametersError(f"{name!r} is not a name in Python")
        try:
            lines.append(f"{name} = {_source(value, known.get(name))}")
        except ValueError as error:
            raise ParametersError(f"{name}: {error}") from None
    return "\n".join(lines) + "\n"


def _source(value: Any, parameter: Parameter | None) -> str:
    if value is None or parameter is None:
        return source(value)
    if parameter.enumeration and value in (parameter.choices or ()):
        return f"{parameter.enumeration}.{value}"
    if parameter.constructor in ("tuple", "Tuple") and isinstance(value, (list, tuple)):
        return source(tuple(value))
    if parameter.constructor:
        constructor = {"Set": "set", "FrozenSet": "frozenset"}.get(
            parameter.constructor, parameter.constructor
        )
        return f"{constructor}({source(value)})"
    return source(value)


def inject(notebook: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of the notebook with the cell that holds the values of one run.

    It comes after the cell tagged ``parameters``, and takes the place of one that an earlier run
    left there. Without values, and without a tagged cell, there is nothing to add.
    """
    index, parameters = find(notebook)
    cells = list(notebook.get("cells", ()))
    if index is None or not values:
        return {**notebook, "cells": cells}
    cell: dict[str, Any] = {
        "cell_type": "code",
        "execution_count": None,
        "metadata": {"tags": [INJECTED_TAG]},
        "outputs": [],
        "source": render(values, parameters).rstrip("\n"),
    }
    if (notebook.get("nbformat", 4), notebook.get("nbformat_minor", 5)) >= (4, 5):
        cell["id"] = uuid.uuid4().hex[:8]
    kept = [other for other in cells[index + 1 :] if INJECTED_TAG not in _tags(other)]
    return {**notebook, "cells": [*cells[: index + 1], cell, *kept]}
