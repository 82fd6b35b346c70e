# Sourced by the other scripts: `use_environment EXTRA` makes .venv hold this package with that extra and puts it
# on PATH. Needs only git and a Python >= 3.11. A stamp makes the second start cost a few milliseconds.

ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
VENV="$ROOT/.venv"
CONSTRAINTS="$ROOT/scripts/constraints.txt"

use_environment() {
    local extra="$1" stamp
    export PATH="$VENV/bin:$PATH" VIRTUAL_ENV="$VENV"
    unset PYTHONHOME
    stamp="$(cksum < "$ROOT/pyproject.toml") $(cksum < "$CONSTRAINTS") $ROOT"
    if ! _is_ready "$extra" "$stamp"; then
        _locked _build "$extra" "$stamp"
    fi
}

# dev holds everything, so a dev environment also serves the others.
_is_ready() {
    local extra="$1" stamp="$2" name
    for name in dev "$extra"; do
        [[ -f "$VENV/.ready-$name" && "$(< "$VENV/.ready-$name")" == "$stamp" && -x "$VENV/bin/python" ]] && return 0
    done
    return 1
}

_locked() {
    if command -v flock > /dev/null; then
        (
            flock 9
            "$@" 9>&-
        ) 9> "$ROOT/.venv.lock"
    else
        "$@"
    fi
}

_build() {
    local extra="$1" stamp="$2" python
    _is_ready "$extra" "$stamp" && return 0   # somebody else built it while we waited for the lock
    echo "setting up .venv for $extra (once) ..." >&2
    rm -f "$VENV"/.ready-*
    if ! "$VENV/bin/python" -m pip --version > /dev/null 2>&1; then
        python="$(_find_python)"
        "$python" -m venv --clear "$VENV"
    fi
    _install "$extra" >&2
    printf '%s' "$stamp" > "$VENV/.ready-$extra"
}

_find_python() {
    local name
    for name in "${PYTHON:-python3.11}" python3.11 python3.12 python3.13 python3.14 python3 python; do
        if "$name" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' > /dev/null 2>&1; then
            echo "$name"
            return 0
        fi
    done
    echo "error: no Python >= 3.11 with venv was found; name one with PYTHON=/path/to/python" >&2
    return 1
}

_install() {
    _pip install -c "$CONSTRAINTS" uv || true
    install_into "$VENV" -e "${ROOT}[$1]"
}

# install_into FOLDER REQUIREMENT...: into that virtual environment, which needs no pip of its own, at the versions of
# the constraints. uv is fast but reads no pip configuration, so it is told to trust what the system trusts; where it
# still can't reach an index that pip can, pip does the work.
install_into() {
    local folder="$1"
    shift
    if UV_SYSTEM_CERTS="${UV_SYSTEM_CERTS:-true}" uv pip install --quiet --compile-bytecode \
        --python "$folder/bin/python" -c "$CONSTRAINTS" -b "$CONSTRAINTS" "$@"; then
        return 0
    fi
    echo "uv could not install; trying pip" >&2
    _pip --python "$folder/bin/python" install -c "$CONSTRAINTS" "$@"
}

_pip() {
    "$VENV/bin/python" -m pip --quiet --disable-pip-version-check --no-input "$@"
}

# For pytest: most of the tests on two workers or more.
SPREAD=(-n auto --maxprocesses 4 --dist worksteal)

# alone_in PLACE...: the files there with tests that need the machine to themselves. To collect only these saves seconds.
alone_in() { grep --recursive --files-with-matches --include='*.py' 'pytest\.mark\.alone' "$@"; }

# Runs scripts/FOLDER/NAME.py with the rest of the arguments, or lists the names.
run_named() {
    local folder="$1" name="${2:-}"
    if [[ -z "$name" || "$name" == -* ]]; then
        _list_named "$folder"
        return 0
    fi
    shift 2
    if [[ ! -f "$ROOT/scripts/$folder/$name.py" ]]; then
        echo "error: there is no '$name' in scripts/$folder" >&2
        _list_named "$folder" >&2
        return 2
    fi
    use_environment dev
    export PYTHONPATH="$ROOT${PYTHONPATH:+:$PYTHONPATH}"   # so that one may import scripts.benchmarks.another
    exec python "$ROOT/scripts/$folder/$name.py" "$@"
}

_list_named() {
    local path found=""
    for path in "$ROOT/scripts/$1"/[!_]*.py; do
        [[ -f "$path" ]] || continue
        found="yes"
        basename "$path" .py
    done
    [[ -n "$found" ]] || echo "scripts/$1 holds none yet"
}
