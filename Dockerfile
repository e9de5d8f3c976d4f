# One image for all processes of production; the command decides which one a container is.
FROM python:3.11-slim

# The one folder that the product may write to: where `flask archive` puts its files, a volume (compose.yaml).
RUN useradd --system --no-create-home --shell /usr/sbin/nologin orderapp \
    && install --directory --owner=orderapp --mode=700 /srv/archive
WORKDIR /app
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PATH="/app/.venv/bin:$PATH"

# Before the sources: a change of the sources alone doesn't install the packages again.
COPY requirements.txt .
RUN python -m venv .venv && .venv/bin/pip install --no-cache-dir --disable-pip-version-check \
    --require-hashes -r requirements.txt

# The files stay root's: the product can read its own code, not change it.
COPY . .
USER orderapp
EXPOSE 8000
CMD ["flask", "web", "--bind", "0.0.0.0:8000"]
