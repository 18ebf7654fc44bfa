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

# A browser, for the pages.
chromium() { have chromium || have chromium-browser || have google-chrome || have google-chrome-stable; }

missing=()
broker || missing+=(broker)
have promtool || missing+=(promtool)
chromium || missing+=(chromium)
[ ${#missing[@]} -eq 0 ] && exit 0

if [ "$(id -u)" != 0 ] || ! have apt-get; then
    for one in "${missing[@]}"; do
        case $one in
        broker)
            echo 'The tests need a Kafka. Install Java 17 or later and Maven (on Debian: apt-get install default-jre-headless maven),'
            echo 'or start the Docker engine, or set KAFKA_BOOTSTRAP to a broker that may be written to.'
            ;;
        promtool) echo 'The tests need promtool, which comes with Prometheus (on Debian: apt-get install prometheus).' ;;
        chromium) echo 'The tests need Chromium or Chrome (on Debian: apt-get install chromium).' ;;
        esac
    done >&2
    exit 1
fi

# Packages that bring a daemon must not start it: a test machine is no server.
install() {
    local policy=/usr/sbin/policy-rc.d
    [ -e $policy ] || { printf '#!/bin/sh\nexit 101\n' >$policy && chmod +x $policy && trap "rm -f $policy" EXIT; }
    apt-get install --yes --no-install-recommends -qq "$@" </dev/null >/dev/null
}

export DEBIAN_FRONTEND=noninteractive
echo "Installing for the tests: ${missing[*]}."
apt-get update -qq </dev/null
for one in "${missing[@]}"; do
    case $one in
    broker)
        install default-jre-headless maven
        java_17 || install openjdk-17-jre-headless
        broker || { echo 'Java 17 or later is still missing: install it, or set KAFKA_BOOTSTRAP.' >&2; exit 1; }
        ;;
    promtool)
        install prometheus
        have promtool || { echo 'promtool is still missing: install Prometheus.' >&2; exit 1; }
        ;;
    chromium)
        install chromium
        chromium || { echo 'A browser is still missing: install Chromium.' >&2; exit 1; }
        ;;
    esac
done
