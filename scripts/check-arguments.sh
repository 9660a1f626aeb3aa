#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Usage: check-arguments.sh NAME=VALUE... [GOAL...]
#
# Looks at what the user gives to the Makefile, before make uses any of it: a
# value may be anything. Prints NAME=VALUE for each that is to be used, with
# paths absolute, and at the end the word "fine"; or one line on stderr that says
# what is wrong and what to do next, with status 1.
#
# Here it is decided which characters a path may have.
set -eu
LC_ALL=C
export LC_ALL
unset CDPATH

fail() {
	printf 'rlkm: %s\n' "$1" >&2
	exit 1
}

# What is shown of a value: nothing in it breaks the line.
shown() {
	printf '%s' "$1" | tr '[:cntrl:]' '?'
}

# Fails if $2, the value of $1, has what Kbuild, make or a shell does not take for
# a part of a path. Bytes of UTF-8 are fine.
plain() {
	case $2 in
	*[[:space:]]*) fail "Kbuild cannot work with a space in a path, and $1=$(shown "$2") has one; move it, or rename" ;;
	*[[:cntrl:]\"\'\`\$\&\;\|\<\>\(\)\{\}\*\?\[\]\\\!\^:,=\#%]*)
		fail "Kbuild cannot work with such a path: $1=$(shown "$2"); letters, digits and / . _ - + @ ~ are fine; move it, or rename" ;;
	esac
}

# The path $2, given as $1, from where make stands.
absolute() {
	plain "$1" "$2"
	case $2 in
	/*) echo "$2" ;;
	'~' | '~/'*)
		[ -n "$home" ] || fail "$1=$2 begins with ~, and HOME is not set; give the whole path"
		echo "$home${2#\~}"
		;;
	'~'*) fail "$1=$2 begins with ~, which nothing has expanded; give the whole path" ;;
	*) echo "$PWD/$2" ;;
	esac
}

# A command, which may be a path.
command_of() {
	plain "$1" "$2"
	case $2 in
	-*) fail "$1=$2 is an option, and no command" ;;
	'~'* | */*) absolute "$1" "$2" ;;
	*) echo "$2" ;;
	esac
}

# Fails if the command $3, which $1=$2 names, does not run. check-kdir.sh knows
# better which tools a tree that is given needs.
runs() {
	[ -z "$has_kdir" ] || [ "$1" = CARGO ] || return 0
	command=${3##*/}
	"$3" --version >/dev/null 2>&1 || "$3" --version workaround-for-0.69.0 >/dev/null 2>&1 ||
		fail "$1=$(shown "$2") is a command that does not run (no $command, or it fails); give another, or leave $1 out"
}

number() {
	case $2 in
	*[!0-9]* | '') fail "$1=$(shown "$2") is no number, as in $1=$3" ;;
	esac
}

# The nearest folder above a path that is not there yet.
existing() {
	path=$1
	while [ ! -e "$path" ] && [ ! -L "$path" ]; do
		path=$(dirname "$path")
	done
	echo "$path"
}

# Fails if the folder $2, given as $1, is not there and cannot be made, or cannot be written.
can_be_made() {
	above=$(existing "$2")
	[ -d "$above" ] || fail "$1 cannot be made: $above is no folder; give another"
	[ -w "$above" ] || fail "$1 cannot be written; give another, or be root"
}

home= has_arch= has_module= debugs= has_checker= has_kdir= installs= installs_modules= destdir= prefix=/usr/local
for argument; do
	case $argument in
	ARCH=?*) has_arch=yes ;;
	HOME=*) home=${argument#*=} ;;
	CHECK=?*) has_checker=yes ;;
	MODULE=?*) has_module=yes ;;
	gdb) debugs=yes ;;
	KDIR=?*) has_kdir=yes ;;
	install-lab) installs=yes ;;
	modules_install) installs_modules=yes ;;
	esac
done

