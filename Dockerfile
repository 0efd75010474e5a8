# syntax=docker/dockerfile:1
FROM python:3.12-slim-bookworm AS build
# The CPU build of torch is a tenth of the default's size. For a GPU host:
#   docker build --build-arg TORCH_INDEX=https://download.pytorch.org/whl/cu128 .
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /src
RUN python -m venv /opt/feelback
COPY constraints.txt ./
# In a layer of its own: it changes rarely and is by far the largest.
RUN /opt/feelback/bin/pip install --extra-index-url "${TORCH_INDEX}" -c constraints.txt \
    torch torchvision
COPY pyproject.toml README.md LICENSE ./
COPY bot ./bot
COPY fer_model ./fer_model
COPY store ./store
COPY train_cli ./train_cli
COPY migrations ./migrations
RUN /opt/feelback/bin/pip install --extra-index-url "${TORCH_INDEX}" -c constraints.txt \
    '.[postgresql]'

FROM python:3.12-slim-bookworm
RUN useradd --create-home --uid 10001 feelback \
    && install -d -o feelback -g feelback /var/lib/feelback
COPY --from=build /opt/feelback /opt/feelback
ENV PATH=/opt/feelback/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    FEELBACK_DATABASE_URL=sqlite+aiosqlite:////var/lib/feelback/feelback.db \
    FEELBACK_MODELS=/var/lib/feelback/models
USER 10001
WORKDIR /var/lib/feelback
VOLUME /var/lib/feelback
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=10s --start-period=90s --retries=3 \
    CMD ["feelback-bot", "health"]
ENTRYPOINT ["feelback-bot"]
CMD ["run"]
