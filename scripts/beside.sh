#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Usage: beside.sh NAME COMMAND... -- COMMAND...
#
# Runs the two commands at the same time. The second one's output is seen as it
# comes; that of the first, called NAME, once both have ended, or when it fails.
# The failure of one, or a signal, ends the other as well. Neither can ask
# anything.
set -euo pipefail

name=$1 first=()
shift
while [ "$1" != -- ]; do
	first+=("$1")
	shift
done
shift

said=$(mktemp)
groups=()
# Each command is a process group, with all that it has started.
set -m
end() {
	local group
	for group in "${groups[@]}"; do
		kill -TERM -- "-$group" 2>/dev/null || true
	done
	# Without -m, bash does not tell of those that were ended.
	set +m
	wait
}
trap 'end; rm -f "$said"' EXIT
for signal in HUP INT TERM; do
	# shellcheck disable=SC2064 # this one
	trap "trap - $signal; end; rm -f '$said'; kill -$signal \$\$" $signal
done

"${first[@]}" >"$said" 2>&1 </dev/null &
groups+=($!)
"$@" </dev/null &
groups+=($!)

status=0 ended=
wait -n -p ended || status=$?
if [ $status = 0 ]; then
	# Nothing is seen of the first one.
	if [ "$ended" = "${groups[1]}" ]; then
		{ sleep 1 && echo "rlkm: waiting for $name" >&2; } &
		groups+=($!)
		ended=${groups[0]}
	else
		ended=${groups[1]}
	fi
	wait "$ended" || status=$?
fi
end
if [ $status = 0 ] || [ "$ended" = "${groups[0]}" ]; then
	cat "$said" >&2
fi
if [ $status != 0 ] && [ "$ended" = "${groups[0]}" ]; then
	echo "rlkm: $name: failed with status $status" >&2
fi
exit $status
