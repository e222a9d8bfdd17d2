# shellcheck shell=bash
# Finds a Python that can run Watchhouse, also where `python3` is older. Sourced, never run.
#
# In: $WATCHHOUSE_PYTHON, $PATH, $PYENV_ROOT, $HOME. Out: find_python prints one path.
# Must never: change anything, or take a Python without asking it what it is.

say() { printf '%s\n' "$*" >&2; }
fail() {
    say "$(basename -- "$0"): $*"
    exit 1
}

# The versions that the tests are run with come first; newer ones are worth a try after that.
python_versions="3.13 3.12 3.14 3.15"

# python_answers CANDIDATE: prints "VERSION PATH" if it is new enough and can make an environment.
# Must be readable by any Python, hence no f-string. The path is that of the installation itself, so that an
# activated environment or a pyenv shim does not become a part of ours.
python_answers() {
    "$1" -c '
import sys
if sys.version_info < (3, 12):
    sys.exit(1)
import ensurepip, os, ssl, sqlite3, venv, zlib
path = os.path.realpath(getattr(sys, "_base_executable", sys.executable))
print("%d.%d.%d %s" % (sys.version_info[:3] + (path,)))
' 2>/dev/null </dev/null
}

# python_candidates: prints where a Python may be, best first, one a line; they need not exist.
python_candidates() {
    local version folder
    local -a folders=()
    for folder in "${PYENV_ROOT:-}" "${HOME:-/nonexistent}/.pyenv" /opt/pyenv; do
        [ -z "$folder" ] || folders+=("$folder/versions")
    done
    for version in $python_versions; do
        command -v "python$version" || true
        # the newest patch release first
        for folder in "${folders[@]}"; do
            printf '%s\n' "$folder/$version".*/bin/python | sort -rV
        done
        printf '%s\n' "/usr/local/bin/python$version" "/usr/bin/python$version" \
            /opt/*/bin/"python$version" "${HOME:-/nonexistent}"/.local/share/uv/python/cpython-"$version"*/bin/python3
    done
    command -v python3 || true
    command -v python || true
}

# find_python: prints the path of the Python to use; else says on stderr what to do, and returns 1.
find_python() {
    local candidate answer
    if [ -n "${WATCHHOUSE_PYTHON:-}" ]; then
        if answer=$(python_answers "$WATCHHOUSE_PYTHON"); then
            printf '%s\n' "${answer#* }"
            return 0
        fi
        say "WATCHHOUSE_PYTHON=$WATCHHOUSE_PYTHON is not a Python 3.12 or newer with the modules ensurepip, ssl,"
        say "sqlite3 and zlib. Set it to one that is, or unset it to have one looked for."
        return 1
    fi
    while IFS= read -r candidate; do
        [ -x "$candidate" ] || continue
        if answer=$(python_answers "$candidate"); then
            printf '%s\n' "${answer#* }"
            return 0
        fi
    done < <(python_candidates)
    say "Watchhouse needs Python 3.12 or newer, with the modules ensurepip, ssl, sqlite3 and zlib; none was found"
    say "on the path, under pyenv, in /usr/local or in /opt. One of these helps:"
    say "  Debian 13, Ubuntu 24.04 and newer:  apt-get install python3 python3-venv"
    say "  older systems, with pyenv:          pyenv install 3.13"
    say "  one that is kept elsewhere:         WATCHHOUSE_PYTHON=/path/to/python3.13 scripts/run"
    return 1
}
