"""What a magic is in a plain script."""

from __future__ import annotations

import ast
import builtins
import re
import shlex
from collections.abc import Iterable
from dataclasses import dataclass, field

from .code import Magic

_DROPPED = {"matplotlib", "config", "autoreload", "xmode", "colors", "precision", "pprint", "who",
            "whos", "who_ls", "tb", "history", "hist", "pinfo", "pinfo2", "pdoc", "psource",
            "pfile", "page", "quickref", "lsmagic", "magic", "automagic", "doctest_mode", "gui",
            "logstart", "logstop", "pdef", "reload_ext", "alias", "timeit"}  # fmt: skip
_SHOWN_ONLY = {"html", "HTML", "javascript", "js", "latex", "markdown", "svg", "SVG", "mermaid",
               "timeit"}  # fmt: skip
_INSTALLS = {"pip", "conda", "mamba", "micromamba", "uv"}
_PROGRAMS = {"ls": "ls", "ll": "ls -l", "mkdir": "mkdir", "rmdir": "rmdir", "rm": "rm", "cp": "cp",
             "mv": "mv", "cat": "cat", "man": "man", "less": "cat", "more": "cat"}  # fmt: skip
_FIELD = re.compile(r"\{\{|\}\}|\{(?P<field>[^{}]*)\}|\$(?P<dollar>\$?[A-Za-z_][\w.]*)")


class UntranslatableError(Exception):
    """A magic has no counterpart in a script; the text says which and why."""


@dataclass
class Names:
    """The names that a script uses beside the notebook's own.

    Parameters
    ----------
    known
        Names of the notebook, which shell commands may refer to.
    taken
        Names of the notebook that a module of ours must not get.
    """

    known: set[str]
    taken: set[str]
    modules: set[str] = field(default_factory=set)
    helpers: set[str] = field(default_factory=set)

    def module(self, name: str) -> str:
        """Return what a module of the standard library is called in the script."""
        self.modules.add(name)
        return f"_{name}" if name in self.taken else name

    def imports(self) -> list[str]:
        """Return the import statements for all that were asked for."""
        lines = []
        for name in sorted(self.modules):
            local = self.module(name)
            lines.append(f"import {name}" + (f" as {local}" if local != name else ""))
        return lines


def call(function: str, arguments: Iterable[str]) -> str:
    """Return the source of a call, over several lines where it is long."""
    arguments = list(arguments)
    line = f"{function}({', '.join(arguments)})"
    if len(line) <= 88 or any("\n" in argument for argument in arguments):
        return line
    return f"{function}(\n" + "".join(f"    {argument},\n" for argument in arguments) + ")"


def text_source(text: str) -> str:
    """Return the source of a text, in several lines where it has several."""
    simple = "\n" in text and '"""' not in text and not text.endswith(('"', "\\"))
    if simple and text.isprintable() is False and all(c.isprintable() or c == "\n" for c in text):
        return f'{"r" if chr(92) in text else ""}"""{text}"""'
    if text.isprintable() and '"' not in text and "\\" not in text:
        return f'"{text}"'
    return repr(text)


def expanded(text: str, names: Names) -> str:
    """Return the source of a text in which IPython fills in ``{expression}`` and ``$name``.

    IPython leaves the whole text as it is if any part of it cannot be filled in.
    """
    parts: list[ast.expr] = []
    place = 0
    for match in _FIELD.finditer(text):
        parts.append(ast.Constant(text[place : match.start()]))
        place = match.end()
        code = match["field"]
        if match["dollar"] is not None:
            if match["dollar"].startswith("$"):
                parts.append(ast.Constant(match["dollar"]))
                continue
            code = match["dollar"]
        if code is None:
            parts.append(ast.Constant(match[0][0]))
            continue
        expression = _expression(code, names)
        if expression is None:
            return text_source(text)
        parts.append(ast.FormattedValue(expression, -1))
    parts.append(ast.Constant(text[place:]))
    if not any(isinstance(part, ast.FormattedValue) for part in parts):
        return text_source(
            "".join(str(part.value) for part in parts if isinstance(part, ast.Constant))
        )
    kept = [part for part in parts if not isinstance(part, ast.Constant) or part.value]
    return ast.unparse(ast.fix_missing_locations(ast.JoinedStr(kept)))


def _expression(code: str, names: Names) -> ast.expr | None:
    try:
        tree = ast.parse(code.strip(), mode="eval").body
    except (SyntaxError, ValueError):
        return None
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    own = {
        node.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }
    known = all(name in names.known or hasattr(builtins, name) for name in used - own)
    return tree if known else None


def expression(magic: Magic, names: Names) -> str:
    """Return the expression whose value a magic gives, for ``x = !command`` and the like."""
    if magic.kind == "shell" or magic.name in ("sx", "system"):
        return _lines(magic.text, names)
    if magic.name == "pwd":
        return f"{names.module('os')}.getcwd()"
    if magic.name == "env" and re.fullmatch(r"\w+", magic.text.strip()):
        return f'{names.module("os")}.environ["{magic.text.strip()}"]'
    if magic.name in _PROGRAMS:
        return _lines(f"{_PROGRAMS[magic.name]} {magic.text}", names)
    raise UntranslatableError(f"the value of {written(magic)} has no counterpart in a script")


