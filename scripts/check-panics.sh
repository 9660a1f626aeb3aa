#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Usage: check-panics.sh KDIR FOLDER LLVM-LINK MODULE.linked.o.bc...
#
# Names what can panic in each module, of which there is the bitcode; status 1 if
# anything can. LLVM-LINK is llvm-link, beside which opt, llc and llvm-nm are. FOLDER is where the
# modules were built, and where what is kept between two checks goes.
#
# A module is linked with core and alloc, and optimised: what then still refers to
# the panic handler, or to a trap, can panic. So can what has the compiler call a
# function of compiler_builtins: the kernel's does nothing but panic. Overflow is checked as the tree has it,
# but not within core: its own sums do not overflow, as the core of every Rust program
# is compiled without that check; and LLVM does not see through all of them.
#
# Not for kernels with CONFIG_RUST_DEBUG_ASSERTIONS: what core and alloc assert there
# is inlined with them, and the compiler does not see through all of that either.
set -euo pipefail

kdir=$1 folder=$2 link=$3
shift 3
before=${link%llvm-link*} after=${link##*llvm-link}
opt=${before}opt$after llc=${before}llc$after nm=${before}llvm-nm$after
crates='core alloc compiler_builtins'
kept=$folder/.panics
builtins=$kept/compiler_builtins.bc
mkdir -p "$kept"
# Where the tree has no Rust, a module has them in it.
if [ -f "$folder/lkm/stock/core.bc" ]; then
	crates=
	builtins=$folder/lkm/stock/compiler_builtins.bc
fi

# As the tree has compiled them, but to bitcode.
for crate in $crates; do
	commands=$kdir/rust/.$crate.o.cmd
	if [ ! -f "$commands" ]; then
		echo "rlkm: no check-panics: $kdir does not say how its core was compiled: there is no rust/.$crate.o.cmd"
		exit
	fi
	if [ "$kept/$crate.bc" -nt "$commands" ]; then continue; fi
	command=$(sed -n "1s/^cmd_rust.$crate.o := //p" "$commands" | sed 's/;.*//; s/ --emit=[^ ]*//g')
	[ "$crate" != core ] || command="$command -Coverflow-checks=n"
	(cd "$kdir" && eval "RUSTC_BOOTSTRAP=1 $command -Awarnings --emit=llvm-bc='$kept/$crate.bc.new'")
	mv "$kept/$crate.bc.new" "$kept/$crate.bc"
done
"$nm" --defined-only -j "$builtins" >"$kept/ends"
printf '%s\n' rust_begin_unwind __rust_alloc_error_handler llvm.trap >>"$kept/ends"

# Prints "CALLER calls CALLEE" of what is read, which is LLVM's text: for each of the
# module's own functions, named in the second file, what it mentions of core that
# mentions an end, which the first names, and so on. A table of functions counts as a
# function.
calls_of_panics() {
	awk '
		FILENAME == ARGV[1] { todo[++n] = $1; reached[$1]; next }
		FILENAME == ARGV[2] { own[$1]; next }
		# Types, which have names of functions in theirs.
		{ gsub(/%"[^"]*"/, "") }
		/^(define|@)/ {
			match($0, /@("[^"]*"|[A-Za-z0-9_.$]+)/)
			caller = substr($0, RSTART + 1, RLENGTH - 1)
			$0 = substr($0, RSTART + RLENGTH)
		}
		/^declare/ { caller = "" }
		caller != "" {
			while (match($0, /@("[^"]*"|[A-Za-z0-9_.$]+)/)) {
				callee = substr($0, RSTART + 1, RLENGTH - 1)
				$0 = substr($0, RSTART + RLENGTH)
				if (!((caller, callee) in seen)) {
					seen[caller, callee]
					callers[callee] = callers[callee] " " caller
				}
			}
		}
		END {
			for (i = 1; i <= n; i++) {
				many = split(callers[todo[i]], some)
				for (k = 1; k <= many; k++) {
					if (some[k] in own) print some[k], "calls", todo[i]
					else if (!(some[k] in reached)) {
						reached[some[k]]
						todo[++n] = some[k]
					}
				}
			}
		}' "$kept/ends" "$1" -
}

# Prints, as "@CALLER @END", who calls an end in assembly code: not all are in LLVM's text.
calls_in_code() {
	"$llc" -o - "$1" | awk -F '[^A-Za-z0-9_]+' '
		FILENAME == ARGV[1] { ends[$1]; next }
		/^[A-Za-z_].*:/ { caller = $1 }
		{ for (i = 1; i <= NF; i++) if ($i in ends && $i != caller) print "@" caller " @" $i }' "$kept/ends" -
}

status=0
for module; do
	name=$(basename "$module" .linked.o.bc)
	whole=$kept/$name
	parts=("$module")
	for crate in $crates; do parts+=("$kept/$crate.bc"); done
	"$link" --suppress-warnings -o "$whole.bc" "${parts[@]}"
	"$opt" -S -passes=internalize,globaldce -internalize-public-api-list=init_module,cleanup_module \
		-o "$whole.ll" "$whole.bc"
	if grep -qE '^declare .*@_R[A-Za-z0-9_]*_(4core|5alloc)' "$whole.ll"; then
		echo "rlkm: no check-panics of $name: its core is not the tree's; make clean, and build anew" >&2
		exit 1
	fi
	awk -f lkm/link/attributes.awk "$folder/lkm/link/ordinary.ll" "$whole.ll" >"$whole.same.ll"
	"$opt" -S '-passes=default<O2>' -o "$whole.ll" "$whole.same.ll"
	case $crates in
	'') "$nm" --defined-only -j "${module%.linked.o.bc}.bc" "$folder/lkm/rust.bc" >"$whole.own" ;;
	*) "$opt" -S -o - "$module" | sed -n 's/^define .*@\("[^"]*"\|[A-Za-z0-9_.$]*\)(.*/\1/p' >"$whole.own" ;;
	esac
	calls_in_code "$whole.ll" >"$whole.code"
	cat "$whole.code" "$whole.ll" | calls_of_panics "$whole.own" >"$whole.calls"
	if [ -s "$whole.calls" ]; then
		status=1
		sort -u "$whole.calls" | c++filt | sed -E "s/\[[0-9a-f]{8,}\]//g; s/^/rlkm: $name can panic: /" >&2
	fi
	rm "$whole".*
done
exit $status
