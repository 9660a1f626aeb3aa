#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Usage: check-kdir.sh KDIR ARCH
#
# Tells whether modules can be built against the kernel tree KDIR, before
# anything is compiled: one line on stderr that says what is wrong and what to
# do next, and status 1; or, on stdout, the arguments with which Kbuild is to
# be called. RUSTC, BINDGEN, LLVM, CROSS_COMPILE and LIBCLANG_PATH are taken from the
# environment; what is not given there follows from the tree's .config.
set -eu
unset CDPATH

fail() {
	printf 'rlkm: %s\n' "$1" >&2
	exit 1
}

# Where setup.sh puts bindgen, if anywhere. As the XDG specification has it, a
# relative path does not count.
case ${XDG_CACHE_HOME:-} in
/*) cache=$XDG_CACHE_HOME/rlkm ;;
*) cache=${HOME:+$HOME/.cache/rlkm} ;;
esac

# The value of option $1 in the tree's .config, without quotes; empty if unset.
config() {
	sed -n "s/^$1=\"\{0,1\}\([^\"]*\)\"\{0,1\}\$/\1/p" "$kdir/.config"
}

# The first of the commands $2… whose version is the pattern $1. Kbuild's own
# dummy argument is for bindgen 0.69.0, which wants a header even here.
of_version() {
	text=$1
	shift
	for tool; do
		path=$(command -v "$tool") || continue
		case $path in /*) ;; *) path=$PWD/$path ;; esac
		# shellcheck disable=SC2254 # a pattern
		case $("$path" --version workaround-for-0.69.0 2>/dev/null) in
		$text)
			echo "$path"
			return
			;;
		esac
	done
	return 1
}

# What a tool of another version says of itself, for the error.
version_of() {
	"$1" --version workaround-for-0.69.0 2>/dev/null || echo "a command that does not run"
}

# $1 is the name of a tool that was given or found, which must be there and run.
runs() {
	"$1" --version >/dev/null 2>&1
}

# One of the tools $3…, with $1 before and $2 after each name, that does not run.
missing_of() (
	prefix=$1 suffix=$2
	shift 2
	for tool; do
		runs "$prefix$tool$suffix" || echo "$prefix$tool$suffix" &
	done | head -n 1
)

missing_beside_clang() {
	missing_of "$1" "$2" ld.lld llvm-ar llvm-nm llvm-objcopy llvm-strip
}

[ $# = 2 ] || fail "usage: $0 KDIR ARCH"
arch=$2
"${0%/*}/check-arguments.sh" "CURDIR=$PWD" "KDIR=$1" "ARCH=$arch" >/dev/null || exit 1
case $arch in
arm64) option=CONFIG_ARM64 triple=aarch64-linux-gnu- machine=aarch64 ;;
x86_64) option=CONFIG_X86_64 triple=x86_64-linux-gnu- machine=x86_64 ;;
*) fail "ARCH=$arch is not supported; give ARCH=arm64 or ARCH=x86_64" ;;
esac

kdir=$(cd -- "$1" 2>/dev/null && pwd) ||
	fail "KDIR=$1 is not there; give the path of a built 6.1 kernel tree, or leave KDIR out to use the lab's"

# A build folder made by O= has a Makefile that only includes the source's.
source=$kdir
if [ -f "$kdir/Makefile" ]; then
	stub=$(sed -n 's,^include \([^$]*\)/Makefile$,\1,p' "$kdir/Makefile")
	[ -z "$stub" ] || source=$(cd -- "$kdir" && cd -- "$stub" 2>/dev/null && pwd) ||
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
for option in SMP MODULE_UNLOAD; do
	[ "$(config "CONFIG_$option")" = y ] ||
		fail "KDIR=$kdir has CONFIG_$option off; switch it on (.config.fragment has all options that the modules need) and build the tree again"
done
[ "$(config CONFIG_PREEMPT_RT)" != y ] ||
	fail "KDIR=$kdir has CONFIG_PREEMPT_RT on, where locks that spin become locks that sleep, and lkm does not know that; give a tree without it"
if [ "$(config CONFIG_RUST)" = y ]; then
	has_rust=rust/libkernel.rmeta
	want_rustc=$(config CONFIG_RUSTC_VERSION_TEXT)
	want_bindgen=$(config CONFIG_BINDGEN_VERSION_TEXT)
	built="KDIR=$kdir was built with"
	else=", or build the tree again with yours"
else
	# Its Rust is compiled with the modules, which are written for these.
	has_rust=
	want_rustc='rustc 1.63.*'
	want_bindgen='bindgen 0.[56][60].*'
	built="KDIR=$kdir has CONFIG_RUST off, where modules take"
	else=
	for option in RANDSTRUCT CFI_CLANG KASAN KCSAN KMSAN GCOV_KERNEL; do
		[ "$(config "CONFIG_$option")" != y ] ||
			fail "KDIR=$kdir has CONFIG_$option on and CONFIG_RUST off, and with that no Rust can be compiled for it; give a tree with CONFIG_RUST, or leave KDIR out to use the lab's"
	done
fi
for made in include/generated/autoconf.h $has_rust Module.symvers; do
	[ -f "$kdir/$made" ] || fail "KDIR=$kdir is not built ($made is not there); $build"
done

if [ -n "${RUSTC:-}" ]; then
	rustc=$(of_version "$want_rustc" "$RUSTC") ||
		fail "RUSTC=$RUSTC is $(version_of "$RUSTC"), but $built $want_rustc; give RUSTC=/path/to/that/rustc$else"
else
	rustc=$(of_version "$want_rustc" rustc /usr/bin/rustc) ||
		fail "no $want_rustc on PATH or in /usr/bin, and $built it; give RUSTC=/path/to/that/rustc"
fi

if [ -n "${BINDGEN:-}" ]; then
	bindgen=$(of_version "$want_bindgen" "$BINDGEN") ||
		fail "BINDGEN=$BINDGEN is $(version_of "$BINDGEN"), but $built $want_bindgen; give BINDGEN=/path/to/that/bindgen"
else
	bindgen=$(of_version "$want_bindgen" bindgen "$cache/tools/bindgen-${want_bindgen#bindgen }/bin/bindgen" \
		"$cache/tools/bindgen-0.56.0/bin/bindgen") ||
		fail "no $want_bindgen on PATH${cache:+ or in $cache/tools}, and $built it; run scripts/setup.sh (it installs bindgen 0.56.0), or give BINDGEN=/path/to/bindgen"
fi

# What has compiled such a kernel may be gcc. What is linked with Rust is clang's: from 16 on it
# knows all by which gcc makes a kernel hard to attack.
stock=
if [ -z "$has_rust" ]; then
	library=$("$rustc" --print sysroot)/lib/rustlib/src/rust/library
	[ -f "$library/core/src/lib.rs" ] ||
		fail "$library/core is not there, and KDIR=$kdir has CONFIG_RUST off, where it is compiled with the modules; install the source of that rustc (Debian's package is rust-src)"
	for suffix in -16 -17 -18 -19; do
		missing=$(missing_of '' "$suffix" clang llvm-ar llvm-link llvm-nm llvm-objcopy opt)
		[ -n "$missing" ] || break
	done
	[ -z "$missing" ] ||
		fail "no clang-16 and llvm-16 or newer, and KDIR=$kdir has CONFIG_RUST off, where they link the modules; install clang-16 and llvm-16"
	stock=" LKM_CLANG=clang$suffix LKM_LLVM_AR=llvm-ar$suffix"
	# Else there is a line for each module that says so.
	[ -z "$(config CONFIG_DEBUG_INFO_BTF_MODULES)" ] || [ -f "$kdir/vmlinux" ] || stock="$stock CONFIG_DEBUG_INFO_BTF_MODULES="
fi

# The C compiler compiles each module's .mod.c, and lkm's helpers.
compiler=$(config CONFIG_CC_VERSION_TEXT)
if [ "$(config CONFIG_CC_IS_CLANG)" = y ]; then
	major=$(($(config CONFIG_CLANG_VERSION) / 10000))
	needed="KDIR=$kdir was built with $compiler"
	install="install clang-$major, lld-$major and llvm-$major, or give LLVM=/path/to/their/bin/"
	case ${LLVM:-} in
	'')
		if clang --version 2>/dev/null | grep -qxF "$compiler" && [ -z "$(missing_beside_clang '' '')" ]; then
			llvm=1
		elif command -v "clang-$major" >/dev/null; then
			llvm=-$major
		else
			fail "no clang-$major on PATH, and $needed; $install"
		fi
		;;
	-* | */) llvm=$LLVM ;;
	*/*) llvm=$LLVM/ ;;
	*) llvm=1 ;;
	esac
	case $llvm in
	-*) prefix='' suffix=$llvm ;;
	*/) prefix=$llvm suffix='' ;;
	*) prefix='' suffix='' ;;
	esac
	said=${LLVM:+LLVM=$LLVM: }
	clang=$(command -v "${prefix}clang$suffix") ||
		fail "${said}no ${prefix}clang$suffix, and $needed; $install"
	case $("$clang" --version 2>/dev/null) in
	*'clang version '*) ;;
	*) fail "${said}$clang is $(version_of "$clang" | head -n 1), and no clang; $needed; $install" ;;
	esac
	missing=$(missing_beside_clang "$prefix" "$suffix")
	[ -z "$missing" ] ||
		fail "${said}$missing is not there or does not run, and goes with $clang; $install"
	# clang follows ARCH; a CROSS_COMPILE that is exported for gcc may say another.
	c_tools="LLVM=$llvm CROSS_COMPILE="
	[ "$(config CONFIG_AS_IS_LLVM)" != y ] || c_tools="$c_tools LLVM_IAS=1"
