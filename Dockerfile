# The chat in a container: `docker compose up`, see docs/containers.md.

FROM python:3.13-slim AS build
WORKDIR /chat
COPY requirements.txt .
RUN python3 -m venv .venv \
 && .venv/bin/python -m pip install --no-cache-dir --disable-pip-version-check --use-pep517 -r requirements.txt \
 && .venv/bin/python -m pip uninstall --yes --quiet pip
COPY . code
# Readable by everybody, however the checkout's files are; compiled, because the chat can't write here.
RUN chmod -R a+rX code && python3 -m compileall -q code

FROM python:3.13-slim
# The chat installs nothing, so there is nothing to install with.
RUN rm -rf /usr/local/bin/pip* /usr/local/lib/python3*/site-packages/pip* /usr/local/lib/python3*/ensurepip \
 && install --directory --owner 10001 --group 10001 --mode 700 /data
WORKDIR /chat
COPY --from=build /chat/.venv .venv
COPY --from=build /chat/code .
# Files that are sent stay in TMPDIR until they are in the database: on the disk, because /tmp may be memory.
ENV PATH=/chat/.venv/bin:$PATH HOST=0.0.0.0 PORT=8080 DATA_DIR=/data TMPDIR=/data
USER 10001:10001
VOLUME /data
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=10s --start-period=20s CMD ["python", "-c", "\
import os, http.client; \
chat = http.client.HTTPConnection('127.0.0.1', os.environ['PORT'], timeout=5); \
chat.request('GET', '/healthz'); \
exit(chat.getresponse().status != 200)"]
CMD ["python", "app.py"]
