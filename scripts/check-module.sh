#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Usage: check-module.sh SOURCE DEPFILE RUSTC [ARGUMENT...]
#
# Makes sure that the module whose main file is SOURCE is safe Rust, which Kbuild
# asks before it compiles it with RUSTC and these arguments: one line on stderr for
# each word that a module may not say, and status 1. The compiler's own lint does not
# know all of them, and is silent in what a macro expands to. What is looked at is
# whatever the compiler would read, so it is asked first, and DEPFILE says it; a file
# from outside of SOURCE's folder is refused as a whole.
set -euo pipefail

source=$1 depfile=$2
shift 2
folder=${source%/*}

# Other attributes and macros of that kind are unstable, and no module has a feature.
export words='unsafe extern asm global_asm no_mangle export_name link_section link_name
	linkage global_allocator panic_handler'

# As rustc takes a file apart, as far as that tells code from comments and literals. What
# rustc does not accept anyway (a prefix that it does not know, a character literal of
# two) may be taken for anything.
export lexer='
	function refuse(what, why) {
		printf "rlkm: %s:%d: `%s`: %s\n", ENVIRON["file"], NR, what, why >"/dev/stderr"
		failed = 1
	}
	function check(word) {
		if (word in forbidden)
			refuse(word, "a module is safe Rust over lkm and cannot have this; what needs it belongs into lkm")
	}
	function skip(count) { before = substr(rest, 1, count); rest = substr(rest, count + 1) }

	BEGIN {
		split(ENVIRON["words"], list)
		for (n in list)
			forbidden[list[n]]
		is_rust = ENVIRON["file"] ~ /\.rs$/
		identifier = "^(r#)?[A-Za-z_][0-9A-Za-z_]*"
	}

	# Data, or code all the same, by include! or #[path].
	!is_rust {
		count = split($0, list, /[^0-9A-Za-z_]+/)
		for (n = 1; n <= count; n++)
			check(list[n])
		next
	}

	NR == 1 {
		sub(/^\357\273\277/, "")
		if (/^#!/ && !/^#!\[/)
			refuse("#!", "a module is no script; begin with its // SPDX-License-Identifier")
	}

	{
		rest = $0
		suffix = 0
		while (rest != "") {
			if (comment) {
				if (!match(rest, /\/\*|\*\//))
					break
				comment += substr(rest, RSTART, 1) == "/" ? 1 : -1
				rest = substr(rest, RSTART + 2)
			} else if (string) {
				if (!match(rest, /["\\]/))
					break
				suffix = substr(rest, RSTART, 1) == "\""
				string = !suffix
				rest = substr(rest, RSTART + 1 + string)
			} else if (raw) {
				if (!(at = index(rest, raw)))
					break
				rest = substr(rest, at + length(raw))
				raw = ""
				suffix = 1
			} else if (suffix) {
				# Part of the literal before it, and no prefix of one after it.
				suffix = 0
				if (match(rest, /^[0-9A-Za-z_]+/))
					skip(RLENGTH)
			} else if (match(rest, /^[ \t\r\f\v]+/)) {
				rest = substr(rest, RLENGTH + 1)
			} else if (rest ~ /^\/\//) {
				break
			} else if (rest ~ /^\/\*/) {
				comment = 1
				rest = substr(rest, 3)
			} else if (match(rest, /^(b|c)?"/)) {
				skip(RLENGTH)
				string = 1
			} else if (match(rest, /^(b|c)?r#*"/)) {
				skip(RLENGTH)
				gsub(/[^#]/, "", before)
				raw = "\"" before
			} else if (match(rest, /^\047(\\.[^\047]*|[^\\\047\200-\377]|[\300-\377][\200-\277]+)\047/)) {
				skip(RLENGTH)
				suffix = 1
			} else if (match(rest, /^\047[0-9A-Za-z_]+/) || match(rest, /^[0-9][0-9A-Za-z_]*/)) {
				skip(RLENGTH)
			} else if (match(rest, identifier)) {
				name = substr(rest, 1, RLENGTH)
				sub(/^r#/, "", name)
				check(name)
				if ((name == "kernel" || name == "macros") && (before == "use" || before != ":" && substr(rest, RLENGTH + 1) ~ /^[ \t]*::/))
					refuse(name, "a module does not have this crate, but lkm, uapi, alloc and core; what needs it belongs into lkm")
				skip(RLENGTH)
			} else if (match(rest, /^[\200-\377]+/)) {
				refuse(substr(rest, 1, RLENGTH), "outside of comments and literals a module is plain ASCII; spell it so")
				break
			} else {
				skip(1)
			}
		}
	}

	END { exit failed }'

# Without the crates that it uses. What fails here fails again when it is compiled, which
# says why; but of a file that lies where Kbuild is not, it says that there is none.
rm -f "$depfile"
said=$("$@" -Zbinary-dep-depinfo=n --emit=dep-info="$depfile" "$source" 2>&1) || [ -f "$depfile" ] ||
	echo "$source: $source" >"$depfile"

failed=0 own=() others=()
# A line without a colon is part of a name that has a newline in it: no file of ours.
mapfile -t files < <({
	sed -n -e '/^[^:][^:]*$/p' -e 's/^[^#:]*: //p' "$depfile" | tr ' ' '\n'
	sed -n "s|^error: couldn't read \($folder/[^:]*\): .*|\1|p" <<<"$said" | grep -F /../
} | LC_ALL=C sort -u)
for file in "${files[@]}"; do
	case $file in
	"$folder"/../* | "$folder"/*/../*) others+=("$file") ;;
	"$folder"/*) own+=("$file") ;;
	*) others+=("$file") ;;
	esac
done
for file in "${own[@]}"; do
	# Not every awk reads on after a NUL.
	tr '\0' ' ' <"$file" | file=$file LC_ALL=C awk "$lexer" || failed=1
done
for file in "${others[@]}"; do
	line=$(grep -nF -m 1 -- "${file##*/}" "${own[@]}" /dev/null | cut -d: -f1,2 | sed 1q) || line=
	echo "rlkm: ${line:-$source}: \`${file##*/}\`: it is not in $folder, where all that a module is made of belongs; move $file there" >&2
	failed=1
done
exit $failed
