#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# What `make demo` does in the guest; what matters is printed before it runs.
# `make shell` gives a shell in which the same can be tried by hand.
set -e

run() {
	echo "\$ $*"
	"$@"
}

dmesg -c >/tmp/boot-messages
for module in /modules/*.ko; do
	run insmod "$module"
	run dmesg -c
	echo
done
run lsmod
echo

run ksort 3 -1 2
run ksort --random 1000000 --check --time
echo

for node in /dev/misc_*; do
	run misc set "$(basename "$node")-says-hello" --node "$node"
	run misc get --node "$node"
	echo
done
run misc hammer --readers 2 --writers 1 --seconds 0.5 --node /dev/misc_rcu
run misc stats --node /dev/misc_rcu
echo

run percpu_counter count 12 --bytes 5 --cpu 0
run percpu_counter show
echo

run ls -l /dev/simrupt
run simrupt --count 20
echo
run simrupt --stats
echo '$ dmesg | tail -n 6' # the six lines of the last event
dmesg -c >/tmp/messages
tail -n 6 /tmp/messages
echo

for module in /modules/*.ko; do
	run rmmod "$(basename "$module" .ko)"
done
run dmesg -c
