#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Usage: check-link.sh OBJDUMP FILE.linked.o...
#
# Makes sure that the compiler has linked modules as their sources say. A helper
# of lkm's is a call in code that is not cold only if it is `noinline` or `__cold`.
# What is cold and has several callers is there once, and not copied to each.
# Names what is otherwise, with status 1. What was compiled is in
# FILE.linked.o.same.ll, beside it.
set -euo pipefail

objdump=$1
shift

found=0
for object; do
	faults=$({
		cat "$object.same.ll"
		"$objdump" -d -r --no-show-raw-insn "$object"
	} | awk -v module="$(basename "$object" .linked.o)" '
		/^define / && match($0, /@[A-Za-z0-9_.$]+\(/) {
			caller = substr($0, RSTART + 1, RLENGTH - 2)
			if (match($0, / #[0-9]+ (comdat |section |align )?.*\{$/))
				group[caller] = $0
			sub(/.* #/, "#", group[caller])
			sub(/[ {].*/, "", group[caller])
		}
		/^}/ { caller = "" }
		caller && match($0, /call .*@[A-Za-z0-9_.$]+\(/) {
			callee = substr($0, RSTART, RLENGTH - 1)
			sub(/.*@/, "", callee)
			if (!((callee, caller) in called)) {
				called[callee, caller]
				callers[callee]++
			}
		}
		/^attributes / { said[$2] = $0 }

		/^Disassembly of section / { is_cold = / \.text\.unlikely|\.(init|exit)\.text/ }
		/^[0-9a-f]+ <.*>:$/ { within = $2; gsub(/[<>:]/, "", within); there[within] = 1; next }
		within && !is_cold && match($0, /[< \t]lkm_[a-z0-9_]+/) {
			name = substr($0, RSTART + 1, RLENGTH - 1)
			if (name != within && said[group[name]] !~ / (noinline|cold) /)
				left[name " in " within]
		}
		END {
			for (what in left)
				print module ": a helper that is no cold one is left as a call: " what
			for (name in callers)
				if (group[name] && said[group[name]] ~ / cold / && callers[name] > 1 && !(name in there))
					print module ": a cold function is copied to " callers[name] " callers: " name
		}' | LC_ALL=C sort | c++filt)
	if [ -n "$faults" ]; then
		sed 's/^/rlkm: /' <<<"$faults" >&2
		found=1
	fi
done
exit $found
