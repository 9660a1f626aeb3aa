# Prints strace's lines, each behind `mark`, and the memory that an ioctl has used as a line of its own.

# The first run of a program takes its time.
BEGIN { system("dd if=/dev/null bs=1 skip=0 2>/dev/null | od -An -v -tx1 | tr -d ' '") }

{ print mark $0 }

# ioctl(3, _IOC(_IOC_READ, 0xe2, 0x1, 0x40), 0x7fe0
match($0, /ioctl\([0-9]+, _IOC\([A-Z_|]+, 0x[0-9a-f]+, 0x[0-9a-f]+, 0x[0-9a-f]+\), 0x[0-9a-f]+/) {
	words = split(substr($0, RSTART, RLENGTH), word, ", ")
	sub(/\)/, "", word[words - 1])
	asked[$1] = word[words] " " word[words - 1]
}

# strace holds the thread for a while. If it goes on all the same, its memory is not what the ioctl has left.
($1 in asked) && /ioctl.*\) += [0-9]/ {
	read = "set -- " $1 " " asked[$1] "; " \
		"dd if=/proc/$1/mem bs=1 skip=$(($2)) count=$(($3)) 2>/dev/null | od -An -v -tx1 | tr -d ' \\n'; " \
		"read -r call fd command argument rest </proc/$1/syscall; " \
		"[ $((argument)) = $(($2)) ] && echo ' held'"
	if ((read | getline bytes) > 0 && sub(/ held/, "", bytes))
		print mark $1 " memory " bytes
	close(read)
	delete asked[$1]
}

{ fflush() }
