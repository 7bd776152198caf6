#!/usr/bin/env bash
# Sets the project up: uv in .tools, hash-locked packages in .venv, Java, Spark's jars.
# Each step looks first whether it is done, so that a second run takes under a second.
#
#   PYTHON=python3.12  which Python to use (default: the first fit one of the list below)
#   APT=no             never install Java; say what to install instead
set -euo pipefail
cd "$(dirname "$0")/.."
here=$PWD
source scripts/pip_settings.sh

say() { printf 'setup: %s\n' "$*"; }
stop() {
    printf 'setup: %s\n' "$*" >&2
    exit 1
}

is_fit() { "$1" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; }

choose_python() {
    local candidate
    if [[ -n ${PYTHON:-} ]]; then
        is_fit "$PYTHON" || stop "sparkperso needs Python 3.10 to 3.13. PYTHON is '$PYTHON', which" \
            "is $("$PYTHON" -V 2>/dev/null || echo 'not a Python that runs here')." \
            "Name another one: make setup PYTHON=python3.11."
        echo "$PYTHON"
        return
    fi
    for candidate in python3.11 python3 python3.12 python3.13 python3.10; do
        if is_fit "$candidate"; then
            echo "$candidate"
            return
        fi
    done
    stop "sparkperso needs Python 3.10 to 3.13. Found $(python3 -V 2>/dev/null || echo 'no python3')" \
        "on the PATH. Install one (on Debian: apt-get install python3 python3-venv), or name one:" \
        "make setup PYTHON=/path/to/python3.11."
}

# What the environment depends on; a stamp with another sum is out of date.
sum_of() { { "$python" -VV; echo "$here"; cat "$@"; } | sha256sum | cut -d' ' -f1; }
is_stamped() { [[ -x $1/bin/python && -f $1/.stamp && $(<"$1/.stamp") == "$2" ]]; }

install_tools() {
    local sum
    sum=$(sum_of requirements-tools.lock)
    is_stamped .tools "$sum" && return
    say "installing uv into .tools"
    rm -rf .tools
    "$python" -m venv .tools || stop "Python's venv module should make .tools. It failed, see above." \
        "On Debian, install it: apt-get install python3-venv."
    .tools/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes \
        -r requirements-tools.lock
    echo "$sum" > .tools/.stamp
}

install_packages() {
    local sum uv=.tools/bin/uv
    sum=$(sum_of requirements.lock requirements-build.lock pyproject.toml)
    is_stamped .venv "$sum" && return
    say "installing the locked packages into .venv (a few minutes the first time)"
    export UV_PYTHON_DOWNLOADS=never VIRTUAL_ENV=$here/.venv
    .venv/bin/python -V > /dev/null 2>&1 || rm -rf .venv
    borrow_pip_settings
    "$uv" venv --quiet --allow-existing --python "$python" .venv
    "$uv" pip sync --quiet --require-hashes --build-constraints requirements-build.lock \
        requirements.lock
    "$uv" pip install --quiet --no-deps --no-build-isolation -e .
    echo "$sum" > .venv/.stamp
}

as_root() { if [[ $(id -u) == 0 ]]; then "$@"; else sudo -n "$@"; fi; }
may_install() {
    [[ ${APT:-yes} != no ]] && command -v apt-get > /dev/null && as_root true 2> /dev/null
}

install_java() {
    .venv/bin/python -m sparkperso.platform.java > /dev/null 2>&1 && return
    if may_install; then
        say "installing Java with apt"
        local package log
        log=$(mktemp)
        export DEBIAN_FRONTEND=noninteractive
        as_root mkdir -p /usr/share/man/man1 # slim images lack it, and the package needs it
        as_root apt-get update -qq > "$log" 2>&1 || true
        for package in openjdk-17-jre-headless openjdk-21-jre-headless; do
            as_root apt-get install -y -qq --no-install-recommends "$package" >> "$log" 2>&1 && break
        done
        .venv/bin/python -m sparkperso.platform.java > /dev/null 2>&1 || tail -n 5 "$log" >&2
        rm -f "$log"
    fi
    .venv/bin/python -m sparkperso.platform.java > /dev/null || exit 1
}

python=$(choose_python)
install_tools
install_packages
install_java
.venv/bin/python -m sparkperso.platform.jars
.venv/bin/python -m sparkperso.platform.class_archive
scripts/build_web.sh --where-possible
