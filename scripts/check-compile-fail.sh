#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Usage: check-compile-fail.sh KDIR
#
# Compiles each file of tests/compile_fail as Kbuild has compiled the modules,
# which are there, for KDIR. A file must fail with one error, at the line that
# says `//~ ERROR` and with the code or words that follow there; one without
# such a line must compile. Status 1 if any does not.
set -euo pipefail

fail() {
	echo "rlkm: $*" >&2
	exit 1
}

kdir=$1
tests=$PWD/tests/compile_fail
built=modules/.hello.o.cmd
[ -f "$built" ] || fail "$built is not there, and says how modules are compiled; build them first, with make"

# "cmd_FILE := COMMAND; …", as make reads it.
command=$(sed -n 's/^cmd_[^ ]* := //p' "$built" | sed -e 's/; .*//' -e 's/\$\$/$/g')
source=$PWD/modules/hello.rs
case $command in
*" --crate-name hello "*" $source") ;;
*) fail "$built does not say how $source was compiled; make clean, and build the modules again" ;;
esac

made=$(mktemp -d)
trap 'rm -rf "$made"' EXIT
# What is not for one file only. The variable is what Kbuild exports.
export RUSTC_BOOTSTRAP=1
command=$(sed -E 's/ --(crate-name|out-dir) [^ ]+| --emit=[^ ]+//g' <<<"${command% "$source"}")
command+=" --out-dir $made --emit=metadata --error-format=short"

# Says what is wrong with a file, if anything is.
fault() {
	local file=$1 marked errors said=$made/said status=0 line words
	marked=$(grep -n '//~ ERROR ' "$file") || [ $? = 1 ]
	(cd "$kdir" && eval "$command --crate-name $(basename "$file" .rs) $file") >"$said" 2>&1 || status=$?
	errors=$(sed -n "s|^$file:||p" "$said")
	[ $status = 0 ] || [ -n "$errors" ] || fail "rustc fails on its own: $(cat "$said")"
	line=${marked%%:*} words=${marked#*//~ ERROR }

	if [ -z "$marked" ]; then
		[ $status = 0 ] || echo "does not compile, and no line says //~ ERROR"
	elif [ $status = 0 ]; then
		echo "compiles, and line $line says that it must not: $words"
	elif [[ $marked == *$'\n'* || $errors == *$'\n'* ]]; then
		echo "has more than one error; a file for each tells which of them is missed"
	elif [[ $errors != "$line:"*": error"*"$words"* ]]; then
		echo "fails, but not at line $line with: $words"
	fi
}

failed=0 count=0
for file in "$tests"/*.rs; do
	count=$((count + 1))
	what=$(fault "$file")
	[ -n "$what" ] || continue
	echo "rlkm: ${file#"$PWD/"} $what" >&2
	cat "$made/said" >&2
	failed=1
done
[ $failed = 0 ] || exit 1
echo "rlkm: $count files compile, or do not, as they should"
