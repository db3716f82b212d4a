# Sourced by the other scripts: a virtual environment in .venv, with the extras they need.
#
#   ensure_env EXTRA...   make .venv if need be, and install the project with these extras
#   ensure_env_of WHICH EXTRA...
#                         the same with the "newest" or the "lowest" versions that pyproject.toml
#                         allows, in .venv-newest or .venv-lowest; sets venv_python to it
#   ensure_node_modules FOLDER WHAT
#                         what its package.json names, in its node_modules; returns 3 where it cannot
#                         be had
#   venv_python           path of the environment's interpreter
#
# What is installed is stamped with a hash of pyproject.toml, one stamp per extra, so that pip runs
# only when something changed. PYTHON names the interpreter to build the environment with.

cd "$(dirname "${BASH_SOURCE[0]}")/.."
# What is started again and again is compiled once.
unset PYTHONDONTWRITEBYTECODE
venv_dir=.venv
venv_python=$venv_dir/bin/python

say() { printf '%s\n' "$*" >&2; }
die() {
    say "error: $1"
    shift
    for line in "$@"; do say "       $line"; done
    exit 1
}

# What an environment was installed from: the project's metadata and where the project lies.
# cksum and pwd are POSIX, so this needs no Python.
env_stamp() {
    { cat pyproject.toml; pwd -P; } | cksum
}

base_python() {
    local python=${PYTHON:-python3}
    command -v "$python" >/dev/null 2>&1 || die "no '$python' found" \
        "fastrtc-core needs Python 3.11 or newer. On Debian or Ubuntu: apt-get install python3" \
        "Another interpreter can be named: PYTHON=/path/to/python3.12 $0"
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || die \
        "$("$python" -V) is too old: fastrtc-core needs Python 3.11 or newer" \
        "Another interpreter can be named: PYTHON=/path/to/python3.12 $0"
    printf '%s' "$python"
}

make_venv() {
    local python
    python=$(base_python) || exit 1
    say "Making $venv_dir with $("$python" -V)"
    if "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        "$python" -m venv --clear "$venv_dir" || die "$python could not make $venv_dir"
        return
    fi
    # Debian keeps ensurepip in a package of its own; the system's pip can do its work.
    if "$python" -c 'import pip, venv' 2>/dev/null &&
        "$python" -m venv --clear --without-pip "$venv_dir" &&
        "$python" -m pip --quiet --python "$venv_python" install pip; then
        return
    fi
    rm -rf "$venv_dir"
    local package
    package=$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
    die "this Python can make no virtual environment: it lacks 'ensurepip'" \
        "On Debian or Ubuntu: apt-get install $package (or python3-venv), then run $0 again."
}

# uv does in seconds what takes pip a minute, says what it downloads and how large that is, and takes
# the index that pip is told of. Where it cannot be had, or fails, pip does it.
install_project() {
    local index=${UV_DEFAULT_INDEX:-${PIP_INDEX_URL:-}}
    [[ $index ]] || index=$("$venv_python" -m pip config get global.index-url 2>/dev/null) || true
    if "$venv_python" -m pip install --quiet --disable-pip-version-check uv 2>/dev/null &&
        env ${index:+UV_DEFAULT_INDEX="$index"} \
            "$venv_dir/bin/uv" pip install --python "$venv_python" --editable ".[$1]" \
            2> >(grep --line-buffered -v '^ [-+] ' >&2); then
        return
    fi
    say "Without uv, this takes longer"
    "$venv_python" -m pip install --progress-bar off --disable-pip-version-check \
        --editable ".[$1]" | "$venv_python" scripts/_progress.py ||
        die "pip could not install fastrtc-core[$1]; its own message stands above"
}

