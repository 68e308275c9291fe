"""The errors that cross a module's border, named after whose fault they are.

``SettingsError`` is the user's, ``SourceError`` the cluster's, ``PublishError`` the volume's. Each carries a message
that says what was wrong, where, and what to do; nothing else in the project is shown to an operator.
"""

from __future__ import annotations


class SidecarError(Exception):
    """The base of them all; never raised itself."""


class SettingsError(SidecarError):
    """The configuration is wrong. Ends the program with exit code 2.

    Args:
        problems: one message for each thing that is wrong, all found at once.
    """

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class SourceError(SidecarError):
    """The source gave no usable answer. Changes no member; the source tries again.

    Args:
        reason: a word for metrics and tests, one of ``REASONS``.
        message: what happened and what to do about it.
        retry_after: seconds that the server asked to wait, 0 if it did not.
    """

    REASONS = (
        "unauthorized",
        "forbidden",
        "not_found",
        "expired",
        "too_many_requests",
        "too_large_resource_version",
        "server_error",
        "refused",
        "timeout",
        "tls",
        "connection",
        "malformed",
        "short_watch",
        "absent",
        "not_headless",
        "older",
    )

    def __init__(self, reason: str, message: str, retry_after: float = 0.0) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.retry_after = retry_after


class PublishError(SidecarError):
    """A file could not be replaced; the old one stays as it was.

    Args:
        path: the file.
        code: the symbolic errno, such as ``ENOSPC``, for metrics.
        message: what happened and what to do about it.
    """

    def __init__(self, path: str, code: str, message: str) -> None:
        super().__init__(message)
        self.path = path
        self.code = code
        self.message = message


class StartTimeoutError(SidecarError):
    """No complete answer came within ``--start-timeout``. Ends the program with exit code 1."""
