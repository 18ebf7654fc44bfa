#!/usr/bin/env bash
# What the tests need beside Python. On Debian as root the missing is installed; elsewhere the script stops and names it.
set -euo pipefail

have() { command -v "$1" >/dev/null 2>&1; }

java_17() {
    local java version
    java=${JAVA_HOME:+$JAVA_HOME/bin/}java
    version=$("$java" -version 2>&1 | sed -n 's/.* version "\([0-9]*\).*/\1/p') || return 1
    [ "${version:-0}" -ge 17 ]
}

# A Kafka and a schema registry: given, or by Docker, or by Java and Maven.
broker() { [ -n "${KAFKA_BOOTSTRAP:-}" ] || { java_17 && have mvn; } || { have docker && docker info >/dev/null 2>&1; }; }

broker && exit 0

if [ "$(id -u)" != 0 ] || ! have apt-get; then
    echo 'The tests need a Kafka. Install Java 17 or later and Maven (on Debian: apt-get install default-jre-headless maven),' >&2
    echo 'or start the Docker engine, or set KAFKA_BOOTSTRAP to a broker that may be written to.' >&2
    exit 1
fi

install() { apt-get install --yes --no-install-recommends -qq "$@" </dev/null >/dev/null; }

export DEBIAN_FRONTEND=noninteractive
echo 'Installing Java and Maven for the tests.'
apt-get update -qq </dev/null
install default-jre-headless maven
java_17 || install openjdk-17-jre-headless
broker || { echo 'Java 17 or later is still missing: install it, or set KAFKA_BOOTSTRAP.' >&2; exit 1; }
