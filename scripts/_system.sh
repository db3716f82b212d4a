# Sourced by scripts/setup and scripts/test: what the tests need of the system, by the names of Debian's packages.
#
#   ensure_packages SET...   install what is missing of these sets, as root with apt-get; else say what to run
#   find_chromium [--whole]  the browser to test with
#
# The sets: basic (a browser, speech, the network of the tests with two hosts), servers (Redis, nginx, coturn),
# firefox (with the sound server without which it plays and records nothing), sources (PortAudio), and gstreamer
# (with what it takes to build its Python bindings).
#
# Needs say and die of _env.sh.

# The suite takes the shell of Chromium, which has no window to draw and costs half as much; the long
# tests take the whole browser, as people have it.
find_chromium() {
    local name names=(chromium chromium-browser google-chrome google-chrome-stable)
    [[ ${1:-} == --whole ]] || names=(chromium-headless-shell "${names[@]}")
    for name in "${names[@]}"; do
        command -v "$name" && return
    done
    return 1
}

# A package and what is there once it is installed: a program, or files by a pattern.
_packages() {
    case $1 in
        basic)
            cat <<'TXT'
chromium chromium
chromium-headless-shell chromium-headless-shell
espeak-ng espeak-ng
pocketsphinx-testdata /usr/share/pocketsphinx/test/data
iproute2 ip
TXT
            ;;
        servers)
            cat <<'TXT'
redis-server redis-server
nginx-light nginx
coturn turnserver
TXT
            ;;
        firefox)
            cat <<'TXT'
firefox-esr firefox-esr
pulseaudio pulseaudio
pulseaudio-utils paplay
TXT
            ;;
        sources) echo "libportaudio2 /usr/lib/*/libportaudio.so.2" ;;
        gstreamer)
            cat <<'TXT'
gir1.2-gstreamer-1.0 /usr/lib/*/girepository-1.0/Gst-1.0.typelib
gstreamer1.0-plugins-base /usr/lib/*/gstreamer-1.0/libgstaudioconvert.so
gstreamer1.0-plugins-good /usr/lib/*/gstreamer-1.0/libgstrtp.so
gir1.2-gst-plugins-bad-1.0 /usr/lib/*/girepository-1.0/GstWebRTC-1.0.typelib
gstreamer1.0-plugins-bad /usr/lib/*/gstreamer-1.0/libgstwebrtc.so
gstreamer1.0-nice /usr/lib/*/gstreamer-1.0/libgstnice.so
libgirepository1.0-dev /usr/lib/*/pkgconfig/gobject-introspection-1.0.pc
libcairo2-dev /usr/lib/*/pkgconfig/cairo.pc
pkg-config pkg-config
gcc gcc
TXT
            _has_python_headers || echo "python3-dev /usr/include/python3*/Python.h"
            ;;
    esac
}

_has_python_headers() {
    "${PYTHON:-python3}" -c 'import pathlib, sysconfig, sys
sys.exit(not pathlib.Path(sysconfig.get_path("include"), "Python.h").exists())' 2>/dev/null
}

# Browsers by other names will do as well.
_is_there() {
    case $1 in
        chromium) find_chromium --whole >/dev/null ;;
        firefox-esr) command -v firefox-esr >/dev/null || command -v firefox >/dev/null ;;
        /*) compgen -G "$1" >/dev/null ;;
        *) command -v "$1" >/dev/null || [[ -x /usr/sbin/$1 ]] ;;
    esac
}

missing_packages() {
    local set package sign
    for set in "$@"; do
        while read -r package sign; do
            _is_there "$sign" || printf '%s\n' "$package"
        done < <(_packages "$set")
    done
}

ensure_packages() {
    local missing=() available=() package
    missing=($(missing_packages "$@"))
    ((${#missing[@]})) || return 0
    if [[ $(id -u) -ne 0 ]] || ! command -v apt-get >/dev/null; then
        # Few systems have the shell of Chromium; the whole browser takes its place.
        [[ ${missing[*]} == chromium-headless-shell ]] || _say_what_to_run "${missing[@]}"
        return 0
    fi
    say "Installing ${missing[*]} with apt-get"
    apt-get update -qq || true
    for package in "${missing[@]}"; do # not every release has all of them
        if apt-cache show "$package" >/dev/null 2>&1; then available+=("$package"); fi
    done
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
        ${available[@]+"${available[@]}"} >/dev/null || say "Some of them could not be installed"
    _stop_services "${missing[@]}"
}

# The tests start servers of their own; the services that came with the packages are not wanted.
_stop_services() {
    local package
    [[ -d /run/systemd/system ]] || return 0
    for package in "$@"; do
        case $package in
            redis-server | coturn) systemctl --quiet disable --now "$package" || true ;;
            nginx-light) systemctl --quiet disable --now nginx || true ;;
        esac
    done
}

_say_what_to_run() {
    say "Tests that need these packages are skipped: $*"
    if command -v apt-get >/dev/null; then
        say "Install them once with: sudo scripts/setup"
    else
        say "Install them with your system's package manager; the names are those of Debian"
    fi
}
