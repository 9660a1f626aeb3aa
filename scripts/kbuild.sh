#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Usage: kbuild.sh (modules | modules_install | clippy) KDIR ARCH
#        kbuild.sh (folder | how | check-link | check-panics) KDIR ARCH
#        kbuild.sh clean
#
# Builds the modules against the tree KDIR, or installs them, or has clippy look
# at them. Kbuild writes beside what it compiles, so it is given a folder of its
# own for each tree, in target/kbuild, with a link to each source in it: "folder"
# prints which, "how" how modules are linked and why so; "check-link" and "check-panics"
# look at what came of it. The modules that were built last are linked at the top of the
# checkout. With DEBUG_INFO=y in the environment they have debug information, and another
# folder, whose name is the same and -g. "clean" removes those folders and those links, and nothing else.
set -eu
unset CDPATH
cd -- "$(dirname "$0")/.."

# All folders, and in each of ours the file that says so: what it was made with.
all=target/kbuild
mark=.rlkm-build

fail() {
	printf 'rlkm: %s\n' "$1" >&2
	exit 1
}

not_writable() {
	fail "$PWD/$1 cannot be written; if root has built here, have root run: make clean"
}

# Other builds in this checkout wait, until this script ends in whatever way.
lock() {
	made=$all
	while [ ! -e "$made" ]; do made=$(dirname "$made"); done
	[ -w "$made" ] || not_writable "$made"
	mkdir -p "$all"
	[ -e "$all/.lock" ] || : >>"$all/.lock"
	exec 9<"$all/.lock"
	flock --nonblock 9 || {
		echo 'rlkm: another make builds in this checkout; waiting for it' >&2
		flock 9
	}
}

# What make or a user may have in the environment that is not for this Kbuild:
# where it is to build is said here.
kbuild() {
	make=$1
	shift
	unset KCONFIG_CONFIG SUBDIRS sub_make_done
	# Not for a daemon that a compiler may start: the lock.
	"$make" --no-print-directory "$@" O= KBUILD_OUTPUT= "M=$PWD/$folder" "KBUILD_EXTMOD=$PWD/$folder" \
		${debug_info:+"KCFLAGS=-g -fdebug-prefix-map=$PWD/$folder/=$PWD/ ${KCFLAGS:-}"} \
		"KRUSTFLAGS=${debug_info:+-Cdebuginfo=2 }--remap-path-prefix=$PWD/$folder/=$PWD/ ${KRUSTFLAGS:-}" 9<&-
}

