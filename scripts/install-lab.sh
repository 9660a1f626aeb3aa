#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Usage: install-lab.sh LAB ROOT
#
# Installs the program LAB below ROOT, which is DESTDIR and PREFIX, with its
# completions and manual pages. Nothing is written if a file of another program
# is in the place of one of these.
set -eu

lab=$1 root=$2

fail() {
	printf 'rlkm: %s\n' "$1" >&2
	exit 1
}

stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
share=$stage/share
for folder in bash-completion/completions zsh/site-functions fish/vendor_completions.d; do
	mkdir -p "$share/$folder"
done
"$lab" completions bash >"$share/bash-completion/completions/lab"
"$lab" completions zsh >"$share/zsh/site-functions/_lab"
"$lab" completions fish >"$share/fish/vendor_completions.d/lab.fish"
"$lab" man "$share/man/man1"
mkdir "$stage/bin"
# Its debug information is several times as large as all else.
strip -o "$stage/bin/lab" "$lab"

files=$(cd "$stage" && find . -type f | sed 's,^\./,,' | sort)
# All of ours name rlkm, or the verbs.
for file in $files; do
	if [ -d "$root/$file" ]; then
		fail "$root/$file is a folder, and is to be a file; move it, or give another PREFIX"
	elif [ -e "$root/$file" ] && ! grep -qae 'rlkm [0-9]' -e 'lockstat' "$root/$file"; then
		fail "$root/$file is of another program; move it, or give another PREFIX"
	fi
	above=$root/$file
	until [ -e "$above" ]; do
		above=$(dirname "$above")
	done
	[ -d "$above" ] || [ "$above" = "$root/$file" ] ||
		fail "$root/$file cannot be made: $above is no folder; move it, or give another PREFIX"
done
for file in $files; do
	case $file in
	bin/*) mode=755 ;;
	*) mode=644 ;;
	esac
	install -D -m "$mode" "$stage/$file" "$root/$file"
done
echo "rlkm: installed $root/bin/lab, its completions and manual pages" >&2
