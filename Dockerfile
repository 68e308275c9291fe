# The membership sidecar. How to use this container:
#
#   a pod's native sidecar     deploy/component (kustomize), deploy/injection (by label)
#   what it is told by         MEMBERSHIP_* variables, arguments after `run`, or --config FILE
#   what it needs              a shared directory that it may write in, and nothing else: the root file system may be
#                              read-only, there need be no /tmp, any UID will do, with any GID
#   what else it can do        `once` for an init container; `check` says what would stop it; `formats`
#   to build it                docker build -t membership-sidecar:0.1.0 .        (or podman, or buildah)

FROM docker.io/library/python:3.15-slim AS build

# Both decide what is in a .pyc, and so they are the same here and below.
ENV PYTHONOPTIMIZE=2 \
    PYTHONNODEBUGRANGES=1

# Every file from a registry is checked against its hash; the second venv has no pip, and is what gets copied.
RUN python -m venv /pip && python -m venv --without-pip /opt/membership-sidecar
COPY requirements.txt deploy/image/build-requirements.txt /build/
RUN /pip/bin/pip install --no-cache-dir --require-hashes -r /build/build-requirements.txt
RUN /pip/bin/pip wheel --no-cache-dir --no-deps --no-build-isolation --require-hashes -r /build/requirements.txt \
    -w /wheels
RUN /pip/bin/pip --python /opt/membership-sidecar/bin/python install --no-index --no-deps --no-compile /wheels/*.whl

COPY LICENSE /build/
COPY sidecar /build/sidecar
COPY deploy/image /build/image
RUN PYTHONPYCACHEPREFIX=/opt/membership-sidecar/pycache /opt/membership-sidecar/bin/python /build/image/assemble.py


FROM docker.io/library/python:3.15-slim

LABEL org.opencontainers.image.title="membership-sidecar" \
      org.opencontainers.image.description="Keeps a file on a shared volume true to who the members of a Kubernetes service are." \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.base.name="docker.io/library/python:3.15-slim"

COPY --from=build /licenses /licenses
COPY --from=build /opt/membership-sidecar /opt/membership-sidecar

# Nothing is compiled at run time: the root file system is read-only, and without a .pyc every start would pay for it.
#   PYTHONPYCACHEPREFIX      where the .pyc are, of the standard library too: the base image comes without them
#   PYTHON_LAZY_IMPORTS      half of the memory and of the time to start: most of what is imported is never used
#   PYTHONOPTIMIZE           no docstrings and no asserts; no assert in here carries behaviour
#   PYTHONNODEBUGRANGES      no columns in tracebacks, which nobody reads in a log
#   MALLOC_ARENA_MAX         one heap: the second thread writes files and would keep a heap for that
#   SSL_CERT_FILE, _DIR      aiohttp loads the public authorities as it is imported, 1.9 MiB; in a pod the API server's
#                            authority is the service account's. Where a kubeconfig relies on public authorities, set
#                            SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt
#   HOME                     a UID that is in no passwd file has none, and what looks for a kubeconfig asks for it
ENV PATH=/opt/membership-sidecar/bin:$PATH \
    HOME=/ \
    PYTHONPYCACHEPREFIX=/opt/membership-sidecar/pycache \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONSAFEPATH=1 \
    PYTHON_LAZY_IMPORTS=all \
    PYTHONOPTIMIZE=2 \
    PYTHONNODEBUGRANGES=1 \
    MALLOC_ARENA_MAX=1 \
    SSL_CERT_FILE=/dev/null \
    SSL_CERT_DIR=/nonexistent

# Numeric, so that the kubelet can see that it is not root (runAsNonRoot). Everything is readable by everyone.
USER 65532:65532
WORKDIR /
EXPOSE 9466

ENTRYPOINT ["/opt/membership-sidecar/bin/membership-sidecar"]
CMD ["run"]
