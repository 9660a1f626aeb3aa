#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Usage: check-panics.sh MODULE.ko...
#
# Names each function that can panic, with what it would call; status 1 if there
# is any.
#
# The sort of Rust's core library checks indices that it has made itself, and a
# wrong one would be a bug of core's. So core::slice::sort may have panics, as
# long as they are in functions of its own.
set -euo pipefail

panic='panick|_fail(ed)?$|capacity_overflow'
core_sort='^_RI?NvNtNtCs[0-9a-zA-Z]*_4core5slice4sort'

# Sections by number, then functions by address, then what calls a panic.
panics() {
	readelf -SW "$1" | sed -nE 's/^ *\[ *([0-9]+)\] ([^ ]+) .*/section \1 \2/p'
	readelf -sW "$1" | awk '$4 == "FUNC" { print "function", $7, $2, $8 }' | LC_ALL=C sort
	readelf -rW "$1" | awk -v panic="$panic" '
		$1 == "Relocation" { section = $3 }
		length($1) == 16 && $5 ~ panic { print "call", section, $1, $5 }' | tr -d \'
}

# Addresses are compared as strings of 16 digits: not every awk knows hexadecimal.
callers='
	$1 == "section" { of[".rela" $3] = $2 }
	$1 == "function" { n = ++count[$2]; address[$2, n] = $3 ""; name[$2, n] = $4 }
	$1 == "call" {
		section = of[$2]
		caller = "data in " $2
		for (n = 1; n <= count[section]; n++)
			if (address[section, n] <= $3 "")
				caller = name[section, n]
		if (caller !~ core_sort)
			print caller " calls " $4
	}'

found=0
for module; do
	while read -r line; do
		echo "rlkm: $module can panic: $line" >&2
		found=1
	done < <(panics "$module" | awk -v core_sort="$core_sort" "$callers" | sort -u | c++filt)
	# What is not found among the calls is there all the same.
	undefined=$(nm --undefined-only "$module" | awk -v panic="$panic" '$2 ~ panic' | wc -l)
	called=$(panics "$module" | awk '$1 == "call" { print $4 }' | sort -u | wc -l)
	if [ "$undefined" != "$called" ]; then
		echo "rlkm: $module: $undefined panics, of which $called are called; see scripts/check-panics.sh" >&2
		found=1
	fi
done
exit $found
