# shellcheck shell=bash
# Installs the system packages that the tests need. Sourced, never run.
#
# In: a list of lines "package command-or-file reason". Out: the packages are there, or it is said which tests miss them.
# Must never: touch a system without apt, ask a question, or go on after a failed installation.

# shows SIGN: whether the command or file is there.
shows() {
    case $1 in
        /*) [ -e "$1" ] ;;
        *) command -v "$1" >/dev/null ;;
    esac
}

# apt_install PACKAGE...: installs without questions; fetches the lists of packages only if it must.
apt_install() {
    local code=0
    export DEBIAN_FRONTEND=noninteractive
    # What is installed is started by the tests, in folders of their own; the machine is not to run it as well. Where
    # somebody has a rule of their own for that, it stands.
    local policy=${WATCHHOUSE_POLICY_RC:-/usr/sbin/policy-rc.d}
    if [ ! -e "$policy" ]; then
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod 755 "$policy"
        # shellcheck disable=SC2064  # that name, as it is now
        trap "rm -f -- '$policy'" EXIT
    else
        policy=
    fi
    apt_tries "$@" || code=$?
    [ -z "$policy" ] || rm -f -- "$policy"
    trap - EXIT
    return "$code"
}

# apt_tries PACKAGE...
apt_tries() {
    local try
    local -a apt=(apt-get --quiet=2 --option DPkg::Lock::Timeout=300 --option Acquire::Retries=3 --option Dpkg::Use-Pty=0)
    for try in 1 2 3; do
        if "${apt[@]}" install --yes --no-install-recommends "$@" </dev/null >&2; then
            return
        fi
        say "That did not work (try $try of 3); fetching the lists of packages anew."
        "${apt[@]}" update </dev/null >&2 || sleep 5
    done
    "${apt[@]}" install --yes --no-install-recommends "$@" </dev/null >&2
}

# test_packages LISTFILE
test_packages() {
    local package sign reason
    local -a missing=() told=()
    while read -r package sign reason; do
        case $package in '' | '#'*) continue ;; esac
        shows "$sign" || {
            missing+=("$package")
            told+=("  $package: $reason")
        }
    done <"$1"
    if [ "$(id -u)" != 0 ]; then
        say "Not root: the tests marked \`root\` are skipped (they make network namespaces and mounts)."
    fi
    [ "${#missing[@]}" -gt 0 ] || return 0
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null && [ "${WATCHHOUSE_TEST_PACKAGES:-yes}" != no ]; then
        say "Installing for the tests:" "${missing[@]}"
        apt_install "${missing[@]}" || fail "could not install: ${missing[*]} (above). No test was run."
        return
    fi
    say "Missing here, so that the tests that use them are skipped:"
    printf '%s\n' "${told[@]}" >&2
    say "As root: apt-get install ${missing[*]}"
}
