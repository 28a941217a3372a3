# syntax=docker/dockerfile:1
# Two images from one file:
#   docker build --target app .                          web, worker-network, beat, flower, migrations: no torch
#   docker build --target worker --build-arg DEVICE=cuda .   worker-query, worker-embed
# DEVICE=cpu takes torch and torchvision from TORCH_CPU_INDEX, both from the same place, since a torch and a torchvision
# of different builds break each other at import. DEVICE=cuda takes the default wheels, which carry CUDA.
# Not built where it was written: there is no Docker engine there.

ARG PYTHON_VERSION=3.11

FROM python:${PYTHON_VERSION}-slim-bookworm AS base
ENV PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    PATH=/venv/bin:$PATH
RUN groupadd --gid 10001 avs && useradd --uid 10001 --gid avs --no-create-home --home-dir /data avs \
 && install --directory --owner avs --group avs /data /models

# Dependencies alone, so that a change of our code does not install them again.
FROM base AS app-build
WORKDIR /build
RUN python -m venv /venv
COPY setup.cfg pyproject.toml requirements.lock README.md LICENSE ./
# With boto3, so that MEDIA_S3_BUCKET needs no image of its own.
RUN --mount=type=cache,target=/root/.cache/pip pip install --constraint requirements.lock ".[s3]"

FROM app-build AS worker-build
ARG DEVICE=cpu
ARG TORCH_CPU_INDEX=https://download.pytorch.org/whl/cpu
RUN --mount=type=cache,target=/root/.cache/pip \
    case "$DEVICE" in \
      cpu) pip install --constraint requirements.lock --index-url "$TORCH_CPU_INDEX" torch torchvision ;; \
      cuda) ;; \
      *) echo "DEVICE must be cpu or cuda, not '$DEVICE'" >&2; exit 1 ;; \
    esac \
 && pip install --constraint requirements.lock ".[models]"

FROM base AS source
WORKDIR /app
COPY . .
USER avs
VOLUME ["/data"]
# The code runs from here. Celery and gunicorn put their folder first on the path; `avs` and alembic don't.
ENV AVS_HOME=/data \
    PYTHONPATH=/app

FROM source AS worker
COPY --from=worker-build /venv /venv
ENV HF_HOME=/models
VOLUME ["/models"]
CMD ["celery", "-A", "worker", "worker", "-Q", "query", "--pool", "solo", "-n", "query@%h", "--without-gossip", "--without-mingle", "-E", "--loglevel", "INFO"]

FROM source AS app
COPY --from=app-build /venv /venv
EXPOSE 8002
CMD ["gunicorn", "--config", "api/gunicorn_config.py", "api.wsgi:app"]
