"""Reading qstat's XML and qacct's lists."""

from __future__ import annotations

import contextlib
import html
import re
import time
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree as ET

from ...errors import BackendError
from ..batch.observe import Seen
from . import reasons

#: Values of ``failed`` of a run that another one followed: migrating, rescheduling.
_QUEUED_AGAIN = ("24", "25")
_DETAIL = re.compile(r"<(JB_job_number|QIM_message|ULNG_value|MES_message)>(.*?)</\1>", re.DOTALL)


def parse_jobs(text: str) -> list[dict[str, Any]]:
    """Return the entries of ``qstat -xml`` as `Seen` in plain data, with their state's letters."""
    rows = []
    for entry in _root(text).iter("job_list"):
        number = _text(entry, "JB_job_number")
        letters = _text(entry, "state")
        at = _text(entry, "JAT_start_time") or _text(entry, "JB_submission_time")
        tasks = list(_tasks(_text(entry, "tasks")))
        rows += [
            {
                "id": f"{number}.{task}" if task else number,
                "letters": letters,
                "since": _time(at),
            }
            for task in tasks or [""]
        ]
    return rows


def parse_details(text: str) -> dict[str, list[str]]:
    """Return why jobs wait or are in error, by job number, from ``qstat -j … -xml``.

    What is said of queues, for all jobs, is under an empty number. What it writes is not always XML
    (``<job ids>``), so it is read tag by tag.
    """
    said: dict[str, list[str]] = {}
    number = ""
    meant: list[str] = []
    for tag, content in _DETAIL.findall(text):
        words = html.unescape(content).strip()
        if tag == "JB_job_number":
            number = words
        elif tag == "QIM_message" and words:
            said.setdefault(number, []).insert(0, words)
        elif tag == "ULNG_value":
            meant.append(words)
        elif tag == "MES_message":
            for one in meant or [""]:
                said.setdefault(one, []).append(re.sub(r"\s+", " ", words))
            meant = []
    return said


def parse_accounting(text: str) -> dict[str, Seen]:
    """Return how jobs ended from ``qacct -j``; of several runs of a job, the last."""
    found: dict[str, Seen] = {}
    for block in re.split(r"^=+\s*$", text, flags=re.MULTILINE):
        fields = dict(
            line.split(None, 1) for line in block.splitlines() if len(line.split(None, 1)) == 2
        )
        number = fields.get("jobnumber", "").strip()
        if not number:
            continue
        task = fields.get("taskid", "undefined").strip()
        id_ = number if task == "undefined" else f"{number}.{task}"
        found[id_] = _ended(id_, fields)
    return found


def _ended(id_: str, fields: dict[str, str]) -> Seen:
    failed = fields.get("failed", "0").strip()
    status = fields.get("exit_status", "0").split()[0]
    at = _time(fields.get("end_time", "").strip())
    code = failed.split()[0]
    if code == "37" or "h_rt" in failed:
        why, ended_as = reasons.why_killed_at_a_limit(fields)
        return Seen(id_, "ended", why, at, ended_as)
    if status == "137" or code == "100":
        memory = fields.get("maxvmem", "").strip()
        why = "killed with SIGKILL: at a limit (h_rt, h_vmem), with qdel, or by the system"
        if memory and memory != "0.000":
            why += f"; it had used {memory} of memory"
        return Seen(id_, "ended", why, at, "killed")
    if code in _QUEUED_AGAIN:
        return Seen(id_, "ended", "", at)
    if code != "0":
        return Seen(id_, "ended", f"Grid Engine could not run it ({failed})", at, "refused")
    return Seen(id_, "ended", "", at)


def _root(text: str) -> ET.Element:
    try:
        return ET.fromstring(text)  # noqa: S314 - from the scheduler's own program
    except ET.ParseError as error:
        raise BackendError(f"Grid Engine's answer cannot be read ({error}).") from error


def _text(element: ET.Element, name: str) -> str:
    found = element.find(name)
    return (found.text or "").strip() if found is not None else ""


def _tasks(text: str) -> Iterator[str]:
    """Expand ``1-4:1,7`` to task numbers."""
    for part in text.split(","):
        match = re.fullmatch(r"(\d+)(?:-(\d+)(?::(\d+))?)?", part.strip())
        if match:
            first, last, step = (int(one or 0) for one in match.groups())
            yield from (str(one) for one in range(first, (last or first) + 1, step or 1))


def _time(text: str) -> float | None:
    for form in ("%Y-%m-%dT%H:%M:%S", "%a %b %d %H:%M:%S %Y", "%m/%d/%Y %H:%M:%S"):
        with contextlib.suppress(ValueError):
            return time.mktime(time.strptime(text.split(".")[0], form))
    return None
