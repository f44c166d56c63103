# One image for every program of MMS Vault; compose.yaml says which one a container runs.
FROM python:3.12-slim AS build
WORKDIR /build
RUN python -m venv /opt/mmsvault
COPY requirements.lock ./
RUN /opt/mmsvault/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes -r requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY mmsvault ./mmsvault
COPY receiver ./receiver
COPY worker ./worker
COPY dashboard ./dashboard
RUN /opt/mmsvault/bin/pip install --no-cache-dir --disable-pip-version-check --no-deps --no-build-isolation .

FROM python:3.12-slim
RUN apt-get update && apt-get install -y --no-install-recommends fonts-dejavu-core && rm -rf /var/lib/apt/lists/*
RUN useradd --system --uid 10001 --home-dir /var/lib/mmsvault --create-home mmsvault
COPY --from=build /opt/mmsvault /opt/mmsvault
ENV PATH=/opt/mmsvault/bin:$PATH MMSVAULT_DATA_DIR=/var/lib/mmsvault PYTHONUNBUFFERED=1
USER mmsvault
WORKDIR /var/lib/mmsvault
VOLUME /var/lib/mmsvault
ENTRYPOINT ["mmsvault"]
CMD ["--help"]
