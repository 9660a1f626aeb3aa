#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# What `make demo` does in the guest, each command printed before it runs.
# `make shell` gives a shell in which the same can be tried by hand.
set -e

run() {
	echo "\$ $*"
	"$@"
}

# What the kernel has printed since the last call.
news() {
	dmesg -c
	echo
}

dmesg -c >/tmp/boot-messages
for module in /modules/*.ko; do
	run insmod "$module"
	run news
done

run lsmod
echo
run ls -l /dev/simrupt
run simrupt --count 20
echo
run simrupt --stats
dmesg -c >/tmp/messages
run tail -n 6 /tmp/messages
echo

for module in /modules/*.ko; do
	run rmmod "$(basename "$module" .ko)"
done
run news
