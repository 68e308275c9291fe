"""``Status`` objects: how an API server refuses a request.

Each function is one refusal of the real server, with its message, reason, code and causes, because clients look at all
of them. What is refused, and when, is decided elsewhere. Pure.
"""

from sidecar.simulator.resources import Object, Resource

BAD_REQUEST = 400
UNAUTHORIZED = 401
FORBIDDEN = 403
NOT_FOUND = 404
METHOD_NOT_ALLOWED = 405
CONFLICT = 409
GONE = 410
INVALID = 422
INTERNAL_ERROR = 500
GATEWAY_TIMEOUT = 504


class RefusedError(Exception):
    """The request ends here, with this Status as the response."""

    def __init__(self, status: Object) -> None:
        super().__init__(status["message"])
        self.status = status


def failure(code: int, reason: str, message: str, details: Object | None = None) -> Object:
    """Any refusal; the reason is empty where the server gives none."""
    status: Object = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message}
    if reason:
        status["reason"] = reason
    if details is not None:
        status["details"] = details
    return status | {"code": code}


def success(resource: Resource, obj: Object) -> Object:
    """The response to a deletion."""
    details = _about(resource, obj["metadata"]["name"]) | {"uid": obj["metadata"]["uid"]}
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}


def bad_request(message: str) -> Object:
    """A parameter that cannot be parsed."""
    return failure(BAD_REQUEST, "BadRequest", message)


def unparsed(name: str, text: str) -> str:
    """Go's message for text that is not a number."""
    return f'strconv.{name}: parsing "{text}": invalid syntax'


def no_such_resource() -> Object:
    """The API group exists, but not the requested resource."""
    return failure(NOT_FOUND, "NotFound", "the server could not find the requested resource", {})


def method_not_allowed() -> Object:
    """The resource does not allow the method."""
    message = "the server does not allow this method on the requested resource"
    return failure(METHOD_NOT_ALLOWED, "MethodNotAllowed", message, {})


def unauthorized() -> Object:
    """There is no token, or it is not accepted."""
    return failure(UNAUTHORIZED, "Unauthorized", "Unauthorized")


def forbidden(resource: Resource, verb: str, namespace: str | None) -> Object:
    """RBAC does not allow the request."""
    where = f'in the namespace "{namespace}"' if namespace else "at the cluster scope"
    user = "system:serviceaccount:default:default"
    message = (
        f'{resource.qualified} is forbidden: User "{user}" cannot {verb} resource "{resource.name}" '
        f'in API group "{resource.group}" {where}'
    )
    return failure(FORBIDDEN, "Forbidden", message, _about(resource))


def not_found(resource: Resource, name: str) -> Object:
    """The object does not exist."""
    return failure(NOT_FOUND, "NotFound", f'{resource.qualified} "{name}" not found', _about(resource, name))


def already_exists(resource: Resource, name: str) -> Object:
    """The object to create already exists."""
    message = f'{resource.qualified} "{name}" already exists'
    return failure(CONFLICT, "AlreadyExists", message, _about(resource, name))


def conflict(resource: Resource, name: str) -> Object:
    """The object to update has changed in the meantime."""
    message = (
        f'Operation cannot be fulfilled on {resource.qualified} "{name}": the object has been modified; '
        "please apply your changes to the latest version and try again"
    )
    return failure(CONFLICT, "Conflict", message, _about(resource, name))


def expired(message: str) -> Object:
    """The resourceVersion is older than the server's history."""
    return failure(GONE, "Expired", message)


def invalid(group: str, kind: str, field: str, detail: str, why: str = "Forbidden") -> Object:
    """An object that can be parsed but has an invalid field. *why*: Forbidden, Required value, ..."""
    reason = _CAUSES[why.partition(":")[0]]
    cause = {"reason": reason, "message": f"{why}: {detail}", "field": field}
    message = f'{kind}.{group} "" is invalid: {field}: {why}: {detail}'
    return failure(INVALID, "Invalid", message, {"group": group, "kind": kind, "causes": [cause]})


_CAUSES = {
    "Forbidden": "FieldValueForbidden",
    "Required value": "FieldValueRequired",
    "Unsupported value": "FieldValueNotSupported",
}


def invalid_list_options(field: str, detail: str, why: str = "Forbidden") -> Object:
    """Parameters that can be parsed but are invalid in combination."""
    return invalid("meta.k8s.io", "ListOptions", field, detail, why)


def internal_error() -> Object:
    """An internal failure of the server, usually of etcd."""
    message = "etcdserver: request timed out"
    details = {"causes": [{"message": message}]}
    return failure(INTERNAL_ERROR, "InternalError", f"Internal error occurred: {message}", details)


def too_large(asked: int, current: int) -> Object:
    """This replica has not reached the resourceVersion that the client has already seen."""
    cause = {"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}
    message = f"Timeout: Too large resource version: {asked}, current: {current}"
    return failure(GATEWAY_TIMEOUT, "Timeout", message, {"causes": [cause], "retryAfterSeconds": 1})


def _about(resource: Resource, name: str = "") -> Object:
    details = {"name": name} if name else {}
    return details | ({"group": resource.group} if resource.group else {}) | {"kind": resource.name}
