"""Jobs through the server: the whole life of some, and what is refused and how."""

from __future__ import annotations

import asyncio
import io
import json
import zipfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

Ask = Callable[..., Awaitable[tuple[int, Any]]]


async def test_the_life_of_a_job(ask: Ask, notebook: Any, ended: Any, jp_root_dir: Path) -> None:
    path = notebook(
        "from jupyter_unattended import report, progress\n"
        "for i in range(n):\n    report(step=i, loss=1 / (i + 1)); progress(i + 1, n)\n"
        "print('grüße', n)",
        parameters="n = 2  # how often",
        path="a folder/träin.ipynb",
    )
    status, form = await ask("GET", "form", notebook=path)
    assert status == 200
    assert form["data"]["parameters"] == {"n": 2}
    assert form["schema"]["properties"]["parameters"]["properties"]["n"]["type"] == "integer"
    assert form["notebook_path"] == path

    data = {"parameters": {"n": 3}, "env": [{"name": "COLOUR", "value": "green"}], "name": "three"}
    status, preview = await ask("POST", "preview", {"notebook": path, "data": data})
    assert status == 200
    assert "--n=3" in preview["files"][0]["text"]
    assert (await ask("GET", "jobs"))[1]["jobs"] == []  # a preview submits nothing

    status, job = await ask("POST", "jobs", {"notebook": path, "data": data})
    assert status == 201
    assert job["notebook_path"] == path
    assert job["name"] == "three"
    job = await ended(job["id"])
    assert job["state"] == "succeeded", job["reason"]

    _, details = await ask("GET", f"jobs/{job['id']}")
    assert details["record"]["spec"]["parameters"] == {"n": 3}
    assert details["record"]["spec"]["env"] == {"COLOUR": "green"}
    assert [attempt["exit_code"] for attempt in details["attempts"]] == [0]
    saved = details["checkpoints"]
    assert [(one["number"], one["lost_seconds"]) for one in saved["attempts"]] == [(1, 0)]
    assert saved["unsaved_seconds"] is None
    assert details["can"]["cancel"]
    assert not details["can"]["delete"]

    _, log = await ask("GET", f"jobs/{job['id']}/log")
    assert "grüße 3" in log["text"]
    assert log["last"]
    _, metrics = await ask("GET", f"jobs/{job['id']}/metrics")
    assert [line["values"]["loss"] for line in metrics["metrics"]] == [1, 1 / 2, 1 / 3]
    assert (await ask("GET", f"jobs/{job['id']}/metrics", offset=metrics["offset"]))[1] == {
        "metrics": [],
        "offset": metrics["offset"],
    }

    _, output = await ask("GET", f"jobs/{job['id']}/output")
    assert "grüße 3" in json.dumps(output["notebook"], ensure_ascii=False)
    _, again = await ask("GET", f"jobs/{job['id']}/output", seen=output["version"])
    assert again == {"version": output["version"], "notebook": None}

    assert (await ask("GET", "jobs", notebook=path))[1]["jobs"][0]["id"] == job["id"]
    assert (await ask("GET", "jobs", text="nothing has this"))[1]["jobs"] == []
    assert (await ask("GET", "jobs", state="failed,queued"))[1]["jobs"] == []

    assert (await ask("DELETE", f"jobs/{job['id']}"))[0] == 204
    assert (await ask("GET", f"jobs/{job['id']}"))[0] == 404
    assert not Path(job["directory"]).exists()
    assert (jp_root_dir / path).exists()


async def test_cancel_and_clone(ask: Ask, notebook: Any, ended: Any) -> None:
    path = notebook(
        "import time\nprint('begun', flush=True)\ntime.sleep(wait)", parameters="wait = 60"
    )
    _, job = await ask("POST", "jobs", {"notebook": path, "data": {}})
    # Waits until there is something, without anybody asking again.
    _, chunk = await ask("GET", f"jobs/{job['id']}/log", wait=20)
    if chunk["attempt"] == 0:
        _, chunk = await ask("GET", f"jobs/{job['id']}/log", wait=20)
    assert "begun" in chunk["text"]
    status, answer = await ask("DELETE", f"jobs/{job['id']}")
    assert status == 409
    assert "cancel" in answer["message"]
    assert (await ask("POST", f"jobs/{job['id']}/cancel"))[0] == 200
    assert (await ended(job["id"]))["state"] == "cancelled"
    status, answer = await ask("POST", f"jobs/{job['id']}/pause")
    assert status == 409

    # The notebook changes; a clone is of the job, not of the notebook as it is now.
    notebook("1/0", path=path)
    _, form = await ask("GET", "form", job=job["id"])
    assert form["data"]["parameters"] == {"wait": 60}
    status, clone = await ask(
        "POST", "jobs", {"job": job["id"], "data": {"parameters": {"wait": 0}}}
    )
    assert status == 201
    assert clone["restarted_from"] == job["id"]
    assert (await ended(clone["id"]))["state"] == "succeeded"
    status, again = await ask("POST", f"jobs/{clone['id']}/rerun")
    assert status == 201
    assert (await ended(again["id"]))["state"] == "succeeded"


