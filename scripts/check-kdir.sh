#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Usage: check-kdir.sh KDIR ARCH
#
# Tells whether modules can be built against the kernel tree KDIR, before
# anything is compiled: one line on stderr that says what is wrong and what to
# do next, and status 1; or, on stdout, the arguments with which Kbuild is to
# be called. RUSTC, BINDGEN, LLVM and CROSS_COMPILE are taken from the
# environment; what is not given there follows from the tree's .config.
set -eu

# As the XDG specification has it, a relative path does not count.
case ${XDG_CACHE_HOME:-} in
/*) cache=$XDG_CACHE_HOME/rlkm ;;
*) cache=$HOME/.cache/rlkm ;;
esac

fail() {
	echo "rlkm: $1" >&2
	exit 1
}

# The value of option $1 in the tree's .config, without quotes; empty if unset.
config() {
	sed -n "s/^$1=\"\{0,1\}\([^\"]*\)\"\{0,1\}\$/\1/p" "$kdir/.config"
}

# The first of the commands $2… that says the version text $1. Kbuild's own
# dummy argument is for bindgen 0.69.0, which wants a header even here.
of_version() {
	text=$1
	shift
	for tool; do
		path=$(command -v "$tool") || continue
		case $path in /*) ;; *) path=$PWD/$path ;; esac
		if [ "$("$path" --version workaround-for-0.69.0 2>/dev/null)" = "$text" ]; then
			echo "$path"
			return
		fi
	done
	return 1
}

# What a tool of another version says of itself, for the error.
version_of() {
	"$1" --version workaround-for-0.69.0 2>/dev/null || echo "a command that does not run"
}

[ $# = 2 ] || fail "usage: $0 KDIR ARCH"
arch=$2
case $arch in
arm64) option=CONFIG_ARM64 triple=aarch64-linux-gnu- machine=aarch64 ;;
x86_64) option=CONFIG_X86_64 triple=x86_64-linux-gnu- machine=x86_64 ;;
*) fail "ARCH=$arch is not supported; give ARCH=arm64 or ARCH=x86_64" ;;
esac

# Kbuild takes file names apart at spaces, and so does make.
case $PWD$1 in
*[[:space:]]*) fail "Kbuild cannot work with a space in a path, and '$PWD' or KDIR='$1' has one; move it" ;;
esac
kdir=$(cd "$1" 2>/dev/null && pwd) ||
	fail "KDIR=$1 is not there; give the path of a built 6.1 kernel tree, or leave KDIR out to use the lab's"

# A build folder made by O= has a Makefile that only includes the source's.
source=$kdir
if [ -f "$kdir/Makefile" ]; then
	stub=$(sed -n 's,^include \([^$]*\)/Makefile$,\1,p' "$kdir/Makefile")
	[ -z "$stub" ] || source=$(cd "$kdir" && cd "$stub" 2>/dev/null && pwd) ||
		fail "KDIR=$kdir was built from the source in $stub, which is not there; put it back or give another KDIR"
fi
version=
if [ -f "$source/scripts/Makefile.build" ] && [ -f "$source/Makefile" ]; then
	version=$(sed -n -e 's/^VERSION = //p' -e 's/^PATCHLEVEL = //p' "$source/Makefile" | paste -sd.)
fi
[ -n "$version" ] ||
	fail "KDIR=$kdir is not a kernel tree; give the folder in which a 6.1 kernel was built (its source, or its O= folder)"
[ "$version" = 6.1 ] ||
	fail "KDIR=$kdir is Linux $version, and the modules are for 6.1; give a 6.1 tree"

build="build it with make ARCH=$arch and CONFIG_RUST=y, or leave KDIR out to use the lab's"
[ -f "$kdir/.config" ] ||
	fail "KDIR=$kdir is not configured and not built; $build"
if [ "$(config "$option")" != y ]; then
	built_for="another ARCH"
	[ "$(config CONFIG_ARM64)" != y ] || built_for=ARCH=arm64
	[ "$(config CONFIG_X86_64)" != y ] || built_for=ARCH=x86_64
	fail "KDIR=$kdir was built for $built_for, not for ARCH=$arch; give its ARCH, or a tree for $arch"
fi
for option in RUST SMP MODULE_UNLOAD; do
	[ "$(config "CONFIG_$option")" = y ] ||
		fail "KDIR=$kdir has CONFIG_$option off; switch it on (.config.fragment has all options that the modules need) and build the tree again"
done
[ "$(config CONFIG_PREEMPT_RT)" != y ] ||
	fail "KDIR=$kdir has CONFIG_PREEMPT_RT on, where locks that spin become locks that sleep, and lkm does not know that; give a tree without it"
for made in include/generated/autoconf.h rust/libkernel.rmeta Module.symvers; do
	[ -f "$kdir/$made" ] || fail "KDIR=$kdir is not built ($made is not there); $build"
done

want=$(config CONFIG_RUSTC_VERSION_TEXT)
if [ -n "${RUSTC:-}" ]; then
	rustc=$(of_version "$want" "$RUSTC") ||
		fail "RUSTC=$RUSTC is $(version_of "$RUSTC"), but KDIR=$kdir was built with $want; give RUSTC=/path/to/that/rustc, or build the tree again with yours"
else
	rustc=$(of_version "$want" rustc /usr/bin/rustc) ||
		fail "no $want on PATH or in /usr/bin, and KDIR=$kdir was built with it; give RUSTC=/path/to/that/rustc"
fi

want=$(config CONFIG_BINDGEN_VERSION_TEXT)
if [ -n "${BINDGEN:-}" ]; then
	bindgen=$(of_version "$want" "$BINDGEN") ||
		fail "BINDGEN=$BINDGEN is $(version_of "$BINDGEN"), but KDIR=$kdir was built with $want; give BINDGEN=/path/to/that/bindgen"
else
	bindgen=$(of_version "$want" bindgen "$cache/tools/bindgen-${want#bindgen }/bin/bindgen") ||
		fail "no $want on PATH or in $cache/tools, and KDIR=$kdir was built with it; run scripts/setup.sh (it installs bindgen 0.56.0), or give BINDGEN=/path/to/bindgen"
fi

# The C compiler compiles each module's .mod.c, and lkm's helpers.
compiler=$(config CONFIG_CC_VERSION_TEXT)
if [ -n "${LLVM:-}" ]; then
	c_tools=LLVM=$LLVM
elif [ "$(config CONFIG_CC_IS_CLANG)" = y ]; then
	major=$(($(config CONFIG_CLANG_VERSION) / 10000))
	if clang --version 2>/dev/null | grep -qxF "$compiler"; then
		c_tools=LLVM=1
	elif command -v "clang-$major" >/dev/null; then
		c_tools=LLVM=-$major
	else
		fail "no clang-$major on PATH, and KDIR=$kdir was built with $compiler; install clang-$major, lld-$major and llvm-$major, or give LLVM=/path/to/their/bin/"
	fi
else
	# "aarch64-linux-gnu-gcc (Debian …) 12.2.0": the prefix is the tree's own.
	prefix=${compiler%%gcc*}
	[ -n "$prefix" ] || [ "$(uname -m)" = "$machine" ] || prefix=$triple
	prefix=${CROSS_COMPILE:-$prefix}
	command -v "${prefix}gcc" >/dev/null ||
		fail "no ${prefix}gcc on PATH, and KDIR=$kdir was built with $compiler; install it, or give CROSS_COMPILE=prefix-of-yours-"
	c_tools=CROSS_COMPILE=$prefix
fi

echo "-C $kdir ARCH=$arch $c_tools RUSTC=$rustc HOSTRUSTC=$rustc BINDGEN=$bindgen"
