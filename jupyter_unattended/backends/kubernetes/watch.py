"""One watch a namespace, shared by all jobs: what polling costs does not grow with their number.

A process that asks once (the command line) makes two requests, one for the Jobs and one for their
pods. A process that goes on asking (a server) is told of changes from then on.
"""

from __future__ import annotations

import contextlib
import json
import logging
import threading
import time
from typing import Any

from ...errors import BackendError
from . import labels
from .client import Api, ApiError, Json, lines

_log = logging.getLogger(__name__)

#: The API server ends a watch after so many seconds; it is then begun again where it ended.
_WATCH_SECONDS = 290
#: Without a word for so long (there is a bookmark a minute), the connection is taken for dead.
_SILENCE = 100.0
#: A state is shown as current for so long after the last word; then the API server is asked.
_FRESH = 15.0
#: A watch that nobody looked at for so long ends.
_IDLE = 600.0
_LONGEST_PAUSE = 10.0


class Reflection:
    """The objects of one kind that carry our label, as of the last word from the API server.

    Parameters
    ----------
    api
        The API server.
    path
        Path of the collection.
    """

    def __init__(self, api: Api, path: str) -> None:
        self._api = api
        self._path = path
        self._lock = threading.Lock()
        self._objects: dict[str, Json] = {}
        self._version = ""
        self._heard = self._asked = 0.0
        self._looked = time.monotonic()
        self._failure: BackendError | None = None
        self._thread: threading.Thread | None = None
        self._response: Any = None
        self._closed = False

    def objects(self) -> list[Json]:
        """Return the objects, as they are now.

        Raises
        ------
        BackendError
            If the API server does not answer, or refuses.
        """
        self._looked = time.monotonic()
        if self._thread is None or not self._thread.is_alive():
            first = not self._version
            self._list()
            if not first and not self._closed:
                self._start()
        elif self._failure is not None:
            self._list()
        elif time.monotonic() - max(self._heard, self._asked) > _FRESH:
            # Nothing new, or cut off? Cheap to ask, whatever the number of objects.
            self._api.get(self._path, limit=1, resourceVersion=0)
            self._asked = time.monotonic()
        with self._lock:
            return list(self._objects.values())

    def put(self, item: Json) -> None:
        """Take note of an object that was just written, before the watch tells of it."""
        with self._lock:
            self._keep(item)

    def remove(self, name: str) -> None:
        """Take note of an object that is known to be gone."""
        with self._lock:
            self._objects.pop(name, None)

    def close(self) -> None:
        """End the watch."""
        self._closed = True
        with contextlib.suppress(Exception):
            self._response.shutdown()
        if self._thread is not None:
            self._thread.join(5)

    # -- inside ------------------------------------------------------------------------------------

    def _list(self) -> None:
        answer = self._api.get(self._path, labelSelector=labels.JOB)
        found = {item["metadata"]["name"]: _slim(item) for item in answer["items"]}
        with self._lock:
            self._objects = found
            self._version = answer["metadata"]["resourceVersion"]
            self._heard = time.monotonic()

    def _start(self) -> None:
        self._failure = None
        self._thread = threading.Thread(
            target=self._follow, name=f"watch {self._path}", daemon=True
        )
        self._thread.start()

    def _follow(self) -> None:
        pause = 0.0
        while not self._closed and time.monotonic() - self._looked < _IDLE:
            began = time.monotonic()
            try:
                if not self._version:
                    self._list()
                self._watch()
            except BackendError as error:
                if isinstance(error, ApiError) and error.status == 410:
                    self._version = ""  # too old: read everything again
                    continue
                self._failure = error
            except Exception as error:
                # A connection that was cut: go on where it ended.
                _log.debug("watch of %s ended: %r", self._path, error)
            if time.monotonic() - began > 5:
                pause = 0.0
            if pause and not self._closed:
                time.sleep(pause)
            pause = min(max(pause * 2, 0.2), _LONGEST_PAUSE)

    def _watch(self) -> None:
        query = {
            "watch": True,
            "labelSelector": labels.JOB,
            "resourceVersion": self._version,
            "allowWatchBookmarks": True,
            "timeoutSeconds": _WATCH_SECONDS,
        }
        response = self._response = self._api.stream(self._path, query, _SILENCE)
        try:
            self._failure = None
            self._heard = time.monotonic()
            for line in lines(response):
                self._take(json.loads(line))
                if self._closed:
                    return
        finally:
            response.close()

    def _take(self, event: Json) -> None:
        item = event["object"]
        if event["type"] == "ERROR":
            raise ApiError(
                int(item.get("code", 500)), item.get("reason", ""), item.get("message", "")
            )
        name = item["metadata"].get("name")
        with self._lock:
            self._heard = time.monotonic()
            self._version = item["metadata"]["resourceVersion"]
            if event["type"] == "DELETED":
                self._objects.pop(name, None)
            elif event["type"] in ("ADDED", "MODIFIED"):
                self._keep(item)

    def _keep(self, item: Json) -> None:
        """Keep an object, unless a newer one is there already: put and watch come in any order."""
        name = item["metadata"]["name"]
        kept = self._objects.get(name)
        if kept is None or _version(kept) <= _version(item):
            self._objects[name] = _slim(item)


class Watch:
    """The Jobs of a namespace and their pods."""

    def __init__(self, api: Api, namespace: str) -> None:
        self.jobs = Reflection(api, f"/apis/batch/v1/namespaces/{namespace}/jobs")
        self.pods = Reflection(api, f"/api/v1/namespaces/{namespace}/pods")
        #: By `labels.pods_key` the pod whose end was compared with what the API server says of its
        #: Job.
        self.compared: dict[str, str] = {}

    def look(self) -> tuple[dict[str, Json], dict[str, list[Json]]]:
        """Return the Jobs by name, and their pods by `labels.pods_key`, oldest first.

        Raises
        ------
        BackendError
            If the API server does not answer, or refuses.
        """
        # Pods first: a pod that is seen always belongs to a Job that is seen, or that is gone.
        pods: dict[str, list[Json]] = {}
        for pod in self.pods.objects():
            pods.setdefault(labels.pods_key(pod), []).append(pod)
        for group in pods.values():
            group.sort(key=lambda pod: (pod["metadata"]["creationTimestamp"], _started(pod)))
        return {job["metadata"]["name"]: job for job in self.jobs.objects()}, pods

    def close(self) -> None:
        """End both watches."""
        self.jobs.close()
        self.pods.close()


def _started(pod: Json) -> str:
    return str(pod.get("status", {}).get("startTime", "9"))


def _version(item: Json) -> int:
    """Return an object's version; since Kubernetes 1.35 it says so that they can be compared."""
    version = str(item["metadata"]["resourceVersion"])
    return int(version) if version.isdecimal() else 0


def _slim(item: Json) -> Json:
    """Return an object without what makes it big and nobody reads."""
    item["metadata"].pop("managedFields", None)
    return item
