# shellcheck shell=bash
# Makes .venv from a lock file, once, whoever asks and however many ask at the same time. Sourced, never run.
#
# In: $root (the checkout), a lock file. Out: .venv that holds just what the lock names, with `watchhouse` on it.
# Must never: let a half-made .venv be used, or take one away from under a gateway that runs on it.
#
# .venv/run.stamp and .venv/test.stamp are written last, so that one without its stamp was not finished. A stamp
# holds the lock's digest and the checkout's path (an environment cannot be moved), and which Python made it.
#
# Two locks in .cache: setup.lock is held by whoever changes .venv (descriptor 8); in-use.lock is held, shared, by
# whoever runs on it (descriptor 9: it stays open through `exec`, so the gateway itself holds it until it ends).
# $WATCHHOUSE_WAIT: seconds to wait for it to end before a set-up that would replace its packages is refused (10).

: "${root:?is set by the script that sources this}"
# shellcheck source=scripts/lib/python.sh
. "$root/scripts/lib/python.sh"

# shellcheck source=scripts/lib/kerberos.sh
. "$root/scripts/lib/kerberos.sh"

venv=$root/.venv

# stamp_of LOCKFILE: prints what the first two lines of a valid stamp must be.
stamp_of() {
    local digest
    digest=$(sha256sum <"$1")
    printf 'lock %s\nat %s\n' "${digest%% *}" "$root"
}

# ready KIND LOCKFILE: whether .venv/KIND.stamp says that .venv was finished from this very lock.
ready() {
    local stamp=$venv/$1.stamp lock_line at_line python_line answer
    # `-x` follows the link: a Python that was since uninstalled shows here
    [ -f "$stamp" ] && [ -x "$venv/bin/python" ] || return 1
    { read -r lock_line && IFS= read -r at_line && IFS= read -r python_line; } <"$stamp" || return 1
    [ "$lock_line"$'\n'"$at_line" = "$(stamp_of "$2")" ] || return 1
    [ -n "${WATCHHOUSE_PYTHON:-}" ] || return 0
    # another Python was asked for by name
    answer=$(python_answers "$WATCHHOUSE_PYTHON") && [ "$python_line" = "python $answer" ]
}

# write_stamp KIND LOCKFILE: the last act of a set-up.
write_stamp() {
    { stamp_of "$2" && printf 'python %s\n' "$environment_python"; } >"$venv/$1.stamp.new"
    mv -- "$venv/$1.stamp.new" "$venv/$1.stamp"
}

# pip_install LOCKFILE OPTION...: from the lock alone, whatever index and options this machine gives pip.
pip_install() {
    local lock=$1
    shift
    (
        unset PYTHONHOME PYTHONPATH PIP_USER PIP_TARGET PIP_PREFIX PIP_ROOT PIP_NO_DEPS PIP_CONSTRAINT PIP_REQUIREMENT
        "$venv/bin/python" -m pip install -qq --disable-pip-version-check --no-input --progress-bar off \
            --require-hashes "$@" --requirement "$lock"
    ) </dev/null || fail "could not install the packages (above). Nothing was started; the next start tries again." \
        "pip must reach a package index: see pip's index-url, proxy and cert settings."
}

# make_environment: an empty .venv that sees this checkout's package and has its command.
make_environment() {
    local python site
    python=$(find_python) || exit 1
    rm -rf -- "$venv"
    say "Making .venv with $python."
    (unset PYTHONHOME PYTHONPATH && "$python" -m venv "$venv") </dev/null
    # One line each, rather than a build of this project: no build tool gets into a gateway's environment, and a
    # changed source file counts at once.
    site=$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
    printf '%s\n' "$root" >"$site/watchhouse.pth"
    # sh first, because a path with a space or of more than 127 bytes cannot stand after #!
    cat >"$venv/bin/watchhouse" <<SCRIPT
#!/bin/sh
'''exec' "$venv/bin/python" "\$0" "\$@"
' '''
import sys

from proxy_addons.cli import main

sys.exit(main())
SCRIPT
    chmod 755 "$venv/bin/watchhouse"
}

# set_up KIND KERBEROS: brings .venv in line with the locks, but for Kerberos. The caller holds setup.lock.
set_up() {
    local run_lock=$root/requirements.lock test_lock=$root/requirements-dev.lock
    # Everything goes, where an older lock had put something there; test packages are added to what `run` made.
    if ! ready run "$run_lock" || { [ "$1" = test ] && [ -e "$venv/test.stamp" ]; } || kerberos_outdated "$2"; then
        flock --exclusive --wait "${WATCHHOUSE_WAIT:-10}" 9 ||
            fail "the lock file or the Python changed, but something started from this checkout still runs on" \
                "the old ones (a gateway, or tests). Stop it, then run this again."
        make_environment
    fi
    environment_python=$(python_answers "$venv/bin/python") || fail "$venv/bin/python does not answer; remove .venv."
    say "Installing the packages of requirements$([ "$1" = run ] || printf -- -dev).lock."
    if [ "$1" = run ]; then
        # wheels only: to install a gateway runs no package's code
        pip_install "$run_lock" --only-binary :all:
    else
        # holds all of requirements.lock too, at the same versions
        pip_install "$test_lock"
        write_stamp test "$test_lock"
    fi
    write_stamp run "$run_lock"
    flock --unlock 9
}

# environment KIND [kerberos]: returns when .venv is ready for `run` or `test` and cannot be remade until this process
# ends. With `kerberos` it has gssapi besides, or it was said why not; tests fail where it could not be built.
environment() {
    local lock=$root/requirements.lock kerberos=${2:-}
    [ "$1" = run ] || lock=$root/requirements-dev.lock
    [ "${WATCHHOUSE_KERBEROS:-yes}" != no ] || kerberos=
    command -v flock >/dev/null || fail "needs flock (Debian: apt-get install util-linux)."
    mkdir -p -- "$root/.cache"
    exec 8>>"$root/.cache/setup.lock" 9>>"$root/.cache/in-use.lock"
    while true; do
        flock --shared --nonblock 9 || {
            say "Another set-up of this checkout is at work; waiting for it."
            flock --shared 9
        }
        if ready "$1" "$lock" && ! kerberos_wanting "$kerberos"; then
            exec 8>&-
            return
        fi
        # Let go before waiting: whoever sets up now may need it for itself.
        flock --unlock 9
        flock --exclusive --nonblock 8 || {
            say "Another set-up of this checkout is at work; waiting for it."
            flock --exclusive 8
        }
        if ! ready "$1" "$lock" || kerberos_outdated "$kerberos"; then
            set_up "$1" "$kerberos"
            ready "$1" "$lock" || fail "$venv was set up, but its stamp does not fit: a fault of scripts/lib."
        fi
        if kerberos_wanting "$kerberos"; then
            add_kerberos || [ "$1" = run ] || fail "no test was run. WATCHHOUSE_KERBEROS=no leaves Kerberos out."
            kerberos_tried=yes
        fi
        flock --unlock 8
    done
}
