# shellcheck shell=bash
# Builds gssapi (sign-in with Kerberos), of which there is no wheel for Linux, and puts it into .venv. Sourced, never run.
#
# In: $root, requirements-kerberos.lock, scripts/lib/kerberos-build.lock. Out: gssapi in .venv; wheels in .cache/kerberos.
# Must never: be needed by a gateway without Kerberos, or put the compiler's tools into a gateway's environment.
#
# Read by scripts/lib/environment.sh, whose $venv, ready and write_stamp it uses.
#
# .cache/kerberos may be copied to a machine of the same kind that has no compiler. WATCHHOUSE_KERBEROS=no: not wanted.

: "${root:?is set by the script that sources this}"
kerberos_lock=$root/requirements-kerberos.lock
kerberos_wheels=$root/.cache/kerberos

kerberos_tried=

# kerberos_wanting WANTED: whether it is wanted, not there, and was not tried in vain.
kerberos_wanting() {
    [ -n "$1" ] && [ -z "$kerberos_tried" ] && ! ready kerberos "$kerberos_lock"
}

# shellcheck disable=SC2154  # venv, see above
# kerberos_outdated WANTED: whether .venv has a gssapi of another lock. Somebody may run on it.
kerberos_outdated() {
    [ -n "$1" ] && [ -e "$venv/kerberos.stamp" ] && ! ready kerberos "$kerberos_lock"
}

# kerberos_stamp: what .cache/kerberos/stamp must hold: from which locks, and for what kind of machine.
kerberos_stamp() {
    cat -- "$kerberos_lock" "$root/scripts/lib/kerberos-build.lock" | sha256sum
    uname -sm
}

# kerberos_built: whether the wheels are there.
kerberos_built() {
    [ -f "$kerberos_wheels/stamp" ] && [ "$(cat -- "$kerberos_wheels/stamp")" = "$(kerberos_stamp)" ]
}

# kerberos_lacking PYTHON: prints what a build would lack here, or nothing.
kerberos_lacking() {
    command -v gcc >/dev/null || printf 'gcc '
    command -v krb5-config >/dev/null || printf 'libkrb5-dev '
    "$1" -c 'import os, sys, sysconfig; sys.exit(not os.path.exists(sysconfig.get_path("include") + "/Python.h"))' \
        2>/dev/null </dev/null || printf 'python3-dev '
}

# kerberos_asked_for FOLDER: whether the configuration there has a keytab. The gateway itself reads it properly.
kerberos_asked_for() {
    grep -qsE '^[^#]*\bkeytab:[[:space:]]*[^#[:space:]]' "$1/watchhouse.yaml"
}

# kerberos_pip PYTHON WORD...: pip, whatever options this machine gives it.
kerberos_pip() {
    local python=$1
    shift
    (
        unset PYTHONHOME PYTHONPATH PIP_USER PIP_TARGET PIP_PREFIX PIP_ROOT PIP_NO_DEPS PIP_CONSTRAINT PIP_REQUIREMENT
        "$python" -m pip "$@" -qq --disable-pip-version-check --no-input --progress-bar off
    ) </dev/null
}

# build_kerberos PYTHON: makes .cache/kerberos, in an environment that is thrown away. Returns 1 if it did not work.
build_kerberos() {
    local work code=0
    say "Building gssapi for sign-in with Kerberos (a minute or two, once)."
    work=$(mktemp -d "$root/.cache/kerberos-build.XXXXXX")
    # What builds it is pinned like all else: pip's own build environment would take the newest of it, unseen.
    {
        (unset PYTHONHOME PYTHONPATH && "$1" -m venv "$work/tools") </dev/null &&
            kerberos_pip "$work/tools/bin/python" install --require-hashes --only-binary :all: \
                --requirement "$root/scripts/lib/kerberos-build.lock" &&
            PATH=$work/tools/bin:$PATH kerberos_pip "$work/tools/bin/python" wheel --require-hashes \
                --no-build-isolation --wheel-dir "$work/wheels" --requirement "$kerberos_lock" &&
            kerberos_stamp >"$work/wheels/stamp" &&
            rm -rf -- "$kerberos_wheels" &&
            mv -- "$work/wheels" "$kerberos_wheels"
    } || code=1
    rm -rf -- "$work"
    return "$code"
}

# add_kerberos: puts the wheels into .venv. The caller holds setup.lock, and has made .venv ready.
add_kerberos() {
    local lacking
    if ! kerberos_built; then
        lacking=$(kerberos_lacking "$venv/bin/python")
        if [ -n "$lacking" ]; then
            say "No sign-in with Kerberos: to build gssapi, this machine lacks ${lacking% } (Debian: apt-get install ${lacking% })."
            return 0
        fi
        build_kerberos "$venv/bin/python" || {
            say "No sign-in with Kerberos: gssapi could not be built (above)."
            return 1
        }
    fi
    # No hashes here: these wheels were just made, of files whose hashes were checked.
    kerberos_pip "$venv/bin/python" install --no-index --no-deps --only-binary :all: \
        "$kerberos_wheels"/*.whl || return 1
    # shellcheck disable=SC2034  # write_stamp puts it into the stamp
    environment_python=$(python_answers "$venv/bin/python") || return 1
    write_stamp kerberos "$kerberos_lock"
}
