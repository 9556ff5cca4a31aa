# podyard's processes; docker-compose.yml makes a cluster of them.
# BASE is any Debian with Python 3.11 or newer; `make image-base` makes one where no registry is reached.
ARG BASE=python:3.13-slim

FROM ${BASE} AS build
COPY pyproject.toml /src/
# Of the Kubernetes definitions only one version is used; the others are 100 MB.
RUN python3 -m venv /opt/podyard \
 && python3 -c 'import tomllib; print(*tomllib.load(open("/src/pyproject.toml", "rb"))["project"]["dependencies"], sep="\n")' \
      >/src/dependencies \
 && /opt/podyard/bin/pip install --quiet --no-cache-dir -r /src/dependencies \
 && find /opt/podyard/lib/*/site-packages/kubernetes_validate/kubernetes-json-schema -mindepth 1 -maxdepth 1 \
      ! -name 'v1.37.0-local' -exec rm -r {} +
COPY . /src
RUN /opt/podyard/bin/pip install --quiet --no-cache-dir --no-deps /src \
 && /opt/podyard/bin/pip uninstall --quiet --yes pip setuptools \
 && find /opt/podyard -name __pycache__ -prune -exec rm -r {} +

FROM ${BASE}
COPY --from=build /opt/podyard /opt/podyard
COPY docker/bin/ /usr/local/bin/
COPY examples/ /var/lib/podyard/examples/
RUN useradd --home-dir /var/lib/podyard podyard \
 && mkdir /join /admin && chown podyard /join /admin /var/lib/podyard \
 && python3 -m compileall -q /opt/podyard/lib
ENV PATH=/opt/podyard/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/var/lib/podyard
WORKDIR /var/lib/podyard
ENTRYPOINT ["/usr/local/bin/compose-role"]
