# shellcheck shell=bash
# Apache Kafka (KRaft, one node), run from the jars that install/kafka.sh keeps in the cache.

kafka_version=4.2.1

kafka_title() { echo "Kafka $kafka_version"; }
kafka_ports() { echo "kafka kafka_controller"; }
# five seconds where the disk is free; where others use it, syncs of its first records have taken a minute
kafka_seconds() { echo 180; }
kafka_mark() { echo "kafka.Kafka $RUN_DIR/kafka.conf"; }

kafka_libs() { echo "$CACHE_DIR/kafka-$kafka_version-$(hash_of "$INFRA_DIR/kafka/pom.xml" "$INFRA_DIR/kafka/libs.sha256")"; }

# The classes that a broker loads, as this Java keeps them: with them it starts in two fifths of the time and a third of the
# processor. One made by another Java, or for other jars, is not used.
kafka_classes() { echo "$CACHE_DIR/classes-$(basename "$(kafka_libs)")-$(java -version 2>&1 | sha256 | cut -c1-12).jsa"; }

kafka_config() {
  render "$INFRA_DIR/kafka/server.properties" @PORT@ "$(port_of kafka)" \
    @CONTROLLER_PORT@ "$(port_of kafka_controller)" @DATA@ "$DATA_DIR/kafka"
}

# Formatted once per data folder; the mark is made last, so a folder without it was never finished.
kafka_prepare() {
  local kafka_data=$DATA_DIR/kafka
  if [ -e "$kafka_data/formatted" ]; then return 0; fi
  rm -rf "$kafka_data"
  mkdir -p "$kafka_data"
  java -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -cp "$(kafka_libs)/*" kafka.tools.StorageTool format \
    -t "$(cat "$DATA_DIR/cluster.id")" -c "$RUN_DIR/kafka.conf" >"$LOG_DIR/kafka-format.log" 2>&1 || {
    last_lines "$LOG_DIR/kafka-format.log" >&2
    die "Kafka could not format its data folder $kafka_data"
  }
  : >"$kafka_data/formatted"
}

# Without C2, Java's second compiler: on two processors it takes a third of the broker's for minutes, from everything else
# (docs/benchmarks.md). A broker that runs for days earns that back: KAFKA_OPTS=-XX:TieredStopAtLevel=4.
# KAFKA_OPTS: more words for its Java, as Kafka's own scripts take them. KAFKA_CLASSES_TO: where to write the classes at
# its end, for install/kafka.sh.
kafka_command() {
  local options classes=("-XX:SharedArchiveFile=$(kafka_classes)" -Xlog:cds=off)
  read -ra options <<<"${KAFKA_OPTS:-}"
  if [ -n "${KAFKA_CLASSES_TO:-}" ]; then classes=("-XX:ArchiveClassesAtExit=$KAFKA_CLASSES_TO" -Xlog:cds=off -Xlog:cds+dynamic=off); fi
  COMMAND=(java -Xms256m -Xmx768m -XX:+UseSerialGC -XX:+ExitOnOutOfMemoryError -XX:TieredStopAtLevel=1 "${classes[@]}" ${options[@]+"${options[@]}"}
    -Dorg.slf4j.simpleLogger.defaultLogLevel=warn -Dorg.slf4j.simpleLogger.showDateTime=true
    '-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd HH:mm:ss.SSS'
    -cp "$(kafka_libs)/*" kafka.Kafka "$RUN_DIR/kafka.conf")
}

# The broker answers a metadata request and names itself.
kafka_ready() {
  port_busy "$(port_of kafka)" && kcat -b "127.0.0.1:$(port_of kafka)" -L -m 2 2>/dev/null | grep -q 'broker 1 at'
}
