# For scripts that let uv install packages.
# shellcheck shell=bash

# uv does not read pip's settings: a mirror or certificate that pip was given holds for uv too.
pip_setting() { .tools/bin/python -m pip config get "global.$1" 2> /dev/null || true; }
borrow_pip_settings() {
    local index=${UV_DEFAULT_INDEX:-${UV_INDEX_URL:-${PIP_INDEX_URL:-$(pip_setting index-url)}}}
    local certificate=${SSL_CERT_FILE:-${PIP_CERT:-$(pip_setting cert)}}
    [[ -z $index ]] || export UV_DEFAULT_INDEX=$index
    [[ -z $certificate ]] || export SSL_CERT_FILE=$certificate
    # uv's own list of authorities lacks those that an administrator added to the system's.
    [[ ! -s /etc/ssl/certs/ca-certificates.crt ]] || export UV_SYSTEM_CERTS=true
}