else
	[ -z "${LLVM:-}" ] ||
		fail "LLVM=$LLVM names clang, but KDIR=$kdir was built with $compiler; leave LLVM out, or build the tree again with clang"
	# "aarch64-linux-gnu-gcc-12 (Debian …) 12.2.0": the prefix is the tree's own.
	prefix=${compiler%%gcc*}
	[ -n "$prefix" ] || [ "$(uname -m)" = "$machine" ] || prefix=$triple
	prefix=${CROSS_COMPILE:-$prefix}
	command -v -- "${prefix}gcc" >/dev/null ||
		fail "no ${prefix}gcc on PATH, and KDIR=$kdir was built with $compiler; install it, or give CROSS_COMPILE=prefix-of-yours-"
	missing=$(missing_of "$prefix" '' gcc ld ar nm objcopy strip)
	[ -z "$missing" ] ||
		fail "$missing is not there or does not run, and KDIR=$kdir was built with $compiler; install gcc and binutils for $arch, or give CROSS_COMPILE=prefix-of-yours-"
	clang=
	c_tools="LLVM= CROSS_COMPILE=$prefix"
fi

# bindgen would take the newest libclang that it finds, and may not understand it.
# libclang lies beside its clang: /usr/lib/llvm-14/bin/clang, /usr/lib/llvm-14/lib.
libclang_in() {
	for library in "$1"/libclang.so* "$1"/libclang-[0-9]*.so*; do
		[ ! -f "$library" ] || return 0
	done
	return 1
}
if [ -n "${LIBCLANG_PATH:-}" ]; then
	libclang=$LIBCLANG_PATH
	libclang_in "$libclang" || [ -f "$libclang" ] ||
		fail "LIBCLANG_PATH=$libclang has no libclang; give the folder of one that bindgen understands, as in LIBCLANG_PATH=/usr/lib/llvm-14/lib, or leave it out"
else
	libclang=
	[ -z "$clang" ] || libclang=$(dirname "$(dirname "$(realpath "$clang")")")/lib
	if ! libclang_in "$libclang"; then
		# That of a gcc, or of a clang whose tools lie elsewhere: bindgen 0.56 understands these.
		libclang=
		for version in 15 14 13 12 11; do
			! libclang_in "/usr/lib/llvm-$version/lib" || {
				libclang=/usr/lib/llvm-$version/lib
				break
			}
		done
	fi
fi

[ -n "$clang" ] || [ ! -x "$libclang/../bin/clang" ] || clang=$libclang/../bin/clang

echo "-C $kdir ARCH=$arch $c_tools RUSTC=$rustc HOSTRUSTC=$rustc BINDGEN=$bindgen${libclang:+ LIBCLANG_PATH=$libclang}${clang:+ CLANG_PATH=$clang}$stock"
