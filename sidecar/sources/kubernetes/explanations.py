"""What an operator is told when the API server gives no usable answer: what happened, whose fault it is, what to do.

Pure: codes and words in, a reason (see ``SourceError``) and a message out. Each kind of failure has a remedy of its own,
for they are in different hands: a Role is missing (403), a token is no good (401), the network drops packets (no answer
in time), a CA is the wrong one (TLS); with 429 and 5xx there is nothing to do here but to wait.
"""

from __future__ import annotations

import re
from typing import NamedTuple

SERVICE_ACCOUNT = "system:serviceaccount:"
"""How the name of a user begins who is one (authentication/serviceaccount, ``ServiceAccountUsernamePrefix``)."""

ANONYMOUS = "system:anonymous"
"""Who a request without credentials comes from."""

_DENIED = re.compile(
    r'User "(?P<user>[^"]*)" cannot (?P<verb>\w+) resource "(?P<resource>[^"]*)" in API group "(?P<group>[^"]*)"'
    r'(?: in the namespace "(?P<namespace>[^"]*)")?'
)
"""What the API server says of a request that no rule allows (endpoints/handlers/responsewriters, ``forbiddenMessage``);
without a namespace it is "at the cluster scope"."""

_FOLLOWED = {"list", "watch"}
"""The verbs that are of no use without each other."""


class Explanation(NamedTuple):
    """Why there is no answer."""

    reason: str
    what: str
    """What happened."""
    remedy: str
    """What to do; empty if nothing is."""

    @property
    def message(self) -> str:
        """Both."""
        return f"{self.what} {self.remedy}".rstrip()


def refusal(code: int, verb: str, path: str, said: str) -> Explanation:
    """Of an answer that is an error.

    Args:
        code: HTTP's.
        verb: ``get``, ``list``, ``watch`` or ``create``.
        path: of the request.
        said: the server's own words, without the full stop.
    """
    reason, what, remedy = _kind(code)
    if code == 403:  # noqa: PLR2004 - HTTP's own number
        remedy = grant(said)
    if code == 404 and verb == "get" and said.endswith('" not found'):  # noqa: PLR2004
        what, remedy = "There is no such object", "Create it, or correct the name."
    return Explanation(reason, f"{what} ({code} on {verb} {path}){': ' if said else ''}{said}.", remedy)


def _kind(code: int) -> tuple[str, str, str]:
    if code in _KINDS:
        return _KINDS[code]
    return next(kind for codes, kind in _OTHERS.items() if code in codes)


_KINDS = {
    401: (
        "unauthorized",
        "The API server does not accept the token",
        "It is read again; if that lasts, it has expired, or its service account or cluster is another one.",
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
        "It is asked again after a pause; if that lasts, see its priority-and-fairness settings.",
    ),
}
"""Reason, what happened and the remedy, by HTTP's code."""

_OTHERS = {
    range(300, 400): (
        "server_error",
        "The API server redirects",
        "That is not followed, for the token is for one server: correct the address in the kubeconfig.",
    ),
    range(400, 500): (
        "server_error",
        "The API server does not take the request",
        "It may be no Kubernetes API, or something on the way has changed the request: see its address.",
    ),
    range(1000): (
        "server_error",
        "The API server failed",
        "It is asked again; if that lasts, see the logs of the API server, of its etcd and of what is on the way.",
    ),
}
"""The same of the codes that are not in ``_KINDS``; the first range counts."""


def grant(said: str) -> str:
    """What to do about a 403, by the server's own words: who needs which verbs on what, and where."""
    denied = _DENIED.search(said)
    if not denied:
        return (
            "No Role remedies that, for it does not name what is missing: see the authorizers and proxies on the way."
        )
    if denied["user"] == ANONYMOUS:
        return (
            "It was asked without credentials: mount the service account's token (automountServiceAccountToken),"
            " or give the kubeconfig a user."
        )
    verbs = "get, list and watch" if denied["verb"] in _FOLLOWED else denied["verb"]
    resource = qualified(denied["resource"], denied["group"])
    where, kind = (
        (f"in namespace {denied['namespace']}", "Role") if denied["namespace"] else ("everywhere", "ClusterRole")
    )
    return f"Grant {verbs} on {resource} {where} to {subject(denied['user'])} with a {kind} and a {kind}Binding."


def qualified(resource: str, group: str) -> str:
    """A resource by the name that kubectl knows it by."""
    return f"{resource}.{group}" if group else resource


def subject(user: str) -> str:
    """A user in words."""
    if not user.startswith(SERVICE_ACCOUNT):
        return f"the user {user}"
    namespace, _, name = user.removeprefix(SERVICE_ACCOUNT).partition(":")
    return f"the service account {name} of namespace {namespace}"


def silence(host: str) -> Explanation:
    """Of a server that does not answer in time."""
    remedy = "See its address, and whether a NetworkPolicy or a firewall drops what is sent to it."
    return Explanation("timeout", f"{host} did not answer in time.", remedy)


_CERTIFICATE = {
    9: "It is not valid yet: see the clocks of this node and of the one that issued it.",
    10: "Renew the API server's certificate.",
    18: "Trust the CA that signed it: see ca.crt of the service account, or certificate-authority in the kubeconfig.",
    19: "Trust the CA that signed it: see ca.crt of the service account, or certificate-authority in the kubeconfig.",
    20: "Trust the CA that signed it: see ca.crt of the service account, or certificate-authority in the kubeconfig.",
    21: "Trust the CA that signed it: see ca.crt of the service account, or certificate-authority in the kubeconfig.",
    62: "Ask for a name that the certificate has, or give it as tls-server-name.",
    64: "Ask at an address that the certificate has, or give a name that it has as tls-server-name.",
}
"""By OpenSSL's verify code (x509_vfy.h, ``X509_V_ERR_*``): validity, issuer, name."""


def tls(host: str, said: str, verify_code: int = 0) -> Explanation:
    """Of TLS that did not come about.

    Args:
        host: of the API server.
        said: OpenSSL's words.
        verify_code: its verdict on the certificate, 0 if there was none.
    """
    what = f"TLS to {host} failed: {said}."
    if "Missing Authority Key Identifier" in said or "key usage" in said:
        remedy = "The cluster's CA is older than the strict checks of this Python: renew it."
    elif "WRONG_VERSION_NUMBER" in said or "RECORD_LAYER_FAILURE" in said:
        remedy = "It speaks no TLS there: see the port, and whether the address begins with http."
    else:
        remedy = _CERTIFICATE.get(verify_code, "See the certificates of both sides and what is in between.")
    return Explanation("tls", what, remedy)
