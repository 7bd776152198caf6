#!/usr/bin/env bash
# Builds web/ (browser SDK, recorder, banner, demo shop) into the Python package.
# It looks first whether that is done, so that a second run takes no time.
#
#   --where-possible  without node and npm, or without their registry: say so, and be content
set -euo pipefail
cd "$(dirname "$0")/.."
built=src/sparkperso/data/web

sum() { find web -type f -not -path '*/node_modules/*' -print0 | sort -z | xargs -0 sha256sum | sha256sum; }
wanted=$(sum)
[[ ! -f $built/.stamp || $(<"$built/.stamp") != "$wanted" ]] || exit 0

build() {
    npm ci --prefix web --no-audit --no-fund --loglevel=error > /dev/null || return
    npm run --silent --prefix web build
}

if command -v node > /dev/null && command -v npm > /dev/null; then
    echo "web: building the browser SDK and the demo shop"
    build && echo "$wanted" > "$built/.stamp" && exit 0
    echo "web: npm should build web/. It failed, see above. Once mended, run: make web." >&2
else
    echo "web: the browser SDK needs node 18 or newer, and npm. Install them (on Debian:" \
        "apt-get install nodejs npm), then: make web." >&2
fi
[[ ${1:-} == --where-possible ]]
