# shellcheck shell=bash
# Kafka's jars, from Maven Central, by infra/kafka/pom.xml; each is checked against infra/kafka/libs.sha256.

install_kafka() {
  local libs partial=$CACHE_DIR/partial.kafka
  libs=$(kafka_libs)
  if [ -d "$libs" ]; then return 0; fi
  long_step "downloading Kafka $kafka_version from Maven Central (55 MB)" "$CACHE_DIR/logs/kafka.log" fetch_kafka "$partial" ||
    die "Kafka could not be downloaded" "is the network there? the log: $CACHE_DIR/logs/kafka.log"
  mv "$partial" "$libs"
  rm -rf "$CACHE_DIR/maven"
}

fetch_kafka() {
  maven -f "$INFRA_DIR/kafka/pom.xml" dependency:copy-dependencies -DincludeScope=runtime "-DoutputDirectory=$1" &&
    (cd "$1" && sha256sum --check --quiet "$INFRA_DIR/kafka/libs.sha256")
}

maven() { mvn --batch-mode --quiet --strict-checksums "-Dmaven.repo.local=$CACHE_DIR/maven" "$@"; }