for argument; do
	name=${argument%%=*} value=${argument#*=}
	[ -n "$value" ] || continue
	result=$value
	case $argument in
	CURDIR=*)
		plain 'the folder of the checkout, CURDIR' "$value"
		continue
		;;
	HOME=* | XDG_CACHE_HOME=*)
		plain "$name" "$value"
		continue
		;;
	KDIR=*)
		result=$(absolute KDIR "$value") || exit
		[ -d "$result" ] ||
			fail "KDIR=$value is not there; give the path of a built 6.1 kernel tree, or leave KDIR out to use the lab's"
		# One tree has one name, and one folder that is built in.
		result=$(cd -- "$result" && pwd)
		# A tree says itself what it is for.
		if [ -z "$has_arch" ] && [ -f "$result/.config" ]; then
			sed -n -e 's/^CONFIG_ARM64=y$/ARCH=arm64/p' -e 's/^CONFIG_X86_64=y$/ARCH=x86_64/p' "$result/.config"
		fi
		;;
	ARCH=*)
		case $value in
		arm64 | aarch64) result=arm64 ;;
		x86_64 | x86 | amd64) result=x86_64 ;;
		*) fail "ARCH=$(shown "$value") is not supported; give ARCH=arm64 or ARCH=x86_64" ;;
		esac
		;;
	VARIANT=*)
		case $value in
		plain | debug | trace) ;;
		*) fail "VARIANT=$(shown "$value") is no kernel of the lab's; give VARIANT=plain, debug or trace" ;;
		esac
		;;
	KERNEL=*)
		[ -z "$has_kdir" ] || fail "KDIR names a kernel, and KERNEL=$(shown "$value") another; leave one out"
		case $value in
		stock | cloud) ;;
		stock:[0-9]* | cloud:[0-9]*) [ -z "$(printf '%s' "${value#*:}" | tr -d '0-9a-z.+~-')" ] ||
			fail "KERNEL=$(shown "$value") has no release, as in KERNEL=stock:6.1.0-57" ;;
		*) fail "KERNEL=$(shown "$value") is no kernel of Debian's; give KERNEL=stock, KERNEL=cloud or a release, as in KERNEL=stock:6.1.0-57" ;;
		esac
		;;
	LTO=*)
		case $value in
		y | n) ;;
		*) fail "LTO=$(shown "$value") is neither y nor n; leave it out, and modules are linked as bitcode where the tools can" ;;
		esac
		;;
	CPUS=*)
		case ,$value, in
		*[!0-9,]* | *,,* | *,0*)
			fail "CPUS=$(shown "$value") is no list of numbers of CPUs, as in CPUS=1,4" ;;
		esac
		;;
	MODULE=*)
		case $value in
		*[!A-Za-z0-9_-]*) known= ;;
		*) known=modules/$value.rs ;;
		esac
		[ -n "$known" ] && [ -f "$known" ] ||
			fail "MODULE=$(shown "$value"): no such module; it is a file of modules/, as in MODULE=simrupt"
		;;
	NODE=*)
		case $value in
		*[!a-z0-9_]*) known= ;;
		*) known=$(sed -n "s/^fn \($value\)() {\$/\1/p" tests/torture/main.rs) ;;
		esac
		[ -n "$known" ] ||
			fail "NODE=$(shown "$value"): no such node; it is a name in /dev, as in NODE=ksort"
		;;
	SEED=* | CALLS=* | CYCLES=*) number "$name" "$value" 1000 ;;
	RUSTC=* | BINDGEN=* | CARGO=*)
		result=$(command_of "$name" "$value") || exit
		runs "$name" "$value" "$result"
		;;
	CROSS_COMPILE=*)
		result=$(command_of "$name" "$value") || exit
		;;
	LLVM=*)
		case $value in
		1) runs LLVM 1 clang ;;
		-*)
			case ${value#-} in
			*[!0-9.]* | '') fail "LLVM=$(shown "$value") is no suffix of clang's, as in LLVM=-14" ;;
			esac
			# scripts/setup.sh may be about to install this one.
			[ "$value" = -14 ] || runs LLVM "$value" "clang$value"
			;;
		*)
			result=$(absolute LLVM "$value") || exit
			[ -d "$result" ] ||
				fail "LLVM=$value is not there; give 1, a suffix as in LLVM=-14, or the folder of clang, as in LLVM=/usr/lib/llvm-14/bin/"
			result=${result%/}/
			runs LLVM "$value" "${result}clang"
			;;
		esac
		;;
	LINUX_SOURCE=* | RLKM_BUSYBOX=*)
		result=$(absolute "$name" "$value") || exit
		[ -f "$result" ] || fail "$name=$value is not there; give another file, or leave $name out"
		;;
	LIBCLANG_PATH=*)
		result=$(absolute "$name" "$value") || exit
		[ -e "$result" ] || fail "$name=$value is not there; give another, or leave $name out"
		;;
	INSTALL_MOD_PATH=* | MODLIB=*)
		result=$(absolute "$name" "$value") || exit
		can_be_made "$name=$value" "$result"
		;;
	INSTALL_MOD_DIR=*)
		plain "$name" "$value"
		case /$value/ in
		*/../*) fail "INSTALL_MOD_DIR=$value leaves lib/modules; give a folder below it, as in INSTALL_MOD_DIR=extra" ;;
		esac
		;;
	PREFIX=*)
		prefix=$(absolute PREFIX "$value") || exit
		continue
		;;
	DESTDIR=*)
		[ -z "$installs_modules" ] ||
			fail "DESTDIR=$(shown "$value") is not known to Kbuild; give INSTALL_MOD_PATH=, the root that the modules go into"
		destdir=$(absolute DESTDIR "$value") || exit
		continue
		;;
	# Kbuild's own, given to it by make; a path in one would be taken from KDIR.
	CC=* | LD=* | AR=* | NM=* | OBJCOPY=* | OBJDUMP=* | READELF=* | STRIP=* | HOSTCC=* | CHECK=*)
		tool=$(printf '%s' "$value" | tr '[:space:]' ' ')
		tool=${tool%% *}
		plain "$name" "$tool"
		case $tool in
		/*) ;;
		*/* | '~'*) fail "$name=$(shown "$value") is a relative path; give the whole path" ;;
		esac
		command -v -- "$tool" >/dev/null ||
			fail "$name=$(shown "$value") is a command that does not run; give another, or leave $name out"
		continue
		;;
	C=[12])
		[ -n "$has_checker" ] || command -v sparse >/dev/null ||
			fail "$argument runs sparse, which is not there; install it, name another with CHECK=, or leave C out"
		continue
		;;
	KBUILD_EXTRA_SYMBOLS=*)
		# Several, and none of them with a space in it.
		set -f
		for symbols in $value; do
			plain "$name" "$symbols"
			case $symbols in
			/*) ;;
			*) fail "$name=$(shown "$symbols") is a relative path; give the whole path" ;;
			esac
			[ -f "$symbols" ] || fail "$name=$symbols is not there; give another, or leave it out"
		done
		set +f
		continue
		;;
	test-*)
		case $argument in
		*[!a-z0-9_-]*) known= ;;
		*) known=$(sed -n "s/^name = \"\(${argument#test-}\)\"\$/\1/p" tests/Cargo.toml) ;;
		esac
		[ -n "$known" ] && [ "$known" != tests ] ||
			fail "$(shown "$argument"): no such suite; tests/Cargo.toml names them, as in make test-hello"
		continue
		;;
	*) continue ;;
	esac
	echo "$name=$result"
done
if [ -n "$debugs" ] && [ -z "$has_module" ]; then
	fail 'make gdb looks into a module; say which, as in make gdb MODULE=simrupt'
fi
if [ -n "$installs" ]; then
	can_be_made "PREFIX=$prefix${destdir:+ in DESTDIR=$destdir}" "$destdir$prefix"
	echo "PREFIX=$prefix"
	echo "DESTDIR=$destdir"
fi
echo fine
