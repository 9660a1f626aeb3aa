#!/bin/busybox sh
# PID 1 of the lab's guest: mounts what programs expect, runs /lab/command, powers off.
#
# The lab writes these files for a run:
#   /lab/command
#   /lab/drivers   modules of the kernel's own, if it has the lab's ports as such
#   /lab/end       unless the command is to have the console: a random text that is sent after the
#                  command's output, so that the lab knows that it has all of it
#   /lab/console   if a shell is to wait on the console
#   /lab/kmemleak  if leaked memory is looked for after the command
#   /lab/no_stdin  if the command's stdin is /dev/null
#
# If /lab/reseed is there, these files and what else is of one run are not yet: the guest waits for
# them at the port lab.files. In that state it is kept, and goes on from there more than once.

export PATH=/bin:/usr/bin:/sbin:/usr/sbin HOME=/ TERM=linux

# Ends the guest; what is said lands in the console log.
give_up() {
    echo "lab: $1"
    poweroff -f
}

# Mounts a file system if this kernel has it.
mount_known() {
    if grep -qw "$1" /proc/filesystems; then
        mkdir -p "$2"
        mount -t "$1" "$1" "$2" || give_up "cannot mount $1 on $2"
    fi
}

/bin/busybox mount -t proc proc /proc
/bin/busybox --install -s /bin
mount_known sysfs /sys
mount_known devtmpfs /dev
mount_known devpts /dev/pts
mount_known tmpfs /tmp
mount_known debugfs /sys/kernel/debug
# The kernel only logs that, and goes on without the rest of the files.
if dmesg | grep -q 'Initramfs unpacking failed'; then
    give_up "the guest's files do not fit into its memory; give it more with --memory"
fi

ln -s /proc/self/fd /dev/fd
ln -s fd/0 /dev/stdin
ln -s fd/1 /dev/stdout
ln -s fd/2 /dev/stderr

for driver in /lab/drivers/*; do
    [ ! -e "$driver" ] || insmod "$driver" || give_up "cannot load the kernel's own $driver"
done

if [ ! -e /lab/end ] && [ ! -e /lab/reseed ]; then
    read -r console </sys/class/tty/console/active
    # A session of its own with a controlling terminal: Ctrl-C and job control work.
    setsid -c sh /lab/command <"/dev/${console##* }" >"/dev/${console##* }" 2>&1
    poweroff -f
fi

# A shell for whoever presses Enter there; it may be left, and come back to.
if [ -e /lab/console ]; then
    read -r console </sys/class/tty/console/active
    console=/dev/${console##* }
    # Not by &: Ctrl-C would be ignored in all that is started there.
    start-stop-daemon -S -b -x /bin/sh -- -c '
        while read -r _ || usleep 100000; do
            setsid -c sh -l
        done <"$0" >"$0" 2>&1' "$console"
fi

# The kernel learns of the ports from QEMU one by one, in their order: once the last is here, all are.
tries=0
until grep -qsx lab.status /sys/class/virtio-ports/*/name; do
    tries=$((tries + 1))
    [ $tries -lt 2000 ] || give_up "no virtio port lab.status; are CONFIG_VIRTIO_CONSOLE and the virtio bus on?"
    usleep 5000
done
for port in /sys/class/virtio-ports/*; do
    read -r name <"$port/name"
    case $name in
    lab.stdin) stdin=/dev/${port##*/} ;;
    lab.stdout) stdout=/dev/${port##*/} ;;
    lab.stderr) stderr=/dev/${port##*/} ;;
    lab.files) files=/dev/${port##*/} ;;
    lab.status) status=/dev/${port##*/} ;;
    esac
done

exec 3<"$stdin" 4>"$stdout" 5>"$stderr" 6<>"$status"

if [ -e /lab/reseed ]; then
    exec 7<"$files"
    echo booted >&6
    # From here on a guest is one of several with the same past. What is random is to be its own, and
    # the time, where there was a clock at boot, is not to be that of its boot.
    read -r random now <&7
    echo "$random" >/dev/random
    /lab/reseed </dev/random || give_up "cannot draw new random numbers: status $?"
    [ "$(date +%Y)" = 1970 ] || date -s "@$now" >/dev/null
    (cd / && cpio -i <&7) 2>/tmp/cpio ||
        give_up "the guest's files do not fit into its memory; give it more with --memory: $(tail -n 1 /tmp/cpio)"
    rm /tmp/cpio /lab/reseed
    exec 7<&-
fi
# This write waits until the host's end of the status port is there, and with it those of the others.
echo run >&6

kmemleak=/sys/kernel/debug/kmemleak

# Prints what kmemleak finds, and fails if that is anything. Of threads whose names begin with a line
# of /tmp/leaks, which the command may write, it is on purpose.
no_leaks() {
    if [ ! -e $kmemleak ]; then
        echo "lab: this kernel cannot look for leaked memory; is it built with CONFIG_DEBUG_KMEMLEAK?" >&2
        return 1
    fi
    # It reports what is 5 s old and has not changed since the scan before, which takes its time too.
    # A signal ends a scan, as that of a child that has slept does: so it is another process's.
    sleep 5 &
    (echo scan >$kmemleak) && wait && echo scan >$kmemleak || return 1
    touch /tmp/leaks
    if ! awk '
        FILENAME == "/tmp/leaks" { names[$0]; next }
        /^unreferenced object/ { n++ }
        { text[n] = text[n] $0 "\n" }
        /^  comm "/ {
            for (name in names)
                if (index($0, "  comm \"" name) == 1) on_purpose[n] = 1
        }
        END {
            for (; n > 0; n--)
                if (!on_purpose[n]) { printf "%s", text[n]; found = 1 }
            exit found
        }' /tmp/leaks $kmemleak >&2; then
        echo "lab: that memory is leaked: allocated, and nothing refers to it any more" >&2
        return 1
    fi
}

# Runs the command and ends the guest, once the lab has answered that it read everything.
serve() {
    [ ! -e /lab/no_stdin ] || exec </dev/null
    setsid sh /lab/command 3<&- 4>&- 5>&- 6>&-
    result=$?
    if [ -e /lab/kmemleak ] && ! no_leaks && [ $result = 0 ]; then
        result=123
    fi
    cat /lab/end
    cat /lab/end >&2
    echo "status $result" >&6
    read -r _ <&6
    poweroff -f
}

# Pipes between the ports and the command: a port can be opened once at a time, and programs do
# open /dev/stdin and /dev/stderr. 7 is the outer pipe, as the inner one takes serve's stderr.
cat <&3 | { serve 2>&1 >&7 7>&- | cat >&5 7>&-; } 7>&1 | cat >&4
give_up "a relay or the end of the command was killed"
