"""What an operator reads when the API server gives no usable answer: what happened, whose fault it is, what to do.

Pure: codes and words in, a reason (see ``SourceError``) and a message out. Each kind of failure has its own remedy,
because different people can apply it: a Role is missing (403), a token is not valid (401), the network drops packets
(no answer in time), the CA is the wrong one (TLS). With 429 and 5xx there is nothing to do on this side but wait.
"""

from __future__ import annotations

import re
from typing import NamedTuple

SERVICE_ACCOUNT = "system:serviceaccount:"
"""How the user name of a service account begins (authentication/serviceaccount, ``ServiceAccountUsernamePrefix``)."""

ANONYMOUS = "system:anonymous"
"""The user name of a request without credentials."""

_DENIED = re.compile(
    r'User "(?P<user>[^"]*)" cannot (?P<verb>\w+) resource "(?P<resource>[^"]*)" in API group "(?P<group>[^"]*)"'
    r'(?: in the namespace "(?P<namespace>[^"]*)")?'
)
"""How the API server refuses a request that no rule allows (endpoints/handlers/responsewriters, ``forbiddenMessage``);
without a namespace it says "at the cluster scope"."""

_FOLLOWED = {"list", "watch"}
"""The verbs that are useless without each other."""


class Explanation(NamedTuple):
    """Why there is no answer."""

    reason: str
    what: str
    """What happened."""
    remedy: str
    """What to do; empty if there is nothing to do."""

    @property
    def message(self) -> str:
        """Both."""
        return f"{self.what} {self.remedy}".rstrip()


def refusal(code: int, verb: str, path: str, said: str) -> Explanation:
    """Explain a response whose status is an error.

    Args:
        code: the HTTP status.
        verb: ``get``, ``list``, ``watch`` or ``create``.
        path: of the request.
        said: the server's own words, without the full stop.
    """
    reason, what, remedy = _by_code(code)
    if code == 403:  # noqa: PLR2004 - HTTP's own number
        remedy = missing_permission(said)
    if code == 404 and verb == "get" and said.endswith('" not found'):  # noqa: PLR2004
        what, remedy = "There is no such object", "Create it, or correct the name."
    return Explanation(reason, f"{what} ({code} on {verb} {path}){': ' if said else ''}{said}.", remedy)


def behind(said: str) -> Explanation:
    """Explain a server that has not yet seen what was asked for.

    Args:
        said: the server's own words, without the full stop.
    """
    what = f"The API server is behind what was already seen ({said})."
    return Explanation("too_large_resource_version", what, "")


def _by_code(code: int) -> tuple[str, str, str]:
    if code in _CODES:
        return _CODES[code]
    return next(explained for codes, explained in _RANGES.items() if code in codes)


_CODES = {
    401: (
        "unauthorized",
        "The API server does not accept the token",
        "It will be read again. If this persists, it has expired, or belongs to another service account or cluster.",
    ),
    403: ("forbidden", "The API server forbids it", ""),
    404: (
        "not_found",
        "The API server has no such resource",
        "Choose a --source that it has (EndpointSlices came with Kubernetes 1.21), or correct its address.",
    ),
    410: ("expired", "The resourceVersion is too old", ""),
    429: (
        "too_many_requests",
        "The API server is overloaded",
        "The request will be repeated after a pause. If this persists, check its priority-and-fairness settings.",
    ),
}
"""Reason, what happened and the remedy, by HTTP status."""

_RANGES = {
    range(300, 400): (
        "server_error",
        "The API server redirects",
        "Redirects are not followed, because the token is for one server: correct the address in the kubeconfig.",
    ),
    range(400, 500): (
        "server_error",
        "The API server rejects the request",
        "It may not be a Kubernetes API server, or a proxy has changed the request: check its address.",
    ),
    range(1000): (
        "server_error",
        "The API server failed",
        "The request will be repeated. If this persists, check the logs of the API server, of etcd and of any proxy.",
    ),
}
"""The same for codes that are not in ``_CODES``; the first range that has the code counts."""


def missing_permission(said: str) -> str:
    """What to do about a 403, from the server's own words: who needs which verbs on what, and where."""
    denied = _DENIED.search(said)
    if not denied:
        return (
            "It names no missing permission, so that no Role will help: check the authorizers and proxies in between."
        )
    if denied["user"] == ANONYMOUS:
        return (
            "The request had no credentials: mount the service account's token (automountServiceAccountToken),"
            " or give the kubeconfig a user."
        )
    verbs = "get, list and watch" if denied["verb"] in _FOLLOWED else denied["verb"]
    resource = qualified(denied["resource"], denied["group"])
    where, kind = (
        (f"in namespace {denied['namespace']}", "Role") if denied["namespace"] else ("in all namespaces", "ClusterRole")
    )
    return f"Grant {verbs} on {resource} {where} to {subject(denied['user'])} with a {kind} and a {kind}Binding."


def qualified(resource: str, group: str) -> str:
    """A resource by the name that kubectl uses."""
    return f"{resource}.{group}" if group else resource


def subject(user: str) -> str:
    """A user, as an operator would say it."""
    if not user.startswith(SERVICE_ACCOUNT):
        return f"the user {user}"
    namespace, _, name = user.removeprefix(SERVICE_ACCOUNT).partition(":")
    return f"the service account {name} of namespace {namespace}"


def no_answer(host: str) -> Explanation:
    """Explain a server that does not answer in time."""
    remedy = "Check its address, and whether a NetworkPolicy or a firewall drops the packets."
    return Explanation("timeout", f"{host} did not answer in time.", remedy)


_CERTIFICATE = {
    9: "It is not valid yet: check the clocks of this machine and of the one that issued it.",
    10: "Renew the API server's certificate.",
    18: "Trust the CA that signed it: check ca.crt of the service account, or certificate-authority in the kubeconfig.",
    19: "Trust the CA that signed it: check ca.crt of the service account, or certificate-authority in the kubeconfig.",
    20: "Trust the CA that signed it: check ca.crt of the service account, or certificate-authority in the kubeconfig.",
    21: "Trust the CA that signed it: check ca.crt of the service account, or certificate-authority in the kubeconfig.",
    62: "Use a name that is in the certificate, or set tls-server-name to one.",
    64: "Use an address that is in the certificate, or set tls-server-name to a name that is.",
}
"""By OpenSSL's verify code (x509_vfy.h, ``X509_V_ERR_*``): validity, issuer, name."""


def tls(host: str, said: str, code: str = "", verify_code: int = 0) -> Explanation:
    """Explain a TLS handshake that failed.

    Args:
        host: the API server.
        said: OpenSSL's words, without the full stop.
        code: its name for the error, such as ``WRONG_VERSION_NUMBER``.
        verify_code: its verdict on the certificate, 0 if there was none.
    """
    what = f"TLS to {host} failed: {said}."
    if "Missing Authority Key Identifier" in said or "key usage" in said:
        remedy = "The cluster's CA is older than the strict checks of this Python: renew it."
    elif code in {"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE"}:
        remedy = "The server does not speak TLS there: check the port, and whether its URL should begin with http."
    else:
        remedy = _CERTIFICATE.get(verify_code, "Check the certificates of both sides and what is in between.")
    return Explanation("tls", what, remedy)
