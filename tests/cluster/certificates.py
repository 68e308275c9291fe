"""The cluster's certificate authority, the server's certificate, and the key that signs ServiceAccount tokens."""

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

NAMES = (
    "localhost",
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
)

# Since Python 3.13 the default context sets VERIFY_X509_STRICT: it wants keyUsage on the CA, and key identifiers.
EXTENSIONS = """
[req]
distinguished_name = nothing
prompt = no
[nothing]
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid:always
[server]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid:always
subjectAltName = {alternatives}
"""


@dataclass(frozen=True, kw_only=True)
class Certificates:
    """Paths of the PEM files."""

    authority: Path
    server: Path
    server_key: Path
    service_account_key: Path


def create(directory: Path, addresses: Sequence[str] = ("127.0.0.1",)) -> Certificates:
    """Create a new set in the directory; the server's certificate is valid for the addresses and the usual names."""
    files = Certificates(
        authority=directory / "ca.crt",
        server=directory / "server.crt",
        server_key=directory / "server.key",
        service_account_key=directory / "service-account.key",
    )
    authority_key = directory / "ca.key"
    configuration = directory / "openssl.cnf"
    alternatives = [f"DNS:{name}" for name in NAMES] + [f"IP:{address}" for address in addresses]
    configuration.write_text(EXTENSIONS.format(alternatives=", ".join(alternatives)))
    for key in (authority_key, files.server_key, files.service_account_key):
        # Not genpkey: the API server does not read an elliptic-curve key in PKCS #8.
        _openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", key)
    request = ("req", "-x509", "-new", "-days", "2", "-config", configuration)
    subject = "/CN=cluster authority"
    _openssl(*request, "-extensions", "authority", "-subj", subject, "-key", authority_key, "-out", files.authority)
    signer = ("-CA", files.authority, "-CAkey", authority_key)
    subject = "/CN=kube-apiserver"
    _openssl(
        *request, "-extensions", "server", "-subj", subject, *signer, "-key", files.server_key, "-out", files.server
    )
    return files


def _openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *arguments], check=True, stdin=subprocess.DEVNULL)
