#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Usage: how.sh CC RUSTC AR LTO CONFIG
#
# Prints how modules are linked with these tools, and why: "bitcode, as ..." or
# "objects, as ...". What rustc writes can be read by a clang whose LLVM is as
# old or newer. Of objects, Rust's functions are as rustc makes them: what the
# tree whose configuration is in the file CONFIG has for C's alone is named.
set -eu

cc=$1 rustc=$2 ar=$3 lto=$4 config=$5

objects() {
	lacks=$(sed -n -E "s/^CONFIG_($for_c)=y\$/\1/p" "$config" | paste -sd ' ')
	echo "objects, as $1${lacks:+; Rust has not what C has by $lacks}"
	exit
}

for_c='STACKPROTECTOR|STACKPROTECTOR_STRONG|ZERO_CALL_USED_REGS|ARM64_PTR_AUTH_KERNEL|ARM64_BTI_KERNEL'
for_c="$for_c|RETHUNK|SLS|X86_KERNEL_IBT"

major() {
	sed -n "s/^\(.* \)\{0,1\}$1 version:\{0,1\} \([0-9]*\)\..*/\2/p" | head -n 1
}

case $lto in
'' | y) ;;
n) objects "LTO=n says so" ;;
*) objects "LTO=$lto is neither y nor n" ;;
esac
# Not quoted: these may be a command with its arguments.
clang=$($cc --version 2>/dev/null | major clang)
llvm=$($rustc -vV 2>/dev/null | major LLVM)
[ -n "$clang" ] || objects "$cc is no clang"
[ "$clang" -ge "${llvm:-999}" ] || objects "clang $clang cannot read what $rustc writes with LLVM $llvm"
for tool in llvm-link opt; do
	path=$(echo "$ar" | sed "s/llvm-ar/$tool/")
	command -v "$path" >/dev/null || objects "there is no $path beside $cc"
done
echo "bitcode, as clang $clang reads what rustc writes with LLVM $llvm"
