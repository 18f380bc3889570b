"""A notebook's parameters as a script's command line options."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..runtime.parameters import Parameter
from .script_magics import Names, call, text_source

#: Functions that turn a text into a value, by name; each may use those before it.
HELPERS = {
    "guess": (
        "def guess(text):\n"
        '    """Read a text of which no type is known."""\n'
        '    if text in ("None", "True", "False"):\n'
        '        return {{"None": None, "True": True, "False": False}}[text]\n'
        "    try:\n"
        "        return {json}.loads(text)\n"
        "    except ValueError:\n"
        "        return text\n"
    ),
    "dictionary": (
        "def dictionary(text):\n"
        '    """Read a dictionary that is written as JSON."""\n'
        "    value = {json}.loads(text)\n"
        "    if not isinstance(value, dict):\n"
        "        raise ValueError(text)\n"
        "    return value\n"
    ),
    "list_of": (
        "def list_of(item):\n"
        '    """Return a function that reads a list: as JSON, or with commas."""\n'
        "\n"
        "    def values(text):\n"
        "        is_json = text.startswith('[')\n"
        "        parts = {json}.loads(text) if is_json else text.split(',') if text else []\n"
        "        return [item(part) if isinstance(part, str) else part for part in parts]\n"
        "\n"
        "    return values\n"
    ),
    "optional": (
        "def optional(kind):\n"
        '    """Return a function that reads None or a value of a kind."""\n'
        "\n"
        "    def value(text):\n"
        '        return None if text in ("None", "none", "null") else kind(text)\n'
        "\n"
        "    return value\n"
    ),
    "boolean": (
        "def boolean(text):\n"
        '    """Read true or false."""\n'
        '    return {{"true": True, "1": True, "false": False, "0": False}}[text.lower()]\n'
    ),
}
_SCALARS = {"int": "int", "float": "float", "str": "str"}


def helper_sources(names: Names) -> list[str]:
    """Return the functions that the options need."""
    wanted = [name for name in HELPERS if name in names.helpers]
    needs_json = {"guess", "dictionary", "list_of"}.intersection(wanted)
    json = names.module("json") if needs_json else ""
    return [HELPERS[name].format(json=json) for name in wanted]


def options(parameters: Sequence[Parameter], title: str, names: Names) -> str:
    """Return the source that reads the parameters' values from the command line.

    It comes after the cell that holds the defaults, and uses them.
    """
    argparse = names.module("argparse")
    parser, values = (
        name if name not in names.taken else f"_{name}" for name in ("parser", "arguments")
    )
    lines = [
        f"{parser} = {argparse}.ArgumentParser(",
        f"    description={text_source(title)},",
        f"    formatter_class={argparse}.ArgumentDefaultsHelpFormatter,",
        "    allow_abbrev=False,",
        ")",
    ]
    lines += [
        call(f"{parser}.add_argument", _option(parameter, argparse, names))
        for parameter in parameters
    ]
    lines.append(f"{values} = {parser}.parse_args()")
    lines += [_assignment(parameter, values) for parameter in parameters]
    return "\n".join(lines)


def _option(parameter: Parameter, argparse: str, names: Names) -> Iterable[str]:
    hyphens = f"--{parameter.name.replace('_', '-').lstrip('-')}"
    yield text_source(hyphens)
    if hyphens != f"--{parameter.name}":
        yield text_source(f"--{parameter.name}")
        yield f"dest={text_source(parameter.name)}"
    if parameter.kind == "bool" and not parameter.nullable and parameter.choices is None:
        yield f"action={argparse}.BooleanOptionalAction"
    else:
        yield f"type={_type(parameter, names)}"
    if parameter.choices is not None:
        choices = [*parameter.choices, *([None] if parameter.nullable else [])]
        yield "choices=[" + ", ".join(_literal(choice) for choice in choices) + "]"
    if parameter.required:
        yield "required=True"
    elif parameter.enumeration and parameter.default is not None:
        yield f"default={parameter.name}.name"
    else:
        yield f"default={parameter.name}"
    if parameter.description:
        yield f"help={text_source(parameter.description.replace('%', '%%'))}"
    elif not parameter.required:  # argparse adds the default only to a text that is there
        yield 'help="(default: %(default)s)"'


def _literal(value: object) -> str:
    return text_source(value) if isinstance(value, str) else repr(value)


def _type(parameter: Parameter, names: Names) -> str:
    kind = _plain_type(parameter, names)
    if parameter.nullable and kind != "guess":
        names.helpers.add("optional")
        return f"optional({kind})"
    return kind


def _plain_type(parameter: Parameter, names: Names) -> str:
    if parameter.kind in _SCALARS:
        is_path = parameter.kind == "str" and parameter.constructor
        return parameter.constructor if is_path else _SCALARS[parameter.kind]
    if parameter.kind == "list":
        item = _SCALARS.get(parameter.items or "", "guess")
        names.helpers.update({"list_of", *({"guess"} if item == "guess" else ())})
        return f"list_of({item})"
    name = {"bool": "boolean", "dict": "dictionary"}.get(parameter.kind, "guess")
    names.helpers.add(name)
    return name


def _assignment(parameter: Parameter, values: str) -> str:
    value = f"{values}.{parameter.name}"
    if parameter.enumeration:
        made = f"{parameter.enumeration}[{value}]"
        if parameter.nullable:
            made = f"None if {value} is None else {made}"
        return f"{parameter.name} = {made}"
    if parameter.kind == "list" and parameter.constructor:
        return f"{parameter.name} = {parameter.constructor.lower()}({value})"
    return f"{parameter.name} = {value}"
