"""What is said of an API server that gives no usable answer, as tables.

That they are the messages for real responses is in ``test_refusals`` and ``test_failures``.
"""

from __future__ import annotations

import pytest

from sidecar.errors import SourceError
from sidecar.sources.kubernetes import explanations

DENIED = 'User "{user}" cannot {verb} resource "{resource}" in API group "{group}" {where}'
HERE = 'in the namespace "prod"'
US = "system:serviceaccount:apps:sidecar"


@pytest.mark.parametrize(
    ("said", "remedy"),
    [
        pytest.param(
            DENIED.format(user=US, verb="watch", resource="endpointslices", group="discovery.k8s.io", where=HERE),
            "Grant get, list and watch on endpointslices.discovery.k8s.io in namespace prod to the service account"
            " sidecar of namespace apps with a Role and a RoleBinding.",
            id="watch",
        ),
        pytest.param(
            'pods "app-0" is forbidden: ' + DENIED.format(user=US, verb="get", resource="pods", group="", where=HERE),
            "Grant get on pods in namespace prod to the service account sidecar of namespace apps"
            " with a Role and a RoleBinding.",
            id="one object",
        ),
        pytest.param(
            DENIED.format(user=US, verb="list", resource="pods", group="", where="at the cluster scope"),
            "Grant get, list and watch on pods in all namespaces to the service account sidecar of namespace apps"
            " with a ClusterRole and a ClusterRoleBinding.",
            id="everywhere",
        ),
        pytest.param(
            DENIED.format(user="jane", verb="create", resource="x", group="g", where=HERE) + ": RBAC: role not found",
            "Grant create on x.g in namespace prod to the user jane with a Role and a RoleBinding.",
            id="a person",
        ),
        pytest.param(
            DENIED.format(user="system:anonymous", verb="list", resource="pods", group="", where=HERE),
            "The request had no credentials: mount the service account's token (automountServiceAccountToken),"
            " or give the kubeconfig a user.",
            id="nobody",
        ),
        pytest.param(
            "policy says no",
            "It names no missing permission, so that no Role will help: check the authorizers and proxies in between.",
            id="not RBAC",
        ),
    ],
)
def test_a_403_says_what_to_grant_to_whom(said: str, remedy: str) -> None:
    """The server's own words name the account, the verb and the resource."""
    explained = explanations.refusal(403, "list", "/api", said)
    assert explained.reason == "forbidden"
    assert explained.remedy == remedy
    assert explained.message == f"The API server forbids it (403 on list /api): {said}. {remedy}"


CODES = {
    302: "The API server redirects (302 on list /api): said. Redirects are not followed, because the token",
    400: "The API server rejects the request (400 on list /api): said. It may not be a Kubernetes API server",
    401: "The API server does not accept the token (401 on list /api): said. It will be read again",
    404: "The API server has no such resource (404 on list /api): said. Choose a --source that it has",
    410: "The resourceVersion is too old (410 on list /api): said.",
    429: "The API server is overloaded (429 on list /api): said. The request will be repeated after a pause",
    503: "The API server failed (503 on list /api): said. The request will be repeated. If this persists, check",
    999: "The API server failed (999 on list /api): said. The request will be repeated",
}


@pytest.mark.parametrize(("code", "beginning"), CODES.items())
def test_each_status_has_its_own_message(code: int, beginning: str) -> None:
    """And a reason that metrics know."""
    explained = explanations.refusal(code, "list", "/api", "said")
    assert explained.message.startswith(beginning)
    assert explained.reason in SourceError.REASONS


def test_an_empty_response_is_not_quoted() -> None:
    """There is no colon with nothing behind it."""
    assert "(500 on list /api)." in explanations.refusal(500, "list", "/api", "").message


@pytest.mark.parametrize(
    ("said", "code", "verify_code", "remedy"),
    [
        ("certificate is not yet valid", "", 9, "check the clocks"),
        ("certificate has expired", "", 10, "Renew the API server's certificate."),
        ("self-signed certificate in certificate chain", "", 19, "Trust the CA that signed it"),
        ("unable to get local issuer certificate", "", 20, "Trust the CA that signed it"),
        ("Hostname mismatch", "", 62, "tls-server-name"),
        ("IP address mismatch", "", 64, "tls-server-name"),
        ("Missing Authority Key Identifier", "", 85, "older than the strict checks"),
        ("wrong version number", "WRONG_VERSION_NUMBER", 0, "The server does not speak TLS there"),
        ("something new", "SOMETHING_NEW", 0, "Check the certificates of both sides"),
    ],
)
def test_each_failure_of_tls_has_its_own_remedy(said: str, code: str, verify_code: int, remedy: str) -> None:
    """OpenSSL says what happened, the remedy is ours."""
    explained = explanations.tls("https://api", said, code, verify_code)
    assert explained.what == f"TLS to https://api failed: {said}."
    assert remedy in explained.remedy