async def test_several_runs_are_submitted_from_one_form(
    ask: Ask, notebook: Any, ended: Any
) -> None:
    path = notebook("print(rate, size)", parameters="rate = 0.1\nsize = 1")
    _, form = await ask("GET", "form", notebook=path)
    assert "sweep" in form["schema"]["properties"]
    data = {"parameters": {"size": 2, "rate": 5}, "sweep": "rate=0.2,0.3"}
    _, shown = await ask("POST", "preview", {"notebook": path, "data": data})
    assert "--rate=0.2" in shown["files"][0]["text"]
    status, job = await ask("POST", "jobs", {"notebook": path, "data": data})
    assert (status, job["runs"]) == (201, 2)
    _, listed = await ask("GET", "jobs")
    logs = []
    for one in reversed(listed["jobs"]):
        assert (await ended(one["id"]))["state"] == "succeeded"
        logs.append((await ask("GET", f"jobs/{one['id']}/log"))[1]["text"].splitlines()[0])
    assert logs == ["0.2 2", "0.3 2"]
    _, form = await ask("GET", "form", job=job["id"])
    assert "sweep" not in form["schema"]["properties"]
    status, answer = await ask("POST", "jobs", {"notebook": path, "data": {"sweep": "rate"}})
    assert status == 400
    assert "rate" in answer["message"]


async def test_a_log_read_piece_by_piece_is_whole(ask: Ask, notebook: Any, ended: Any) -> None:
    path = notebook("for i in range(300):\n    print('äöü€', i)")
    _, job = await ask("POST", "jobs", {"notebook": path, "data": {}})
    await ended(job["id"])
    text, offset, last = "", 0, False
    while not last:
        # 7 bytes cut characters in the middle.
        _, chunk = await ask("GET", f"jobs/{job['id']}/log", offset=offset, limit=1001)
        text += chunk["text"]
        assert chunk["offset"] > offset
        offset, last = chunk["offset"], chunk["last"]
    expected = "".join(f"äöü€ {i}\n" for i in range(300))
    assert expected in text
    assert "\ufffd" not in text


async def test_a_failing_notebook_shows_its_traceback(ask: Ask, notebook: Any, ended: Any) -> None:
    path = notebook("fine = 1", "raise ValueError('no such luck')")
    _, job = await ask("POST", "jobs", {"notebook": path, "data": {}})
    job = await ended(job["id"])
    assert job["state"] == "failed"
    assert "ValueError: no such luck" in job["reason"]
    _, output = await ask("GET", f"jobs/{job['id']}/output")
    outputs = output["notebook"]["cells"][1]["outputs"]
    assert outputs[0]["ename"] == "ValueError"


