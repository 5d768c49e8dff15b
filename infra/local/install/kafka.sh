# shellcheck shell=bash
# Kafka's jars, from Maven Central, by infra/kafka/pom.xml; each is checked against infra/kafka/libs.sha256. Then the
# archive of its classes, as Kafka's own image has one.

install_kafka() {
  install_kafka_libs
  install_kafka_classes
}

install_kafka_libs() {
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

install_kafka_classes() {
  local classes
  classes=$(kafka_classes)
  if [ -e "$classes" ]; then return 0; fi
  rm -f "$CACHE_DIR"/classes-kafka-*.jsa # of older jars, or of an older Java
  if long_step "keeping Kafka's classes for quick starts" "$CACHE_DIR/logs/kafka-classes.log" keep_kafka_classes "$classes"; then return 0; fi
  warn "Kafka's classes could not be kept: it starts, but slower (the log: $CACHE_DIR/logs/kafka-classes.log)"
}

# keep_kafka_classes ARCHIVE: a broker of its own starts, answers and ends, and leaves what it loaded.
keep_kafka_classes() (
  use_home "$CACHE_DIR/partial.kafka-home"
  mkdir -p "$DATA_DIR"
  echo 5L6g3nShT-eMCtK--X86sw >"$DATA_DIR/cluster.id"
  trap 'stop_part kafka' EXIT
  KAFKA_CLASSES_TO=$HOME_DIR/classes.jsa launch_part kafka
  await_part kafka
  # it writes them while it ends
  end_process "$(part_pid kafka)" 120 && mv "$HOME_DIR/classes.jsa" "$1" && rm -rf "$HOME_DIR"
)
