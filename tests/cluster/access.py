"""Permissions: ServiceAccounts with the rules of the project, their tokens, and kubeconfigs with them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from tests.cluster.api import Api, Json

REVOCATION_SECONDS = 10
"""The API server caches valid tokens for that long, and no flag changes it (TokenSuccessCacheTTL): only then does a
revoked token get 401. A token that was not used before it was revoked gets it at once."""


@dataclass(frozen=True)
class RevocableToken:
    """A token that is bound to a Secret and becomes invalid with it."""

    token: str
    secret: str
    namespace: str

    async def revoke(self, api: Api) -> None:
        """Delete the Secret; see ``REVOCATION_SECONDS``."""
        await api.delete("Secret", self.secret, self.namespace)


def rules_of(manifest: Path) -> list[Json]:
    """The rules of all Roles in a manifest."""
    objects = yaml.safe_load_all(manifest.read_text())
    return [rule for item in objects if item and item["kind"] in {"Role", "ClusterRole"} for rule in item["rules"]]


async def create_service_account(api: Api, namespace: str, name: str, role: Path | Sequence[Json]) -> None:
    """A ServiceAccount, and a Role and a RoleBinding of the same name."""
    group = "rbac.authorization.k8s.io"
    metadata = {"name": name, "namespace": namespace}
    rules = rules_of(role) if isinstance(role, Path) else list(role)
    await api.create({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata})
    await api.create({"apiVersion": f"{group}/v1", "kind": "Role", "metadata": metadata, "rules": rules})
    await api.create(
        {
            "apiVersion": f"{group}/v1",
            "kind": "RoleBinding",
            "metadata": metadata,
            "roleRef": {"apiGroup": group, "kind": "Role", "name": name},
            "subjects": [{"kind": "ServiceAccount", **metadata}],
        }
    )


async def revocable_token(api: Api, namespace: str, service_account: str) -> RevocableToken:
    """A token of the ServiceAccount that can be revoked at any time, before the shortest expiry of 600 s."""
    metadata = {"generateName": f"{service_account}-token-", "namespace": namespace}
    secret = (await api.create({"apiVersion": "v1", "kind": "Secret", "metadata": metadata}))["metadata"]
    bound_to = {"apiVersion": "v1", "kind": "Secret", "name": secret["name"], "uid": secret["uid"]}
    token = await api.token(service_account, namespace, bound_to=bound_to)
    return RevocableToken(token, secret["name"], namespace)


def write_kubeconfig(
    path: Path,
    *,
    server: str,
    ca_file: Path,
    token: str | None = None,
    token_file: Path | None = None,
    namespace: str = "default",
) -> Path:
    """A kubeconfig with one context and a token, or the name of a token file."""
    user = {"tokenFile": str(token_file)} if token_file is not None else {"token": token}
    configuration = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "test", "cluster": {"server": server, "certificate-authority": str(ca_file)}}],
        "users": [{"name": "test", "user": user}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test", "namespace": namespace}}],
        "current-context": "test",
    }
    path.write_text(yaml.safe_dump(configuration))
    path.chmod(0o600)
    return path