def statement(magic: Magic, names: Names) -> str:
    """Return the statements that a line magic or shell command stands for.

    Nothing (a comment) is returned for those that mean nothing in a script.
    """
    if magic.kind == "shell":
        if magic.name == "!!":
            return expression(magic, names)
        return _run(magic.text, names)
    text = magic.text.strip()
    if magic.name in _INSTALLS:
        return f"# {written(magic)} is in requirements.txt"
    if magic.name in _DROPPED or (magic.name == "pdb" and text in ("off", "0")):
        return f"# {written(magic)}"
    if magic.name == "load_ext" and text in ("autoreload", "memory_profiler", "line_profiler"):
        return f"# {written(magic)}"
    if magic.name == "cd" and text and not text.startswith("-"):
        system = names.module("os")
        return f"{system}.chdir({system}.path.expanduser({expanded(text.strip(chr(34)), names)}))"
    if magic.name in ("env", "set_env"):
        return _environment(text, names)
    if magic.name == "run":
        return _run_script(text, names)
    if magic.name in _PROGRAMS:
        return _run(f"{_PROGRAMS[magic.name]} {magic.text}".strip(), names)
    if magic.name in ("pwd", "sx", "system"):
        return f"print({expression(magic, names)})"
    raise UntranslatableError(f"{written(magic)} has no counterpart in a script")


def cell_statement(magic: Magic, names: Names) -> str:
    """Return the statements that a cell magic stands for whose body is no Python."""
    if magic.name in _SHOWN_ONLY:
        return f"# A cell of %%{magic.name} is left out: nobody would see it."
    words = shlex.split(magic.text)
    if magic.name in ("writefile", "file"):
        return _write_file(words, magic, names)
    run = f"{names.module('subprocess')}.run"
    check = "False" if "--no-raise-error" in words else "True"
    words = [word for word in words if word != "--no-raise-error"]
    if magic.name in ("bash", "sh") and not words:
        program = f'["{magic.name}", "-c", {text_source(magic.body)}]'
        return f"{run}({program}, check={check})"
    if magic.name in ("!", "sx", "system") and not words:
        return f"{run}({text_source(magic.body)}, shell=True, check=False)"
    if magic.name in ("python", "python3", "pypy", "perl", "ruby") and not words:
        is_python = magic.name.startswith("python")
        program = f"{names.module('sys')}.executable" if is_python else f'"{magic.name}"'
        body = text_source(magic.body)
        return f'{run}([{program}, "-"], input={body}, text=True, check={check})'
    if magic.name == "script" and words and not words[0].startswith("-"):
        body = text_source(magic.body)
        return f"{run}({words!r}, input={body}, text=True, check={check})"
    raise UntranslatableError(f"{written(magic)} has no counterpart in a script")


def written(magic: Magic) -> str:
    """Return a magic as it is written in a notebook."""
    if magic.kind == "shell":
        return f"{magic.name}{magic.text}"
    return f"{'%%' if magic.kind == 'cell' else '%'}{magic.name} {magic.text}".strip()


def _run(text: str, names: Names) -> str:
    run = f"{names.module('subprocess')}.run"
    return call(run, [expanded(text, names), "shell=True", "check=False"])


def _lines(text: str, names: Names) -> str:
    subprocess = names.module("subprocess")
    options = ["shell=True", f"stdout={subprocess}.PIPE", "text=True", "check=False"]
    return call(f"{subprocess}.run", [expanded(text, names), *options]) + ".stdout.splitlines()"


def _environment(text: str, names: Names) -> str:
    environ = f"{names.module('os')}.environ"
    match = re.match(r"(\w+)(?:\s*=\s*|\s+)(.*)", text)
    if match is not None:
        return f'{environ}["{match[1]}"] = {expanded(match[2].strip(), names)}'
    return (
        f'print({environ}["{text}"])' if re.fullmatch(r"\w+", text) else f"print(dict({environ}))"
    )


def _run_script(text: str, names: Names) -> str:
    words = shlex.split(text)
    if len(words) != 1 or not words[0].endswith(".py"):
        raise UntranslatableError(f"%run {text} has no counterpart in a script")
    run = f"{names.module('runpy')}.run_path({expanded(words[0], names)}, run_name='__main__')"
    return f"globals().update({run})"


def _write_file(words: list[str], magic: Magic, names: Names) -> str:
    mode = "a" if words[:1] in (["-a"], ["--append"]) else "w"
    paths: Iterable[str] = [word for word in words if not word.startswith("-")]
    path = expanded(" ".join(paths), names)
    return (
        f'with open({path}, "{mode}", encoding="utf-8") as _file:\n'
        f"    _file.write({text_source(magic.body)})"
    )