ensure_env() {
    local stamp extra missing=()
    stamp=$(env_stamp)
    for extra in "$@"; do
        [[ "$(cat "$venv_dir/.stamp-$extra" 2>/dev/null)" == "$stamp" ]] || missing+=("$extra")
    done
    if [[ -x $venv_python && ${#missing[@]} -eq 0 ]]; then return; fi

    if ! "$venv_python" -m pip --version >/dev/null 2>&1; then
        make_venv
        missing=("$@")
    fi
    local extras
    extras=$(IFS=, && printf '%s' "${missing[*]}")
    say "Installing fastrtc-core[$extras] into $venv_dir; this takes a minute the first time"
    install_project "$extras"
    for extra in "${missing[@]}"; do printf '%s\n' "$stamp" >"$venv_dir/.stamp-$extra"; done
}

# --- The newest and the lowest versions ----------------------------------------------------------

# Prints the path of an interpreter that runs: PYTHON if it is set, pythonX.Y of PATH, or one of
# pyenv's, whose commands do not run as long as pyenv is set to another version.
find_python() {
    local candidate version=$1 candidates
    candidates=("python$version" "${PYENV_ROOT:-$HOME/.pyenv}/versions/$version".*/bin/python)
    [[ -z ${PYTHON:-} ]] || candidates=("$PYTHON")
    for candidate in "${candidates[@]}"; do
        if "$candidate" -c '' 2>/dev/null; then
            printf '%s' "$candidate"
            return
        fi
    done
    die "no ${PYTHON:-Python $version} that runs was found" \
        "Install Python $version, or name an interpreter: PYTHON=/path/to/python$version $0"
}

# pip can only resolve to the highest versions; uv does both, and both then come from one resolver.
ensure_uv() {
    [[ -x .venv/bin/uv ]] && return
    [[ -x .venv/bin/python ]] || (venv_dir=.venv venv_python=.venv/bin/python && make_venv)
    .venv/bin/python -m pip install --quiet uv ||
        die "pip could not install uv; its own message stands above"
}

ensure_env_of() {
    local which=$1 version resolution stamp extras python
    shift
    extras=$(IFS=, && printf '%s' "$*")
    case $which in
        newest) version=3.13 resolution=highest ;;
        lowest) version=3.11 resolution=lowest-direct ;;
    esac
    venv_dir=.venv-$which venv_python=.venv-$which/bin/python
    # What is newest changes from day to day.
    stamp="$(env_stamp) $extras ${PYTHON:-} $([[ $which == lowest ]] || date +%F)"
    [[ -x $venv_python && "$(cat "$venv_dir/.stamp" 2>/dev/null)" == "$stamp" ]] && return

    python=$(find_python "$version") || exit 1
    ensure_uv
    say "Making $venv_dir with $("$python" -V) and the $which versions of fastrtc-core[$extras]"
    .venv/bin/uv venv --quiet --clear --python "$python" "$venv_dir" ||
        die "uv could not make $venv_dir"
    .venv/bin/uv pip install --quiet --python "$venv_python" --resolution "$resolution" \
        --editable ".[$extras]" ||
        die "uv could not install fastrtc-core[$extras]; its own message stands above"
    printf '%s\n' "$stamp" >"$venv_dir/.stamp"
}

# --- Packages of npm -----------------------------------------------------------------------------

# Installs what the package.json of a folder names, once for each of its versions. Returns 3, and says
# why, where there is no npm, Node is too old, or npm reaches nothing.
ensure_node_modules() {
    local folder=$1 what=$2 stamp
    if ! command -v npm >/dev/null || ! command -v node >/dev/null; then
        say "skipped: there is no npm here"
        return 3
    fi
    if ! node -e 'const [a, b] = process.versions.node.split("."); process.exit(a * 100 + +b < 1820 ? 1 : 0)'; then
        say "skipped: Node $(node --version) is too old, 18.20 is needed"
        return 3
    fi
    stamp=$({ cat "$folder/package.json"; node --version; } | cksum)
    [[ "$(cat "$folder/node_modules/.stamp" 2>/dev/null)" != "$stamp" ]] || return 0
    say "Installing $what into $folder/node_modules"
    (cd "$folder" && npm install --no-package-lock --no-audit --no-fund --silent) || {
        say "skipped: npm could not install what $folder/package.json names"
        return 3
    }
    printf '%s\n' "$stamp" >"$folder/node_modules/.stamp"
}
