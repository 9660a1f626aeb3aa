# In the guest, with CMD as arguments: runs it, and prints what the kernel has counted of the locks
# of the modules that are loaded then.

if [ ! -e /proc/lock_stat ]; then
    echo 'lab: this kernel counts no locks; boot one with CONFIG_LOCK_STAT, such as --kernel debug' >&2
    exit 120
fi
echo 1 >/proc/sys/kernel/lock_stat
echo 0 >/proc/lock_stat
"$@"
status=$?
# What is done from here on is not counted.
echo 0 >/proc/sys/kernel/lock_stat

# A class is a module's if its key lies in it: `KEY FD: 1 BD: 1 ....: NAME`, `NAME SIZE … BASE …`.
sed -n 's/^\([0-9a-f]*\) FD:.*: /\1 /p' /proc/lockdep | while read -r key class; do
    while read -r _ size _ _ _ base _; do
        offset=$((0x$key - $base))
        if [ $offset -ge 0 ] && [ $offset -lt "$size" ]; then
            echo "$class"
        fi
    done </proc/modules
done >/tmp/lab.classes

# A row is `NAME: numbers`, or NAME-W and NAME-R; then come `NAME number place`, where it was
# waited for, between lines of dashes. The kernel cuts a name after 37 characters, a `#2` included.
awk '
    FILENAME == "/tmp/lab.classes" {
        if (match($0, /#[0-9]+$/))
            ours[substr(substr($0, 1, RSTART - 1), 1, 35) substr($0, RSTART)]
        else
            ours[substr($0, 1, 37)]
        next
    }
    FNR <= 4 { print; next }
    $1 ~ /^-+$/ { if (printing) print; next }
    NF < 4 { next }
    {
        name = $1
        sub(/:$/, "", name)
        sub(/-[RW]$/, "", name)
        printing = name in ours
        if (printing) print
    }
' /tmp/lab.classes /proc/lock_stat

if [ ! -s /tmp/lab.classes ]; then
    echo 'lab: no module is loaded now that has taken a lock; one that is removed takes its statistics with it' >&2
fi
if ! grep -q 'debug_locks: *1' /proc/lockdep_stats; then
    echo 'lab: lockdep has turned itself off, and nothing is counted from there on; dmesg says why' >&2
    exit 120
fi
exit $status
