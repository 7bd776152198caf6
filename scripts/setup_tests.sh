#!/usr/bin/env bash
# Installs what only the tests need beside `make setup`: real browsers and servers to test against.
# Each step looks first whether it is done. Where it may not install, the tests say what is missing.
#
#   APT=no  never install Debian packages
set -euo pipefail
cd "$(dirname "$0")/.."

as_root() { if [[ $(id -u) == 0 ]]; then "$@"; else sudo -n "$@"; fi; }
may_install() {
    [[ ${APT:-yes} != no ]] && command -v apt-get > /dev/null && as_root true 2> /dev/null
}

# install COMMAND PACKAGE...: installs the packages unless the command is there.
install() {
    local wanted=$1
    shift
    if command -v "$wanted" > /dev/null || ! may_install; then return 0; fi
    printf 'tests: installing %s with apt\n' "$*"
    as_root apt-get update -qq > /dev/null 2>&1 || true
    DEBIAN_FRONTEND=noninteractive as_root apt-get install -y -qq --no-install-recommends "$@" \
        > /dev/null || true
}

install_browser() {
    install chromium chromium
    install chromedriver chromium-driver
}

# The server alone: the tests start it themselves, on a port of theirs.
install_redis() { install redis-server redis-server; }

# What `make setup` could not build without node is built now.
install_web() {
    install node nodejs
    install npm npm
    scripts/build_web.sh --where-possible
}

# A broker's jars, resolved as Spark's are.
install_kafka() { .venv/bin/python -m sparkperso.testing.kafka; }

# The compiler of the Kotlin client, and Segment's client for Java.
install_kotlin() { .venv/bin/python -m sparkperso.testing.kotlin; }

# install_apart NAME: what requirements-NAME.lock holds, in an environment of its own.
install_apart() {
    local name=$1 place=.tools/$1 sum
    sum=$(sha256sum "requirements-$name.lock")
    [[ -f $place/.stamp && $(<"$place/.stamp") == "$sum" ]] && return
    printf 'tests: installing %s\n' "$place"
    source scripts/pip_settings.sh
    borrow_pip_settings
    export UV_PYTHON_DOWNLOADS=never
    .tools/bin/uv venv --quiet --allow-existing --python .venv/bin/python "$place"
    VIRTUAL_ENV=$place .tools/bin/uv pip sync --quiet --require-hashes "requirements-$name.lock"
    echo "$sum" > "$place/.stamp"
}

# Airflow's pins are not ours.
install_airflow() { install_apart airflow; }

# What ours is held against: clients of others and a real CMS, which only the tests run.
install_judges() { install_apart judges; }

install_browser
install_web
install_redis
install_kafka
install_kotlin
install_airflow
install_judges
