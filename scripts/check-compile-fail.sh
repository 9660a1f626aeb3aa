#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Usage: check-compile-fail.sh KDIR FOLDER
#
# Compiles each file of tests/compile_fail as Kbuild has compiled the modules in
# FOLDER, for KDIR. A file must fail with one error, at the line that
# says `//~ ERROR` and with the code or words that follow there. One that says
# `//~ REFUSED`, there or in a file of the folder that has its name, must be refused
# before it is compiled, in one line with what follows there. One without such a line
# must compile. Status 1 if any does not.
set -euo pipefail

fail() {
	echo "rlkm: $*" >&2
	exit 1
}

kdir=$1
tests=$PWD/tests/compile_fail
folder=$(realpath "$2")
built=$folder/modules/.hello.bc.cmd
[ -f "$built" ] || built=$folder/modules/.hello.o.cmd
[ -f "$built" ] || fail "$built is not there, and says how modules are compiled; build them first, with make"

# "cmd_FILE := CHECK SOURCE DEPFILE COMMAND; …", as make reads it.
source=$folder/modules/hello.rs
command=$(sed -n 's/^cmd_[^ ]* := //p' "$built" | sed -e 's/; .*//' -e 's/\$\$/$/g')
check=${command%%" $source "*}
command=${command#"$check $source "}
command=${command#* }
case $check,$command in
*/check-module.sh,*" --crate-name hello "*) ;;
*) fail "$built does not say how $source was compiled; make clean, and build the modules again" ;;
esac

made=$(mktemp -d)
trap 'rm -rf "$made"' EXIT
# What is not for one file only. The variable is what Kbuild exports.
export RUSTC_BOOTSTRAP=1
command=$(sed -E 's/ --(crate-name|out-dir) [^ ]+//g' <<<"$command")
command+=" --out-dir $made --error-format=short"

# Says what is wrong with a file, if anything is.
fault() {
	local file=$1 said=$made/said status=0 marked errors place kind words name
	name=$(basename "$file" .rs)
	marked=$(grep -rn '//~ ' "$file" $(ls -d "${file%.rs}" 2>/dev/null)) || [ $? = 1 ]
	[ -d "${file%.rs}" ] || marked=${marked:+$file:$marked}
	place=$(cut -d: -f1,2 <<<"$marked") words=${marked#*//~ }
	kind=${words%% *} words=${words#* }

	(cd "$kdir" && eval "$check $file $made/depfile $command --crate-name $name") >"$said" 2>&1 || status=$?
	if [ $status != 0 ]; then
		errors=$(sed -n "s|^rlkm: ||p" "$said")
		[ "$kind" = REFUSED ] || { echo "is refused, and no line says //~ REFUSED"; return; }
	else
		(cd "$kdir" && eval "$command --crate-name $name --emit=metadata $file") >"$said" 2>&1 || status=$?
		errors=$(grep "^$tests/" "$said") || [ $? = 1 ]
		[ "$kind" != REFUSED ] || { echo "is not refused, and a line says that it must be: $words"; return; }
	fi
	[ $status = 0 ] || [ -n "$errors" ] || fail "rustc fails on its own: $(cat "$said")"

	if [ -z "$marked" ]; then
		[ $status = 0 ] || echo "does not compile, and no line says //~ ERROR"
	elif [ $status = 0 ]; then
		echo "compiles, and line ${place##*:} says that it must not: $words"
	elif [[ $marked == *$'\n'* || $errors == *$'\n'* ]]; then
		echo "has more than one error; a file for each tells which of them is missed"
	elif [[ $errors != "$place:"*"$words"* ]]; then
		echo "fails, but not at line ${place##*:} with: $words"
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
