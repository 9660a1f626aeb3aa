# SPDX-License-Identifier: GPL-2.0
#
# Usage: awk [-v no_tail_calls=1] -f attributes.awk ORDINARY.ll MODULE.ll
#
# Prints LLVM's text of a module in which every function has the attributes
# that the first one of ORDINARY.ll has, an ordinary function of C's. They say
# how code is made for it: stack protector, return thunks, frame pointer. The
# tree has chosen them for C, and where they are not the same LLVM does not
# inline one function into the other. What else is said of a function, such as
# that it is cold, stays.

$1 != "attributes" {
	if (FNR != NR)
		print
	next
}

FNR == NR {
	# `ftrace` is not for these: Kbuild does not note where they would call it.
	gsub(/ "(patchable-function|fentry-call|mrecord-mcount|instrument-function|disable-tail-calls)[^" ]*"(="[^"]*")?/, "")
	if (common == "" && match($0, /\{ .* \}/))
		common = substr($0, RSTART + 1, RLENGTH - 2) (no_tail_calls ? " \"disable-tail-calls\"=\"true\"" : "")
	next
}

{
	gsub(/ "[^"]*"(="[^"]*")?/, "")
	sub(/ = \{/, " = {" common)
	# Seldom called: better small than fast.
	sub(/ cold /, " cold minsize optsize ")
	print
}
