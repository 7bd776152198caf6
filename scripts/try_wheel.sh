#!/usr/bin/env bash
# Installs the wheel as a stranger would, by plain pip into a fresh environment, and runs it far from
# this checkout; then the unit tests with the locked packages under the same Python. That Python is
# another than the one of .venv where the machine has one.
#
#   PYTHON=python3.13  which Python to use
#   --demo             run the whole demo, not a small year of it
set -euo pipefail
cd "$(dirname "$0")/.."
here=$PWD
source scripts/pip_settings.sh

say() { printf 'wheel: %s\n' "$*"; }
version_of() { "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2> /dev/null; }

# The newest of 3.13 to 3.10 that is not that of .venv, on the PATH or among pyenv's.
other_python() {
    local mine wanted candidate
    mine=$(version_of .venv/bin/python)
    for wanted in 3.13 3.12 3.11 3.10; do
        [[ $wanted != "$mine" ]] || continue
        for candidate in "python$wanted" "${PYENV_ROOT:-${HOME:-}/.pyenv}/versions/$wanted".*/bin/python; do
            if [[ $(version_of "$candidate") == "$wanted" ]]; then
                echo "$candidate"
                return
            fi
        done
    done
    say "no second Python is here: this is that of .venv again" >&2
    echo .venv/bin/python
}

python=${PYTHON:-$(other_python)}
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
say "building it, and installing it by pip under $("$python" -V)"
.tools/bin/python -m pip wheel --quiet --no-deps --wheel-dir "$place" .
"$python" -m venv "$place/venv"
"$place/venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-compile \
    "$(echo "$place"/sparkperso-*.whl)[spark,collect,serve]"

(
    export -n PYTHONPATH
    mkdir "$place/shop" && cd "$place/shop"
    sparkperso=$place/venv/bin/sparkperso
    "$sparkperso" doctor
    "$place/venv/bin/python" -m sparkperso --version
    "$sparkperso" jars --submit run
    if [[ ${1:-} == --demo ]]; then
        "$sparkperso" demo
    else
        say "a small year of the demo's shop"
        "$place/venv/bin/python" - <<'END'
import pyarrow.parquet as pq
from sparkperso.core.package import DATA
pq.write_table(pq.read_table(DATA / "online_retail_2009_2010.parquet").slice(0, 60_000), "year.parquet")
END
        "$sparkperso" run --source online_retail --path year.parquet \
            --set 'recommend.search.space=[{model: popularity}, {model: ease}]' \
            --set 'segments.segmentations=[audiences]' || [[ $? == 3 ]]
    fi
    "$sparkperso" tables show gold/recommendations --limit 3
    "$place/venv/bin/python" -c '
import sparkperso
lake = sparkperso.open_lake("lake")
user = lake.table("gold/recommendations")["user_id"][0].as_py()
assert len(lake.recommend(user, 5)) == 5, user
print("lists of", user, "without Spark:", [item.item_id for item in lake.recommend(user, 5)])'
)

say "the unit tests with the locked packages under $("$python" -V)"
borrow_pip_settings
export UV_PYTHON_DOWNLOADS=never VIRTUAL_ENV=$place/locked
.tools/bin/uv venv --quiet --python "$python" "$place/locked"
.tools/bin/uv pip sync --quiet --require-hashes --build-constraints requirements-build.lock requirements.lock
.tools/bin/uv pip install --quiet --no-deps --no-build-isolation -e .
"$place/locked/bin/python" -m pytest tests/unit -q -n 2 -p no:cacheprovider --durations=3
say "done in $SECONDS s"
