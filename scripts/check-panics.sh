#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Usage: check-panics.sh MODULE.ko...
#
# Names each function that can panic, with what it would call; status 1 if there
# is any.
#
# Not for kernels with CONFIG_RUST_DEBUG_ASSERTIONS: what core and alloc assert there
# is inlined with them, as in split_at_mut, and the compiler does not see through all
# of it. Other assertions of theirs are no calls, but a trap that has no name.
#
# What panics is a function of the kernel's core or alloc, and a .ko refers to it by
# its name. It may do so inside another: whichever of those that are compiled into the
# kernel is not known to be harmless is taken for one that panics.
set -euo pipefail

# Of core: fmt (but for what it does not do without floating point), memchr(), the tables of
# Unicode, UTF-8, how characters are counted, and numbers of at most 64 bits from strings.
core='^_RNv([MX](s[0-9A-Za-z]*_)?)?(N[tv])*Cs[0-9A-Za-z]+_4core'
harmless="$core(3fmt|5slice6memchr|7unicode|3str(8converts9from_utf8$|5count))"
harmless+="|${core}3num[ahstlmxyij]NtNtNtB[0-9A-Za-z]*_3str6traits7FromStr8from_str$"
panic='^_R.*_(4core|5alloc).*(9panicking|_fail|capacity_overflow|alloc_error)|^rust_begin_unwind$|^__rust_alloc_error_handler$|^__r(dl|g)_oom$'
panic+='|_4core3fmt(7nofloat|3num.*[no]NtB[0-9A-Za-z]*_8(Lower|Upper)Exp)'

# Lines "section address function NAME" and "section address call NAME" in the order
# of the code of $1; a section goes by its number. The calls are those of what panics,
# or is among $2.
functions_and_calls() {
	{
		readelf -SW "$1" | tr '[]' ' ' | awk '$3 == "RELA" { print "relocations", $2, $(NF - 1) }'
		readelf -sW "$1" | awk '$4 == "FUNC" { print "function", $7, $2, $8 }'
		readelf -rW "$1" | tr -d \' | awk '
			$1 == "Relocation" { print "section", $3 }
			length($1) == 16 { print "call", $1, $5 }'
	} | panics=$2 awk -v panic="$panic" '
		BEGIN { split(ENVIRON["panics"], names); for (n in names) is_one[names[n]] }
		$1 == "relocations" { number[$2] = $3 }
		$1 == "function" { print $2, $3, $1, $4 }
		$1 == "section" { section = number[$2] }
		$1 == "call" && ($3 in is_one || $3 ~ panic) { print section, $2, "x-call", $3 }' | LC_ALL=C sort
}

found=0
for module; do
	panics=$(nm --undefined-only "$module" | awk -v panic="$panic" -v harmless="$harmless" '
		$2 ~ panic || ($2 ~ /^_R.*_(4core|5alloc)/ && $2 !~ harmless) { print $2 }')
	[ -n "$panics" ] || continue
	found=1
	functions_and_calls "$module" "$panics" | awk '
		$1 != section { section = $1; caller = "data" }
		$3 == "function" { caller = $4 }
		$3 == "x-call" { print caller " calls " $4 }' |
		sort -u | c++filt | sed -E "s/\[[0-9a-f]{8,}\]//g; s|^|rlkm: $module can panic: |" >&2
done
exit $found
