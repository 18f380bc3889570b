"""Every error a caller may want to catch, as data.

Each error's text is one sentence or two in the words of the person who made the request: what was
wrong, where, and what to do. Faces print ``str(error)`` and nothing else; they choose exit code and
HTTP status from the class.

A sentence begins with a capital, unless with a name that is written otherwise (a file, an option,
``memory:``), and ends with a full stop, which is added where it is missing, because many end with
what somebody else said. What stands behind a word of ours (the reason of a state, a finding of the
check, what `ValueError` says) is no sentence but a phrase: no capital, no full stop.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar


def sentence(text: str) -> str:
    """Return text with a full stop at its end, where it has neither that nor another mark."""
    text = text.rstrip()
    return text if not text or text.endswith((".", "!", "?", "…")) else f"{text}."


class UnattendedError(Exception):
    """Base of all errors raised on purpose by this package.

    Parameters
    ----------
    message
        A sentence; its full stop may be missing.
    """

    def __init__(self, message: str = "") -> None:
        super().__init__(sentence(message))

    #: What a command line exits with.
    exit_code: ClassVar[int] = 1
    #: What a web handler answers with.
    http_status: ClassVar[int] = 500


class InvalidInputError(UnattendedError):
    """The request itself is wrong and would be wrong again tomorrow."""

    exit_code = 2
    http_status = 400


class NotebookError(InvalidInputError):
    """The notebook cannot be used: missing, not a notebook, too old, unreadable."""


class KernelError(InvalidInputError):
    """There is no such kernel here, or it cannot be started."""


class ArgumentsError(InvalidInputError):
    """Arguments do not fit the notebook's parameters."""


class SpecError(InvalidInputError):
    """A field of the job's specification is wrong, or fields contradict each other."""


class WorkspaceError(InvalidInputError):
    """The workspace cannot hold a job directory (missing, read-only, full)."""


class PreflightError(InvalidInputError):
    """Preflight found errors and the submit was not forced.

    Parameters
    ----------
    message
        One sentence with the number of errors.
    findings
        The findings, ``jupyter_unattended.notebook.preflight.Finding`` objects.
    """

    def __init__(self, message: str, findings: Sequence[object] = ()) -> None:
        super().__init__(message)
        self.findings = list(findings)


class PolicyError(InvalidInputError):
    """The policy of this installation does not allow this job; the text says what it allows."""


class PolicyFileError(UnattendedError):
    """A policy file cannot be understood, so nothing is submitted; the administrator mends it."""

    exit_code = 4
    http_status = 409


class JobNotFoundError(UnattendedError):
    """No job has this id, or a prefix fits several."""

    exit_code = 2
    http_status = 404


class ConflictError(UnattendedError):
    """The job is in a state in which this cannot be done; it may be possible later."""

    exit_code = 3
    http_status = 409


class UnsupportedError(UnattendedError):
    """The backend cannot do this at all (it says so in its capabilities)."""

    exit_code = 3
    http_status = 409


class BackendUnavailableError(UnattendedError):
    """The backend cannot be used here; the text says why and what to do."""

    exit_code = 4
    http_status = 409


class BackendError(UnattendedError):
    """The scheduler refused or did not answer; the text quotes what it said."""

    exit_code = 4
    http_status = 409


class StoreError(UnattendedError):
    """The index of jobs cannot be used (written by a newer version, unwritable, damaged)."""

    exit_code = 4
    http_status = 409


class JobFailedError(UnattendedError):
    """The job that was waited for failed or was cancelled."""


class WaitTimeoutError(UnattendedError, TimeoutError):
    """The job that was waited for has not ended in time; it goes on."""
