# A container for `passerby serve`: docs/container.md says how to build and start it.

FROM python:3.11-slim AS build
# CPU builds of torch; empty: what pip finds otherwise, a CUDA build of several GB.
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
WORKDIR /source
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY src ./src
RUN python -m venv /opt/passerby
RUN /opt/passerby/bin/pip install --no-cache-dir ${TORCH_INDEX:+--extra-index-url $TORCH_INDEX} -c constraints.txt '.[serve]'

FROM python:3.11-slim
COPY --from=build /opt/passerby /opt/passerby
# Nothing is written but below /data (the gallery) and /tmp.
ENV PATH=/opt/passerby/bin:$PATH HOME=/tmp NUMBA_CACHE_DIR=/tmp/numba PASSERBY_CACHE=/tmp/passerby MPLCONFIGDIR=/tmp/matplotlib PYTHONDONTWRITEBYTECODE=1
USER 10001:10001
WORKDIR /data
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/v1/health', timeout=4)"]
ENTRYPOINT ["passerby"]
CMD ["serve", "/data/people.gallery", "--pictures", "/data/pictures", "--host", "0.0.0.0", "--name", "127.0.0.1", "localhost"]
