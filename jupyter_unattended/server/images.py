"""Making an image for a notebook: written, built and tried while the form shows how far it is."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jupyter_server.auth.decorator import authorized
from tornado.web import authenticated

from .. import form_values
from ..errors import ConflictError, InvalidInputError
from ..image.process import Making
from . import tasks
from .base import UnattendedHandler
from .root import Root


class Images:
    """The images that are being made, or were: the last one for each notebook.

    Parameters
    ----------
    state_dir
        The state directory; None for the usual one.
    root
        The directory that the file browser shows.
    """

    def __init__(self, state_dir: Path | None, root: Root) -> None:
        self._state_dir = state_dir
        self._root = root
        self._lock = threading.Lock()
        self._makings: dict[Path, Making] = {}

    def make(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Begin to make the image that `request` describes.

        Raises
        ------
        ConflictError
            If one is being made for this notebook.
        """
        data = tasks.required(request, "data", dict)
        tasks.refuse_reserved(data)
        fields, secrets = form_values.to_fields(data)
        notebook = tasks.notebook_of(self._root, request)
        base = request.get("base") or "python"
        if not isinstance(base, str):
            raise InvalidInputError("base: expected a text in the request.")
        fields.pop("image", None)  # of the image that is still to be made
        with self._lock:
            before = self._makings.get(notebook)
            if before is not None and before.is_running:
                raise ConflictError(
                    f"An image for {notebook.name} is being made; wait for it, or cancel it."
                )
            self._makings[notebook] = Making(
                {**fields, "notebook": str(notebook), "backend": "container"},
                base=base,
                overwrite=request.get("overwrite", False) is True,
                secrets=secrets,
                state_dir=self._state_dir,
            )
        return self.look(str(request["notebook"]))

    def look(self, path: str) -> dict[str, Any]:
        """Return how far the image of the notebook at a Contents path is."""
        making = self._makings.get(self._root.to_disk(path))
        if making is None:
            return {"phase": "none"}
        state = making.state()
        if state["log"] is not None:
            state["log"] = self._root.to_contents(state["log"]) or state["log"]
        return state

    def cancel(self, path: str) -> None:
        """Stop making it; nothing happens if nothing is made."""
        making = self._makings.get(self._root.to_disk(path))
        if making is not None and making.is_running:
            making.cancel()

    def close(self) -> None:
        """Stop making images."""
        for making in self._makings.values():
            if making.is_running:
                making.cancel()


class ImageHandler(UnattendedHandler):
    """The image of one notebook."""

    @property
    def images(self) -> Images:
        """What is being made."""
        return self.app.images

    @authenticated
    @authorized
    async def get(self) -> None:
        """Return how far it is."""
        path = self.get_query_argument("notebook", "")
        await self.answer(lambda: self.images.look(path))

    @authenticated
    @authorized
    async def post(self) -> None:
        """Begin to make it."""
        body = self.body()
        await self.answer(lambda: self.images.make(body), status=201)

    @authenticated
    @authorized
    async def delete(self) -> None:
        """Stop making it."""
        path = self.get_query_argument("notebook", "")
        await self.answer(lambda: self.images.cancel(path))


#: Path and handler of each endpoint.
ENDPOINTS: list[tuple[str, Any]] = [(r"/image", ImageHandler)]
