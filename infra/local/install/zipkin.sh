# shellcheck shell=bash
# Zipkin, one jar from Maven Central.

zipkin_sha256=7ac633a6832647e71e50012a5e3e91fbc7054414955261724526030faf271d8d

install_zipkin() {
  local jar partial=$CACHE_DIR/partial.zipkin
  jar=$(zipkin_jar)
  if [ -e "$jar" ]; then return 0; fi
  long_step "downloading Zipkin $zipkin_version from Maven Central (125 MB)" "$CACHE_DIR/logs/zipkin.log" fetch_zipkin "$partial" ||
    die "Zipkin could not be downloaded" "is the network there? the log: $CACHE_DIR/logs/zipkin.log"
  mv "$partial" "$(dirname "$jar")"
  rm -rf "$CACHE_DIR/maven"
}

fetch_zipkin() {
  maven org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy "-DoutputDirectory=$1" \
    "-Dartifact=io.zipkin:zipkin-server:$zipkin_version:jar:exec" &&
    mv "$1/zipkin-server-$zipkin_version-exec.jar" "$1/zipkin.jar" &&
    echo "$zipkin_sha256  $1/zipkin.jar" | sha256sum --check --quiet
}