async def test_files(ask: Ask, notebook: Any, ended: Any, tmp_path: Path) -> None:
    path = notebook("print('hello')")
    _, job = await ask("POST", "jobs", {"notebook": path, "data": {}})
    job = await ended(job["id"])
    base = f"jobs/{job['id']}"
    _, root = await ask("GET", f"{base}/contents")
    names = {entry["name"] for entry in root["content"]}
    assert {"start.sh", "output.ipynb", "attempts"} <= names
    _, log = await ask("GET", f"{base}/contents/attempts/1/log.txt")
    assert log["format"] == "text"
    assert "hello" in log["content"]
    _, executed = await ask("GET", f"{base}/contents/output.ipynb")
    assert executed["type"] == "notebook"
    assert executed["content"]["nbformat"] == 4
    status, raw = await ask("GET", f"{base}/files/start.sh")
    assert status == 200
    assert raw == Path(job["directory"], "start.sh").read_bytes()
    _, packed = await ask("GET", f"{base}/archive")
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        assert f"{job['id']}/attempts/1/log.txt" in archive.namelist()

    # Nothing leads out of the job directory.
    secret = tmp_path / "secret"
    secret.write_text("secret")
    Path(job["directory"], "way-out").symlink_to(secret)
    for way in ("../../train.ipynb", "way-out", "%2e%2e/%2e%2e/train.ipynb", "missing"):
        status, _ = await ask("GET", f"{base}/files/{way}")
        assert status == 404, way
        status, _ = await ask("GET", f"{base}/contents/{way}")
        assert status == 404, way
    _, packed = await ask("GET", f"{base}/archive")
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        assert not any(name.endswith("way-out") for name in archive.namelist())


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("missing.ipynb", "missing.ipynb"),
        ("../outside.ipynb", "outside"),
        ("/../../etc/passwd", "outside"),
        ("S3:bucket/x.ipynb", "drive"),
        ("broken.ipynb", "broken.ipynb"),
    ],
)
async def test_notebooks_that_cannot_be_used(
    path: str, says: str, ask: Ask, jp_root_dir: Path
) -> None:
    (jp_root_dir / "broken.ipynb").write_text("{")
    (jp_root_dir.parent / "outside.ipynb").write_text("{}")
    for answer in (
        await ask("GET", "form", notebook=path),
        await ask("POST", "jobs", {"notebook": path, "data": {}}),
        await ask("POST", "preview", {"notebook": path, "data": {}}),
    ):
        assert answer[0] == 400
        assert says in answer[1]["message"]


async def test_the_prefix_of_collaborative_drives_is_understood(ask: Ask, notebook: Any) -> None:
    path = notebook("1")
    status, form = await ask("GET", "form", notebook="RTC:" + path)
    assert status == 200
    assert form["notebook_path"] == path


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ({"parameters": {"m": 1}}, "m"),
        ({"parameters": {"n": "many"}}, "many"),
        ({"cpus": -1}, "cpus"),
        ({"memory": "lots"}, "lots"),
        ({"nonsense": 1}, "nonsense"),
        ({"backend": "nowhere"}, "nowhere"),
        ({"notebook": "/etc/passwd"}, "notebook"),
        ({"env": [{"name": "1x", "value": ""}]}, "1x"),
        ({"env": [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]}, "A"),
        ({"env": "A=1"}, "env"),
    ],
)
async def test_values_that_cannot_be_used(
    data: dict[str, Any], says: str, ask: Ask, notebook: Any
) -> None:
    path = notebook("print(n)", parameters="n = 1")
    status, answer = await ask("POST", "jobs", {"notebook": path, "data": data})
    assert status == 400
    assert says in answer["message"]
    assert (await ask("GET", "jobs"))[1]["jobs"] == []


async def test_preflight_errors_stop_a_submit_unless_forced(
    ask: Ask, notebook: Any, ended: Any
) -> None:
    path = notebook("print(undefined_name)")
    status, answer = await ask("POST", "jobs", {"notebook": path, "data": {}})
    assert status == 400
    assert answer["findings"][0]["cell"] == 0
    status, job = await ask("POST", "jobs", {"notebook": path, "data": {}, "force": True})
    assert status == 201
    assert (await ended(job["id"]))["state"] == "failed"

    # A form for a clone of it shows the same, and asks again.
    _, form = await ask("GET", "form", job=job["id"])
    assert form["findings"][0]["code"] == "undefined-name"
    status, answer = await ask("POST", "jobs", {"job": job["id"], "data": {}})
    assert status == 400
    assert answer["findings"][0]["cell"] == 0
    assert (await ask("POST", "jobs", {"job": job["id"], "data": {}, "force": True}))[0] == 201


async def test_a_long_list_is_sent_in_part(ask: Ask, notebook: Any) -> None:
    path = notebook("1")
    for name in ("a", "b", "c"):
        await ask("POST", "jobs", {"notebook": path, "data": {"name": name}})
    _, answer = await ask("GET", "jobs", limit=2)
    assert [job["name"] for job in answer["jobs"]] == ["c", "b"]
    assert answer["total"] == 3


