#!/bin/bash
# The image's entry. Spark on Kubernetes calls it with `driver` and `executor` and says the rest by variables (the
# contract of Spark's own images); everything else is run as it is given, as KubeRay and people do.
set -euo pipefail

run() { if command -v tini >/dev/null; then exec tini -s -- "$@"; else exec "$@"; fi; }

case "${1:-}" in
driver | executor)
  SPARK_HOME=${SPARK_HOME:-$(python -c 'import os, pyspark; print(os.path.dirname(pyspark.__file__))')}
  export SPARK_HOME
  ;;
esac

case "${1:-}" in
driver)
  shift
  run "$SPARK_HOME/bin/spark-submit" \
    --conf "spark.driver.bindAddress=$SPARK_DRIVER_BIND_ADDRESS" --deploy-mode client "$@"
  ;;
executor)
  # Options of the JVM come as SPARK_JAVA_OPT_0, SPARK_JAVA_OPT_1, …
  options=()
  while name=SPARK_JAVA_OPT_${#options[@]} && [ -n "${!name+set}" ]; do options+=("${!name}"); done
  run "${JAVA_HOME:+$JAVA_HOME/bin/}java" ${options[@]+"${options[@]}"} \
    "-Xms$SPARK_EXECUTOR_MEMORY" "-Xmx$SPARK_EXECUTOR_MEMORY" \
    -cp "${SPARK_CONF_DIR:-$SPARK_HOME/conf}:$SPARK_HOME/jars/*${SPARK_EXTRA_CLASSPATH:+:$SPARK_EXTRA_CLASSPATH}" \
    org.apache.spark.scheduler.cluster.k8s.KubernetesExecutorBackend \
    --driver-url "$SPARK_DRIVER_URL" --executor-id "$SPARK_EXECUTOR_ID" --cores "$SPARK_EXECUTOR_CORES" \
    --app-id "$SPARK_APPLICATION_ID" --hostname "$SPARK_EXECUTOR_POD_IP" \
    --resourceProfileId "$SPARK_RESOURCE_PROFILE_ID" --podName "$SPARK_EXECUTOR_POD_NAME"
  ;;
*)
  run "$@"
  ;;
esac
