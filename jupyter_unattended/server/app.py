"""The extension that Jupyter Server loads."""

from __future__ import annotations

from jupyter_server.extension.application import ExtensionApp


class UnattendedApp(ExtensionApp):
    """Serve jobs to JupyterLab."""

    name = "jupyter_unattended"
    extension_url = "/lab"
    load_other_extensions = True
