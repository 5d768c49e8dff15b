# shellcheck shell=bash
# Redis, from the system's package.

redis_title() { echo Redis; }
redis_ports() { echo redis; }
redis_seconds() { echo 60; }
redis_mark() { echo " $RUN_DIR/redis.conf"; }

redis_config() { render "$INFRA_DIR/redis/redis.conf" @PORT@ "$(port_of redis)" @DATA@ "\"$DATA_DIR/redis\""; }
redis_prepare() { mkdir -p "$DATA_DIR/redis"; }
redis_command() { COMMAND=(redis-server "$RUN_DIR/redis.conf"); }

# Anything but PONG, "loading the dataset" for one, is not ready.
redis_ready() { [ "$(redis-cli -h 127.0.0.1 -p "$(port_of redis)" ping 2>/dev/null)" = PONG ]; }