async def test_requests_that_are_wrong(ask: Ask, jp_fetch: Any) -> None:
    assert (await ask("GET", "jobs/nothing"))[0] == 404
    assert (await ask("GET", "jobs", state="asleep"))[0] == 400
    assert (await ask("GET", "jobs", limit="all"))[0] == 400
    assert (await ask("POST", "jobs", {"data": {}}))[0] == 400
    assert (await ask("POST", "jobs", {"notebook": "x.ipynb"}))[0] == 400
    assert (await ask("PATCH", "jobs/nothing", {"colour": 1}))[0] == 400
    for path in ("log", "metrics", "output", "archive", "files/x", "contents/x"):
        status, answer = await ask("GET", f"jobs/nothing/{path}")
        assert status == 404, path
        assert "nothing" in answer["message"]


async def test_secrets_are_handed_over_and_kept_nowhere(
    ask: Ask, notebook: Any, ended: Any
) -> None:
    path = notebook("import os\nprint(len(os.environ['TOKEN']))")
    env = [{"name": "TOKEN", "value": "hunter2-hunter2", "secret": True}]
    _, job = await ask("POST", "jobs", {"notebook": path, "data": {"env": env}})
    job = await ended(job["id"])
    assert job["state"] == "succeeded", job["reason"]
    assert "15" in (await ask("GET", f"jobs/{job['id']}/log"))[1]["text"]
    for file in Path(job["directory"]).rglob("*"):
        if file.is_file():
            assert b"hunter2" not in file.read_bytes(), file


async def test_edited_requirements_are_what_the_job_gets(ask: Ask, notebook: Any) -> None:
    path = notebook("import json")
    text = "# nothing but this\n"
    _, job = await ask("POST", "jobs", {"notebook": path, "data": {"requirements": text}})
    assert Path(job["directory"], "requirements.txt").read_text() == text


async def test_events_tell_of_every_change(
    ask: Ask, notebook: Any, ended: Any, jp_ws_fetch: Any
) -> None:
    socket = await jp_ws_fetch("api", "events", "subscribe")
    await ask("GET", "jobs")  # somebody looks
    await asyncio.sleep(0.5)
    _, job = await ask("POST", "jobs", {"notebook": notebook("1"), "data": {}})
    states = []
    while "succeeded" not in states:
        event = json.loads(await asyncio.wait_for(socket.read_message(), 30))
        if event.get("schema_id") == "https://schema.jupyter-unattended.org/job":
            assert event["id"] == job["id"]
            assert event["job"]["notebook_path"] == "train.ipynb"
            states.append(event["job"]["state"])
    await ask("DELETE", f"jobs/{job['id']}")
    while True:
        event = json.loads(await asyncio.wait_for(socket.read_message(), 30))
        if event.get("action") == "deleted":
            assert event["id"] == job["id"]
            break
    socket.close()


async def test_the_servers_side_tells_its_version(ask: Ask) -> None:
    from jupyter_unattended._version import __version__

    assert (await ask("GET", "status"))[1] == {"version": __version__}
    _, answer = await ask("GET", "backends")
    assert answer["backends"][0]["name"] == "local"
    assert answer["backends"][0]["usable"]


async def test_forms_show_what_the_policy_allows(
    ask: Ask, notebook: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = notebook("print(n)", parameters="n = 1")
    monkeypatch.setenv("JUPYTER_CONFIG_PATH", str(tmp_path))
    (tmp_path / "jupyter_unattended_policy.toml").write_text(
        "[fields.cpus]\nmaximum = 2\n[fields.priority]\nfixed = 0\n"
        "[fields.workspace]\nhidden = true\n[fields.backend]\nchoices = ['local']\n"
    )
    _, form = await ask("GET", "form", notebook=path)
    properties = form["schema"]["properties"]
    assert properties["cpus"]["maximum"] == 2
    assert properties["priority"]["readOnly"]
    assert "workspace" not in properties
    others = [one for one in properties["backend"]["oneOf"] if one["const"] != "local"]
    assert all(one["x-disabled"] == "Not allowed by the policy here." for one in others)

    data = {**form["data"], "cpus": 3}
    status, preview = await ask("POST", "preview", {"notebook": path, "data": data})
    assert status == 200
    assert "cpus: 3 is more than the 2" in preview["findings"][0]["message"]
    status, answer = await ask("POST", "jobs", {"notebook": path, "data": data, "force": True})
    assert status == 400
    assert "cpus: 3 is more than the 2" in answer["message"]
    assert (await ask("POST", "jobs", {"notebook": path, "data": form["data"]}))[0] == 201
