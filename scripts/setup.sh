#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Usage: setup.sh [packages | bindgen]
#
# Installs what must be there before any Rust can be built: Debian's packages
# and the bindgen that Linux 6.1 asks for, or just the one or the other. Does
# nothing, and fast, when all is there. On a host other than Debian 12 on x86_64
# nothing is installed, and on one without root no packages: check-tools.sh then
# says what is missing.
set -euo pipefail

packages=(
	# the kernel's source, and Rust
	linux-source-6.1 rustc cargo rust-src rustfmt rust-clippy
	# the C compilers: clang for the kernel and bindgen, gcc to link host programs
	clang-14 lld-14 llvm-14 libclang-14-dev gcc libc6-dev
	# modules for a kernel without Rust are linked by these
	clang-16 llvm-16
	# what else the kernel's build calls
	make flex bison bc libelf-dev xz-utils kmod patch
	# the menu of its options
	libncurses-dev
	# guest programs: a linker, a libc, Rust's libraries. Never arm64's own
	# compiler: apt would put it in the place of the host's.
	gcc-aarch64-linux-gnu libc6-dev-arm64-cross libstd-rust-dev:arm64
	# guests
	qemu-system-arm qemu-system-x86 qemu-user-static gdb-multiarch
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

# Reads names of packages, and prints "NAME=VERSION" for each: the newest in Debian
# 12 itself, its updates or security.
debian_versions() {
	# shellcheck disable=SC2046 # names
	apt-cache madison $(cat) | awk '/ bookworm(-updates|-security)?\// && !n[$1]++ { print $1 "=" $3 }'
}

# A library must have one version on all architectures. apt upgrades amd64's to
# that of the arm64 one that is to come. This names those it would have to
# downgrade.
newer_twins() {
	local name installed offered
	apt-cache depends --recurse --important libstd-rust-dev:arm64 | sed -n '/^[^ ]*:arm64$/p' |
		debian_versions | while IFS='=' read -r name offered; do
		name=${name%:arm64}
		installed=$(dpkg-query --show --showformat '${Version}' "$name:amd64" 2>/dev/null) || continue
		if dpkg --compare-versions "$installed" gt "$offered"; then
			echo "$name=$offered"
		fi
	done
}

# What apt would remove to install $@: packages from elsewhere that do not go
# with Debian 12's. Their Debian 12 versions do.
removed_by() {
	apt_get --allow-downgrades --simulate install "$@" | sed -n 's/^Remv \([^ ]*\).*/\1/p' | debian_versions
}

# Sets what is put before a command that root has to run. Status 1: there is no way.
as_root=()
become_root() {
	[ "$(id -u)" != 0 ] || return 0
	as_root=(sudo)
	# Asks for the password now, where it can be seen.
	command -v sudo >/dev/null && sudo true
}

install_packages() {
	local missing=("$@") replaced=()
	dpkg --print-foreign-architectures | grep -qx arm64 ||
		step "architecture arm64 for packages" "${as_root[@]}" dpkg --add-architecture arm64
	step "package lists" apt_get update
	# Seldom, and to find them takes apt long.
	if ! apt_get --no-remove --simulate install "${missing[@]}" >>"$log" 2>&1; then
		mapfile -t replaced < <(newer_twins 2>>"$log")
		mapfile -t -O ${#replaced[@]} replaced < <(removed_by "${missing[@]}" "${replaced[@]}" 2>>"$log")
		[ ${#replaced[@]} = 0 ] ||
			say "these do not go with Debian 12's packages, and are brought to its version: ${replaced[*]}"
	fi
	step "${#missing[@]} packages" \
		apt_get --no-remove --allow-downgrades install "${missing[@]}" "${replaced[@]}"
}

# Renamed when complete, so that an interrupted one is never taken for finished.
# Optimised by half: it is built in 40 % of the time, and then takes 4 s instead of
# 1 for a kernel's bindings.
install_bindgen() {
	rm -rf "$bindgen.part"
	step "bindgen $bindgen_version" env PATH="/usr/bin:$PATH" RUSTC=/usr/bin/rustc \
		CARGO_UNSTABLE_SPARSE_REGISTRY=true RUSTC_BOOTSTRAP=1 CARGO_PROFILE_RELEASE_OPT_LEVEL=1 \
		/usr/bin/cargo install --locked --version "$bindgen_version" --root "$bindgen.part" \
		--config "profile.release.package.'*'.opt-level=0" bindgen
	mv "$bindgen.part" "$bindgen"
}

what=${1:-all}
host=$(
	# shellcheck source=/dev/null
	[ ! -f /etc/os-release ] || . /etc/os-release
	echo "${ID:-} ${VERSION_ID:-} $(uname -m)"
)
if [ "$host" != "debian 12 x86_64" ]; then
	[ "$what" != bindgen ] || exit 0
	exec "$(dirname "$0")/check-tools.sh" "packages are installed on Debian 12 on x86_64 only"
fi

missing=()
need_bindgen() { [ "$what" != packages ] && [ ! -x "$bindgen/bin/bindgen" ]; }
find_missing() { [ "$what" = bindgen ] || mapfile -t missing < <(missing_packages); }
find_missing
need_bindgen || [ ${#missing[@]} != 0 ] || exit 0

mkdir -p "$cache/tools" "$cache/log"
if [ ${#missing[@]} != 0 ] && ! become_root; then
	# They may have come in another way than by dpkg.
	say "these packages are missing, and there is neither root nor sudo to install them: ${missing[*]}"
	"$(dirname "$0")/check-tools.sh" "root can install these packages, with $(realpath "$0")" no-bindgen
	say "what they are needed for is there all the same"
	need_bindgen || exit 0
	missing=()
	what=bindgen
fi
exec 9>"$cache/setup.lock"
if ! flock --nonblock 9; then
	say "another set-up is at work; waiting for it"
	flock 9
fi
find_missing
[ ${#missing[@]} = 0 ] || install_packages "${missing[@]}"
! need_bindgen || install_bindgen
say "set-up: done in $SECONDS s"
