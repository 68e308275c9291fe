# The membership sidecar. How to use this container:
#
#   as a native sidecar        deploy/component (kustomize), deploy/injection (by label)
#   configuration              MEMBERSHIP_* variables, arguments after `run`, or --config FILE
#   requirements               a shared directory that it can write to, and nothing else: the root file system may be
#                              read-only, /tmp may be missing, and any UID and GID will do
#   other commands             `once` for an init container; `check` to diagnose a configuration; `formats` for samples
#   how to build it            docker build -t membership-sidecar:0.1.0 .        (or podman, or buildah)

FROM docker.io/library/python:3.15-slim AS build

# Both decide what a .pyc contains, so they must be the same here and below.
ENV PYTHONOPTIMIZE=2 \
    PYTHONNODEBUGRANGES=1

# Every downloaded file is checked against its hash. Only the second venv is copied into the image; it has no pip.
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
      org.opencontainers.image.description="Keeps a file on a shared volume up to date with the current cluster members." \
      org.opencontainers.image.url="https://github.com/membership-sidecar/membership-sidecar" \
      org.opencontainers.image.source="https://github.com/membership-sidecar/membership-sidecar" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.base.name="docker.io/library/python:3.15-slim"

COPY --from=build /licenses /licenses
COPY --from=build /opt/membership-sidecar /opt/membership-sidecar

# All byte code is compiled at build time: the root file system is read-only, so each start would compile it again.
#   PYTHONPYCACHEPREFIX      where the .pyc files are, also those of the standard library: the base image has none
#   PYTHON_LAZY_IMPORTS      halves memory and start time: most of what is imported is never used
#   PYTHONOPTIMIZE           no docstrings and no asserts; the code does not depend on any assert
#   PYTHONNODEBUGRANGES      no column numbers in tracebacks: a log does not need them
#   MALLOC_ARENA_MAX         one heap: the second thread, which writes the files, would otherwise keep its own
#   SSL_CERT_FILE, _DIR      aiohttp loads the public authorities when it is imported, which costs 1.9 MiB; in a pod,
#                            the API server's authority comes with the service account. If a kubeconfig relies on
#                            public authorities, set SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt
#   HOME                     a UID without a passwd entry has none, and the search for a kubeconfig needs one
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

# Numeric, so that the kubelet can verify that it is not root (runAsNonRoot). All files are readable by every UID.
USER 65532:65532
WORKDIR /
EXPOSE 9466

# The kernel drops a signal to the first process of a container while that has no handler for it: a pod that is deleted
# while it starts would wait for its whole grace period. A blocked signal is delivered once the program handles it.
ENTRYPOINT ["env", "--block-signal=TERM,INT", "/opt/membership-sidecar/bin/membership-sidecar"]
CMD ["run"]
