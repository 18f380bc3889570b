"""Talking to the API server: plain dicts in and out, errors in words.

The official client supplies what is hard: reading kubeconfigs, credential plugins, TLS, proxies. It
is imported when the first request is made, because that takes half a second.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlencode

from ...errors import BackendError, BackendUnavailableError

if TYPE_CHECKING:
    import urllib3

Json = dict[str, Any]

_SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_PATCHES = {
    "merge": "application/merge-patch+json",
    "strategic": "application/strategic-merge-patch+json",
    "json": "application/json-patch+json",
}
#: Seconds to connect, and to wait for an answer.
_CONNECT, _READ = 3.0, 30.0
#: A request that failed before an answer is made again so many times, after these waits.
_RETRIES = (0.2, 0.8)


class ApiError(BackendError):
    """What the API server answered in place of what was asked for.

    Parameters
    ----------
    status
        HTTP status.
    reason
        The API's word for it (``AlreadyExists``, ``Forbidden``).
    message
        The API server's sentence.
    """

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(f"Kubernetes says: {message}")
        self.status = status
        self.reason = reason
        self.message = message


class UnreachableError(BackendError):
    """The API server gave no answer."""


class Api:
    """One API server, as one user.

    Parameters
    ----------
    context
        Name of the kubeconfig's context. Default: inside a pod the pod's own service account,
        else the current context.
    """

    def __init__(self, context: str | None = None) -> None:
        self.context = context
        self.namespace = "default"
        self.host = ""
        #: The contexts of the kubeconfig; empty in the own cluster of a pod.
        self.contexts: list[str] = []
        self._lock = threading.Lock()
        self._configuration: Any = None
        self._pool: urllib3.PoolManager | None = None

    # -- requests ----------------------------------------------------------------------------------

    def get(self, path: str, **query: object) -> Json:
        """Read an object or a list."""
        return self._json("GET", path, query)

    def read(self, path: str, **query: object) -> bytes:
        """Read what is no object: a log."""
        response = self._send("GET", path, query)
        try:
            data: bytes = response.data
        finally:
            response.close()
        return data

    def create(self, path: str, content: Json, **query: object) -> Json:
        """Create an object."""
        return self._json("POST", path, query, content)

    def patch(self, path: str, content: object, kind: str = "merge", **query: object) -> Json:
        """Change an object; `kind` is ``merge``, ``strategic`` or ``json``."""
        return self._json("PATCH", path, query, content, _PATCHES[kind])

    def delete(self, path: str, content: Json | None = None) -> Json | None:
        """Delete an object and return it as it is while it ends; None if there was none."""
        try:
            return self._json("DELETE", path, {}, content)
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    def stream(
        self, path: str, query: Mapping[str, object], read_timeout: float
    ) -> urllib3.BaseHTTPResponse:
        """Begin a request whose answer comes in pieces (a watch, a log); close it after use."""
        return self._send("GET", path, query, read_timeout=read_timeout)

    def _json(
        self,
        method: str,
        path: str,
        query: Mapping[str, object],
        content: object = None,
        content_type: str = "application/json",
    ) -> Json:
        response = self._send(method, path, query, content, content_type)
        try:
            return cast("Json", json.loads(response.data))
        except ValueError as error:
            raise UnreachableError(
                f"What answers at {self.host} is not a Kubernetes API server."
            ) from error

    def _send(
        self,
        method: str,
        path: str,
        query: Mapping[str, object],
        content: object = None,
        content_type: str = "application/json",
        read_timeout: float = _READ,
    ) -> urllib3.BaseHTTPResponse:
        """Make a request; credentials that expired are renewed once."""
        for renewed in (False, True):
            response = self._once(method, path, query, content, content_type, read_timeout)
            if response.status == 401 and not renewed:
                response.drain_conn()
                self.reconnect()
                continue
            if response.status >= 400:
                raise self._error(response)
            return response
        raise AssertionError

    def _once(
        self,
        method: str,
        path: str,
        query: Mapping[str, object],
        content: object,
        content_type: str,
        read_timeout: float,
    ) -> urllib3.BaseHTTPResponse:
        import urllib3

        url = path
        if query:
            url += "?" + urlencode(
                {key: _text(value) for key, value in query.items() if value is not None}
            )
        body = None if content is None else json.dumps(content).encode()
        timeout = urllib3.Timeout(connect=_CONNECT, read=read_timeout)
        for pause in (*_RETRIES, None):
            pool, headers = self._connection()
            headers["Content-Type"] = content_type
            try:
                response = pool.request(
                    method,
                    self.host + url,
                    body=body,
                    headers=headers,
                    timeout=timeout,
                    retries=False,
                    preload_content=False,
                )
            except (urllib3.exceptions.HTTPError, OSError) as error:
                # Nothing is sent twice but what may be: a POST that was cut off may have worked,
                # and who creates asks about AlreadyExists.
                if pause is None:
                    raise UnreachableError(self._silence(error)) from error
            else:
                wait = response.headers.get("Retry-After", "")
                if response.status not in (429, 503) or pause is None or not wait.isdecimal():
                    return response
                response.drain_conn()
                pause = min(float(wait), 5.0)
            time.sleep(pause)
        raise AssertionError

    def _error(self, response: urllib3.BaseHTTPResponse) -> ApiError:
        data = response.data
        try:
            status = json.loads(data)
            message, reason = str(status["message"]), str(status.get("reason", ""))
        except (ValueError, KeyError, TypeError):
            text = data.decode(errors="replace").strip().partition("\n")[0][:200]
            message, reason = text or f"HTTP status {response.status}", ""
        if response.status == 401:
            message = f"the credentials for {self.host} are not accepted; log in again"
        return ApiError(response.status, reason, message)

    def _silence(self, error: Exception) -> str:
        import urllib3

        what = str(error)
        if isinstance(error, urllib3.exceptions.NewConnectionError):
            what = "connection refused or no route"
        elif isinstance(error, urllib3.exceptions.TimeoutError):
            what = "no answer in time"
        elif isinstance(error, urllib3.exceptions.SSLError):
            what = f"its certificate is not accepted ({error.args[0] if error.args else error})"
        return f"The Kubernetes API server {self.host} cannot be reached: {what}."

    # -- connection --------------------------------------------------------------------------------

    def connect(self) -> None:
        """Read the configuration, if that was not done; makes no request.

        Raises
        ------
        BackendUnavailableError
            If there is no configuration, or the client is not installed.
        """
        self._connection()

    def reconnect(self) -> None:
        """Forget connection and credentials; the next request reads the configuration again."""
        with self._lock:
            self._configuration = None
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.clear()

    def _connection(self) -> tuple[urllib3.PoolManager, dict[str, str]]:
        with self._lock:
            if self._pool is None:
                self._configuration = self._read_configuration()
                self.host = str(self._configuration.host).rstrip("/")
                from kubernetes.client import rest

                self._pool = rest.RESTClientObject(self._configuration).pool_manager
            pool = self._pool
            # This runs the client's hook that renews tokens.
            credentials = self._configuration.auth_settings().get("BearerToken", {})
        headers = {"Accept": "application/json", "User-Agent": "jupyter-unattended"}
        if credentials.get("value"):
            headers["Authorization"] = credentials["value"]
        return pool, headers

    def _read_configuration(self) -> Any:
        try:
            from kubernetes import config
            from kubernetes.client import Configuration
        except ImportError as error:
            raise BackendUnavailableError(
                "The Kubernetes client is not installed here "
                "(pip install 'jupyter-unattended[kubernetes]')."
            ) from error
        configuration = Configuration()
        configuration.connection_pool_maxsize = 8
        configuration.keep_alive = True  # notices a connection that was cut without a word
        try:
            if in_cluster() and self.context is None and not os.environ.get("KUBECONFIG"):
                config.load_incluster_config(configuration)  # type: ignore[no-untyped-call]
                self.namespace = (_SERVICE_ACCOUNT / "namespace").read_text().strip()
            else:
                # The client looks at $KUBECONFIG only once, when it is imported.
                files = os.environ.get("KUBECONFIG") or str(Path.home() / ".kube" / "config")
                config.load_kube_config(  # type: ignore[no-untyped-call]
                    files, context=self.context, client_configuration=configuration
                )
                contexts, current = config.list_kube_config_contexts(files)  # type: ignore[no-untyped-call]
                self.contexts = [entry["name"] for entry in contexts]
                for entry in contexts:
                    if entry["name"] == (self.context or current["name"]):
                        self.namespace = entry["context"].get("namespace") or "default"
                        self.context = entry["name"]
        except (config.ConfigException, OSError, ValueError) as error:
            raise BackendUnavailableError(_no_configuration(error)) from error
        return configuration


def in_cluster() -> bool:
    """Whether this process runs in a pod that may talk to the API server."""
    return bool(os.environ.get("KUBERNETES_SERVICE_HOST")) and (_SERVICE_ACCOUNT / "token").exists()


def may_be_configured() -> bool:
    """Whether there is a configuration at all; quick, and imports nothing."""
    files = os.environ.get("KUBECONFIG", "").split(os.pathsep)
    default = Path.home() / ".kube" / "config"
    return in_cluster() or any(Path(file).exists() for file in files if file) or default.exists()


def lines(response: urllib3.BaseHTTPResponse) -> Iterator[bytes]:
    """Yield the lines of an answer as they come; the last one only when it is complete."""
    rest = b""
    for piece in response.stream(1 << 16, decode_content=True):
        *complete, rest = (rest + piece).split(b"\n")
        yield from complete


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _no_configuration(error: Exception) -> str:
    if os.environ.get("KUBERNETES_SERVICE_HOST") and not os.environ.get("KUBECONFIG"):
        return (
            "This pod has no service account token (JupyterHub mounts none unless told to), and "
            "there is no kubeconfig; ask your administrator, or use `jupyter unattended render`."
        )
    what = str(error).strip().partition("\n")[0]
    return f"There is no usable Kubernetes configuration here ({what}); set KUBECONFIG."