# Whether $1 is a link that was made here.
is_ours() {
	[ -L "$1" ] || return 1
	case $(readlink "$1") in
	"$all"/*/*/*) return 1 ;;
	"$all"/*/"$1") return 0 ;;
	esac
	return 1
}

# The names of the modules.
modules() {
	for source in modules/*.rs; do
		[ ! -f "$source" ] || basename "$source" .rs
	done
}

# Everything that Kbuild may read, but for what a Kbuild without a folder of its
# own has left beside it, and what an editor has.
sources() {
	set --
	for name in Kbuild include lkm modules scripts bench/Kbuild bench/c tests/modules; do
		[ ! -e "$name" ] || set -- "$@" "$name"
	done
	find -H "$@" \( -type f -o -type l \) ! -path '*[[:space:]]*' ! -name '.*' ! -name '*~' \
		! -name '*.[ao]' ! -name '*.bc' ! -name '*.ll' ! -name '*.ko' ! -name '*.mod' ! -name '*.mod.c' ! -name '*.rlib' ! -name '*.rmeta' \
		! -name '*_generated.*' ! -name Module.symvers ! -name modules.order | LC_ALL=C sort
}

# What was built of a source that is gone, which Kbuild would leave there.
forget() {
	stem=${1%.*}
	case $1 in
	modules/*/* | tests/modules/*/*) set -- "$stem" ;;
	modules/*.rs) set -- "$stem" "${stem#modules/}" ;;
	tests/modules/*.rs) set -- "$stem" "tests/${stem#tests/modules/}" ;;
	bench/c/*.c) set -- "$stem" "bench/c_${stem#bench/c/}" ;;
	*) set -- "$stem" ;;
	esac
	for stem; do
		for suffix in o bc linked.o ko mod mod.c mod.o; do rm -f "$folder/$stem.$suffix"; done
		rm -f "$folder/$(dirname "$stem")/.$(basename "$stem")".*
	done
}

# The mark goes last: an interrupted removal is still known for ours, and made for
# nothing.
remove_folder() {
	: >"$1/$mark"
	find "$1" -mindepth 1 ! -path "$1/$mark" -delete
	rm -r "$1"
}

# Makes the links in the folder agree with the sources.
link_sources() {
	was=$folder/.sources
	sources >"$was.new"
	[ -f "$was" ] || : >"$was"
	if ! cmp -s "$was" "$was.new"; then
		LC_ALL=C comm -23 "$was" "$was.new" | while read -r name; do
			rm -f "$folder/$name"
			forget "$name"
		done
		LC_ALL=C comm -13 "$was" "$was.new" | while read -r name; do
			mkdir -p "$folder/$(dirname "$name")"
			# A folder was there.
			[ -L "$folder/$name" ] || rm -rf "${folder:?}/$name"
			ln -sfT "$PWD/$name" "$folder/$name"
		done
	fi
	mv "$was.new" "$was"
}

# A folder that was made for the same, or a new one.
make_folder() {
	# Kbuild itself would not see that the tools are others, or the tree's configuration.
	made_for="$PWD: $args $(cksum <"$kdir/.config")"
	if [ -f "$folder/$mark" ]; then
		[ -w "$folder" ] && [ -w "$folder/$mark" ] || not_writable "$folder"
		[ "$made_for" = "$(cat "$folder/$mark")" ] || remove_folder "$folder"
	elif [ -e "$folder" ] && ! rmdir "$folder" 2>/dev/null; then
		fail "$PWD/$folder is not what make has made; move it away"
	fi
	if [ ! -e "$folder" ]; then
		mkdir "$folder"
		printf '%s\n' "$made_for" >"$folder/$mark"
	fi
}

# No file of the user's is replaced by a link, and no name breaks Kbuild.
check_modules() {
	for source in modules/*.rs tests/modules/*.rs; do
		case $(basename "$source" .rs) in
		'*') ;;
		*[!A-Za-z0-9_-]* | -*)
			fail "$source cannot be a module's name; letters, digits and _ make one" ;;
		esac
	done
	for module in $(modules); do
		link=$module.ko
		if { [ -e "$link" ] || [ -L "$link" ]; } && ! is_ours "$link"; then
			fail "$PWD/$link was not made by make, and would be replaced; move it away, or remove it"
		fi
	done
}

# The modules at the top of the checkout are those of this folder.
link_modules() {
	for module in $(modules); do
		[ ! -f "$folder/$module.ko" ] || ln -sfT "$folder/$module.ko" "$module.ko"
	done
	ln -sfT "$(basename "$folder")" "$all/last"
}

# Removes the links to modules: all of them, or those whose sources are gone.
unlink_modules() {
	for link in *.ko; do
		if is_ours "$link" && { [ "$1" = all ] || [ ! -f "modules/${link%.ko}.rs" ]; }; then
			rm -f "$link"
		fi
	done
}

what=${1:-}
case $what/$# in
clean/1)
	[ ! -d "$all" ] || lock
	unlink_modules all
	for folder in "$all"/*; do
		[ -L "$folder" ] || [ ! -f "$folder/$mark" ] || remove_folder "$folder"
	done
	[ ! -L "$all/last" ] || [ -e "$all/last" ] || rm -f "$all/last"
	exit
	;;
folder/3 | how/3 | check-link/3 | check-panics/3 | modules/3 | modules_install/3 | clippy/3) ;;
*) fail "usage: $0 modules|modules_install|clippy|folder|how|check-link|check-panics KDIR ARCH, or $0 clean" ;;
esac

kdir=$2 arch=$3
case ${DEBUG_INFO:-} in
'' | n) debug_info= ;;
y) debug_info=y ;;
*) fail "DEBUG_INFO=$DEBUG_INFO is neither y nor n" ;;
esac
# Beside those without it, which need not be built again.
folder=$all/$arch-$(printf %s "$kdir" | cksum | cut -d' ' -f1)${debug_info:+-g}
if [ "$what" = folder ]; then
	echo "$PWD/$folder"
	exit
fi

args=$(scripts/check-kdir.sh "$kdir" "$arch")
case $what in
how | check-link | check-panics)
	# The names by which the kernel's Makefile calls them.
	for word in $args; do
		value=${word#*=}
		case $word in
		LLVM=-*) cc=clang$value ar=llvm-ar$value ;;
		LLVM=*/) cc=${value}clang ar=${value}llvm-ar ;;
		LLVM=?*) cc=clang ar=llvm-ar ;;
		CROSS_COMPILE=?*) cc=${value}gcc ar=${value}ar ;;
		RUSTC=*) rustc=$value ;;
		LKM_CLANG=*) cc=$value ;;
		LKM_LLVM_AR=*) ar=$value ;;
		esac
	done
	how=$(lkm/link/how.sh "${cc:-gcc}" "$rustc" "${ar:-ar}" "${LTO:-}" "$kdir/.config")
	if [ "$what" = how ]; then
		echo "$how"
		exit
	fi
	case $how in
	objects*)
		echo "rlkm: no $what: modules are linked of $how"
		exit
		;;
	esac
	set -- "$folder"/modules/*.linked.o
	[ -f "$1" ] || fail "$PWD/$folder has no modules; build them first, with make"
	if [ "$what" = check-link ]; then
		exec scripts/check-link.sh "${ar%llvm-ar*}llvm-objdump${ar##*llvm-ar}" "$@"
	fi
	set -- "$folder"/modules/*.linked.o.bc
	exec scripts/check-panics.sh "$kdir" "$PWD/$folder" "${ar%llvm-ar*}llvm-link${ar##*llvm-ar}" "$@"
	;;
esac
[ "$what" != clippy ] || folder=$folder-clippy
check_modules
lock
make_folder
link_sources
case $what in
modules)
	unlink_modules gone
	# shellcheck disable=SC2086 # words
	kbuild "${MAKE:-make}" $args modules
	link_modules
	;;
clippy)
	# rustfmt and clippy come from where rustc does.
	PATH=/usr/bin:$PATH
	# shellcheck disable=SC2086
	kbuild "${MAKE:-make}" -s $args CLIPPY=1 TESTS=y modules
	;;
modules_install)
	set -- "${INSTALL_MOD_PATH:+INSTALL_MOD_PATH=$INSTALL_MOD_PATH}" "${MODLIB:+MODLIB=$MODLIB}" \
		"${INSTALL_MOD_DIR:+INSTALL_MOD_DIR=$INSTALL_MOD_DIR}"
	# shellcheck disable=SC2086,SC2048
	kbuild "${MAKE:-make}" $args modules_install $*
	;;
esac
