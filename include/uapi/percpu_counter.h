/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * The ABI of /dev/percpu_counter: counters that each CPU has for itself.
 *
 * write(2) counts on the CPU that runs it, read(2) gives a table, and the
 * ioctls give the raw numbers.
 */
#ifndef _UAPI_RLKM_PERCPU_COUNTER_H
#define _UAPI_RLKM_PERCPU_COUNTER_H

#include <linux/ioctl.h>
#include <linux/types.h>

/* The counts of one CPU since it was last reset. */
struct percpu_counter_cpu {
	__u32 cpu;		/* in: its number */
	__u32 online;		/* out: 1 if it is online, else 0 */
	__u64 events;		/* out: writes, and steps of its thread */
	__u64 bytes;		/* out: bytes of the writes */
};

/* The sum over all CPUs, including those that are offline. */
struct percpu_counter_total {
	__u64 cpus;		/* one more than the highest number that a CPU can have */
	__u64 events;
	__u64 bytes;
};

#define PERCPU_COUNTER_IOC_MAGIC 0xE3
/* ENXIO if there cannot be a CPU of this number. */
#define PERCPU_COUNTER_GET_CPU _IOWR(PERCPU_COUNTER_IOC_MAGIC, 0x01, struct percpu_counter_cpu)
#define PERCPU_COUNTER_GET_TOTAL _IOR(PERCPU_COUNTER_IOC_MAGIC, 0x02, struct percpu_counter_total)
/* Sets all counts to 0; for files that are open for writing. */
#define PERCPU_COUNTER_RESET _IO(PERCPU_COUNTER_IOC_MAGIC, 0x03)

#endif /* _UAPI_RLKM_PERCPU_COUNTER_H */
