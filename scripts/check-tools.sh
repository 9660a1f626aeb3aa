#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Usage: check-tools.sh WHY [no-bindgen]
#
# For hosts on which setup.sh installs nothing, which WHY says: says which tools
# are missing or of another version, and how to name one's own; status 1 if there
# is any. With KDIR in the environment the kernel is built already, and less is
# needed; with no-bindgen, setup.sh can build that.
set -euo pipefail

why=$1 bindgen_comes=${2:-}

# As the XDG specification has it, a relative path does not count.
case ${XDG_CACHE_HOME:-} in
/*) cache=$XDG_CACHE_HOME/rlkm ;;
*) cache=${HOME:+$HOME/.cache/rlkm} ;;
esac
llvm=${LLVM:--14}
case $llvm in
-*) prefix='' suffix=$llvm ;;
*/) prefix=$llvm suffix='' ;;
*) prefix='' suffix='' ;;
esac
rustc=${RUSTC:-/usr/bin/rustc}
cargo=${CARGO:-/usr/bin/cargo}
bindgen=${BINDGEN:-$cache/tools/bindgen-0.56.0/bin/bindgen}
missing=()

# need WHAT PATTERN COMMAND...: what the command prints must match the pattern.
need() {
	local what=$1 pattern=$2 said
	shift 2
	if ! command -v "$1" >/dev/null; then
		missing+=("$what ($1 is not there)")
	elif ! said=$("$@" 2>&1); then
		missing+=("$what ($* failed)")
	elif ! grep -qE "$pattern" <<<"$said"; then
		missing+=("$what ($1 is ${said%%$'\n'*})")
	fi
}

need_file() {
	[ -e "$2" ] || missing+=("$1 ($2 is not there)")
}

need "rustc 1.63; name yours with RUSTC=" '^rustc 1\.63\.' "$rustc" --version
need "cargo 1.65; name yours with CARGO=" '^cargo 1\.6[3-5]\.' "$cargo" --version
need "rustfmt" '^rustfmt ' rustfmt --version
need "clippy" '^clippy ' cargo-clippy --version
need "gcc for this host" . cc --version
need "gcc for arm64" . aarch64-linux-gnu-gcc --version
need "QEMU for arm64" 'version ([7-9]|[1-9][0-9])\.' qemu-system-aarch64 --version
need "QEMU for x86_64" 'version ([7-9]|[1-9][0-9])\.' qemu-system-x86_64 --version
[ -n "$bindgen_comes" ] ||
	need "bindgen 0.56.0; name yours with BINDGEN=, or: cargo install --locked bindgen --version 0.56.0" \
		'^bindgen 0\.56\.0$' "$bindgen" --version
need "clang 11 or later; name yours with LLVM=-14 (a suffix) or LLVM=/its/bin/" \
	'version (1[1-9]|[2-9][0-9])\.' "${prefix}clang$suffix" --version
need "lld, of the same" . "${prefix}ld.lld$suffix" --version
need "llvm-ar, of the same" . "${prefix}llvm-ar$suffix" --version
if command -v "$rustc" >/dev/null; then
	sysroot=$("$rustc" --print sysroot)
	need_file "Rust's libraries for arm64" "$sysroot/lib/rustlib/aarch64-unknown-linux-gnu/lib"
fi

if [ -z "${KDIR:-}" ]; then
	for tool in make flex bison bc xz patch tar; do
		need "$tool" . "$tool" --version
	done
	need "libelf's headers" '^$' cc -fsyntax-only -x c -include libelf.h /dev/null
	need_file "the source of Linux 6.1; name yours with LINUX_SOURCE=" \
		"${LINUX_SOURCE:-/usr/src/linux-source-6.1.tar.xz}"
	[ ! -d "${sysroot:-}" ] ||
		need_file "the source of Rust's library" "$sysroot/lib/rustlib/src/rust/library/core"
fi
command -v apt-get >/dev/null ||
	need_file "a static busybox for the guest; name yours with RLKM_BUSYBOX=" "${RLKM_BUSYBOX:-busybox}"

[ ${#missing[@]} = 0 ] || {
	echo "rlkm: $why; on this host, these are missing:"
	printf '  %s\n' "${missing[@]}"
	echo "rlkm: install them, or name your own in the environment (RUSTC=... make demo)."
	echo "rlkm: to build just the modules against a tree of your own: make KDIR=/path/to/tree"
} >&2
[ ${#missing[@]} = 0 ]
