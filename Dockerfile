# One image for web, worker, dispatcher and the migration: the command says which.
FROM python:3.11-slim AS build
ENV UV_LINK_MODE=copy UV_COMPILE_BYTECODE=1 UV_PYTHON_DOWNLOADS=never
RUN pip install --no-cache-dir --root-user-action=ignore uv
WORKDIR /app
COPY pyproject.toml uv.lock ./
RUN uv sync --locked --no-default-groups

FROM python:3.11-slim
RUN useradd --system --no-create-home --shell /usr/sbin/nologin redrive
WORKDIR /app
COPY --from=build /app/.venv .venv
COPY manage.py ./
COPY config config
COPY events events
COPY dlq dlq
COPY monitoring monitoring
COPY templates templates
COPY static static
ENV PATH=/app/.venv/bin:$PATH PYTHONUNBUFFERED=1 REDRIVE_LOG_FORMAT=json
# Collecting files needs the settings to load, not these values: nothing of them stays.
RUN DATABASE_URL=postgresql://build REDIS_URL=redis://build \
    REDRIVE_SECRET_KEY=build REDRIVE_SECRET_KEYS=AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8= \
    python manage.py collectstatic --noinput --verbosity 0 \
 && chown -R redrive: staticfiles
USER redrive
EXPOSE 8000
CMD ["granian", "--interface", "asginl", "--host", "0.0.0.0", "--port", "8000", "config.asgi:application"]
