#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Usage: setup.sh
#
# Installs what must be there before any Rust can be built: Debian's packages
# and the bindgen that Linux 6.1 asks for. Does nothing, and fast, when all is
# there. On a host other than Debian 12 on x86_64 nothing is installed:
# check-tools.sh then says what is missing.
set -euo pipefail

packages=(
	# the kernel's source, and Rust
	linux-source-6.1 rustc cargo rust-src rustfmt rust-clippy
	# the C compilers: clang for the kernel and bindgen, gcc to link host programs
	clang-14 lld-14 llvm-14 libclang-14-dev gcc libc6-dev
	# what else the kernel's build calls
	make flex bison bc libelf-dev xz-utils kmod patch
	# guest programs: a linker, a libc, Rust's libraries. Never arm64's own
	# compiler: apt would put it in the place of the host's.
	gcc-aarch64-linux-gnu libc6-dev-arm64-cross libstd-rust-dev:arm64
	# guests
	qemu-system-arm qemu-system-x86 qemu-user-static
	# crates come by https
	ca-certificates
)
bindgen_version=0.56.0

# As the XDG specification has it, a relative path does not count.
case ${XDG_CACHE_HOME:-} in
/*) cache=$XDG_CACHE_HOME/rlkm ;;
*) cache=${HOME:+$HOME/.cache/rlkm} ;;
esac
[ -n "$cache" ] || {
	echo 'rlkm: neither XDG_CACHE_HOME nor HOME is set; set one, what is built once is kept there' >&2
	exit 1
}
bindgen=$cache/tools/bindgen-$bindgen_version
log=$cache/log/setup-$(date +%Y%m%d-%H%M%S)-$$.log
ticker=

say() {
	echo "rlkm: $*" >&2
}

fail() {
	say "$*"
	exit 1
}

stop_ticker() {
	[ -z "$ticker" ] || kill "$ticker"
	ticker=
}
trap stop_ticker EXIT

# Runs a command as the step called $1: its output goes to the log, of which a
# failure shows the end. On a terminal, the seconds are seen to pass.
step() {
	local name=$1 start=$SECONDS status=0
	shift
	echo "== $name" >>"$log"
	if [ -t 2 ]; then
		while printf '\rrlkm: %s ... %d s' "$name" $((SECONDS - start)) >&2; do sleep 1; done &
		ticker=$!
	else
		say "$name ..."
	fi
	# Not for a daemon that a package may start: the lock.
	"$@" >>"$log" 2>&1 </dev/null 9>&- || status=$?
	if [ -n "$ticker" ]; then
		stop_ticker
		printf '\r' >&2
	fi
	if [ $status != 0 ]; then
		tail -n 20 "$log" >&2
		fail "$name: failed with status $status after $((SECONDS - start)) s; above is the end of $log"
	fi
	say "$name: done in $((SECONDS - start)) s"
}

# The packages of the list that are not installed, one per line.
missing_packages() {
	local installed package
	# Status 1: there are some that dpkg has never heard of.
	installed=$(dpkg-query --show --showformat '${Package}:${Architecture} ${db:Status-Status}\n' \
		"${packages[@]}" 2>/dev/null) || [ $? = 1 ]
	for package in "${packages[@]}"; do
		case $package in
		*:*) grep -qx "$package installed" <<<"$installed" || echo "$package" ;;
		*) grep -qxE "$package:(amd64|all) installed" <<<"$installed" || echo "$package" ;;
		esac
	done
}

apt_get() {
	"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
		apt-get -q -y -o DPkg::Lock::Timeout=600 --no-install-recommends "$@"
}

# The newest version of package $1 in Debian 12 itself, its updates or security.
debian_version() {
	apt-cache madison "$1" | awk '/ bookworm(-updates|-security)?\// && !n++ { print $3 }'
}

# A library must have one version on all architectures. apt upgrades amd64's to
# that of the arm64 one that is to come. This names those it would have to
# downgrade.
newer_twins() {
	local name installed offered
	apt-cache depends --recurse --important libstd-rust-dev:arm64 |
		sed -n 's/^\([^ ]*\):arm64$/\1/p' | while read -r name; do
		installed=$(dpkg-query --show --showformat '${Version}' "$name:amd64" 2>/dev/null) || continue
		offered=$(debian_version "$name:arm64")
		if dpkg --compare-versions "$installed" gt "${offered:-$installed}"; then
			echo "$name=$offered"
		fi
	done
}

# What apt would remove to install $@: packages from elsewhere that do not go
# with Debian 12's. Their Debian 12 versions do.
removed_by() {
	local name
	apt_get --allow-downgrades --simulate install "$@" | sed -n 's/^Remv \([^ ]*\).*/\1/p' |
		while read -r name; do echo "$name=$(debian_version "$name")"; done
}

install_packages() {
	local missing=("$@") replaced
	if [ "$(id -u)" = 0 ]; then
		as_root=()
	else
		command -v sudo >/dev/null ||
			fail "missing packages, and no sudo to install them: ${missing[*]}; run $0 once as root"
		as_root=(sudo)
		sudo true # asks for the password now, where it can be seen
	fi
	dpkg --print-foreign-architectures | grep -qx arm64 ||
		step "architecture arm64 for packages" "${as_root[@]}" dpkg --add-architecture arm64
	step "package lists" apt_get update
	mapfile -t replaced < <(newer_twins 2>>"$log")
	mapfile -t -O ${#replaced[@]} replaced < <(removed_by "${missing[@]}" "${replaced[@]}" 2>>"$log")
	[ ${#replaced[@]} = 0 ] ||
		say "these do not go with Debian 12's packages, and are brought to its version: ${replaced[*]}"
	step "${#missing[@]} packages" \
		apt_get --no-remove --allow-downgrades install "${missing[@]}" "${replaced[@]}"
}

# Renamed when complete, so that an interrupted one is never taken for finished.
install_bindgen() {
	rm -rf "$bindgen.part"
	step "bindgen $bindgen_version" env PATH="/usr/bin:$PATH" RUSTC=/usr/bin/rustc \
		CARGO_UNSTABLE_SPARSE_REGISTRY=true RUSTC_BOOTSTRAP=1 /usr/bin/cargo \
		install --locked --version "$bindgen_version" --root "$bindgen.part" bindgen
	mv "$bindgen.part" "$bindgen"
}

host=$(
	# shellcheck source=/dev/null
	[ ! -f /etc/os-release ] || . /etc/os-release
	echo "${ID:-} ${VERSION_ID:-} $(uname -m)"
)
[ "$host" = "debian 12 x86_64" ] || exec "$(dirname "$0")/check-tools.sh"

if [ -x "$bindgen/bin/bindgen" ] && [ -z "$(missing_packages)" ]; then
	exit 0
fi
mkdir -p "$cache/tools" "$cache/log"
exec 9>"$cache/setup.lock"
if ! flock --nonblock 9; then
	say "another set-up is at work; waiting for it"
	flock 9
fi
mapfile -t missing < <(missing_packages)
[ ${#missing[@]} = 0 ] || install_packages "${missing[@]}"
[ -x "$bindgen/bin/bindgen" ] || install_bindgen
say "set-up: done in $SECONDS s"
