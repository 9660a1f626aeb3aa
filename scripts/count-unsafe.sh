#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Usage: count-unsafe.sh
#
# Counts what is unsafe in each file of lkm. Status 1 if a block or an impl has no
# `// SAFETY:` right before it. Clippy looks for these, too, but not into the macros
# that modules expand. (That a module has nothing unsafe is for Kbuild to say.)
set -euo pipefail

find lkm -name '*.rs' ! -name '*_generated.rs' | LC_ALL=C sort | xargs awk '
	function row(name, file) {
		printf "%-24s %6d %9d %5d %6d\n", name, blocks[file], functions[file], impls[file], traits[file]
	}
	BEGIN { printf "%-24s %6s %9s %5s %6s\n", "unsafe in", "blocks", "functions", "impls", "traits" }
	FNR == 1 {
		file = FILENAME
		files[++count] = file
		reason = -9
	}
	/\/\/ SAFETY:/ { reason = FNR }
	{ sub(/\/\/.*/, "") }
	# A reason may go on for some lines, and so may the statement that it is for.
	/unsafe (\{|impl)/ && FNR - reason > 4 {
		printf "rlkm: %s:%d: unsafe without a // SAFETY: before it, which says why it is sound\n", FILENAME, FNR >"/dev/stderr"
		failed = 1
	}
	{
		blocks[file] += gsub(/unsafe \{/, "")
		functions[file] += gsub(/unsafe (extern "C" )?fn [a-z_]/, "")
		impls[file] += gsub(/unsafe impl/, "")
		traits[file] += gsub(/unsafe trait /, "")
	}
	END {
		for (n = 1; n <= count; n++) {
			file = files[n]
			row(file, file)
			blocks["lkm"] += blocks[file]
			functions["lkm"] += functions[file]
			impls["lkm"] += impls[file]
			traits["lkm"] += traits[file]
		}
		row("all of lkm", "lkm")
		exit failed
	}'
