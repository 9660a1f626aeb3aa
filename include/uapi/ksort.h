/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * The ABI of /dev/ksort: numbers that are sorted in the kernel.
 *
 * Each open file is a session of its own. write(2) adds numbers to its set, in
 * native byte order; read(2) gives the set sorted. The ioctls are about how,
 * and how long it took.
 */
#ifndef _UAPI_RLKM_KSORT_H
#define _UAPI_RLKM_KSORT_H

#include <linux/ioctl.h>
#include <linux/types.h>

/* The types of a number. */
#define KSORT_I32 0
#define KSORT_U32 1
#define KSORT_I64 2
#define KSORT_U64 3

/* The orders: the least number first, or the greatest. */
#define KSORT_UP 0
#define KSORT_DOWN 1

/* The algorithms. */
#define KSORT_AUTO 0		/* whichever of the others is the best for the set */
#define KSORT_HEAP 1		/* the kernel's own sort() */
#define KSORT_QUICK 2		/* quicksort, that falls back to heap sort */
#define KSORT_RADIX 3		/* by digits, from the least significant one */
#define KSORT_PARALLEL 4	/* the same, by several CPUs at a time */

/* The session's last sort; before the first one all are 0. */
struct ksort_stats {
	__u64 elements;		/* numbers that were sorted */
	__u64 copy_in_ns;	/* spent in copies from the user: all writes of the set */
	__u64 sort_ns;		/* from the start of the sort to its end */
	__u64 copy_out_ns;	/* spent in copies to the user: all reads of the set so far */
	__u32 algorithm;	/* that ran, so not KSORT_AUTO */
	__u32 workers;		/* threads that sorted */
};

/*
 * To set a value that is none of the above is EINVAL. The type cannot be set
 * while there are numbers in the set: EBUSY.
 */
#define KSORT_IOC_MAGIC 0xE4
#define KSORT_GET_TYPE _IOR(KSORT_IOC_MAGIC, 0x01, __u32)
#define KSORT_SET_TYPE _IOW(KSORT_IOC_MAGIC, 0x02, __u32)
#define KSORT_GET_ORDER _IOR(KSORT_IOC_MAGIC, 0x03, __u32)
#define KSORT_SET_ORDER _IOW(KSORT_IOC_MAGIC, 0x04, __u32)
#define KSORT_GET_ALGORITHM _IOR(KSORT_IOC_MAGIC, 0x05, __u32)
#define KSORT_SET_ALGORITHM _IOW(KSORT_IOC_MAGIC, 0x06, __u32)
#define KSORT_GET_STATS _IOR(KSORT_IOC_MAGIC, 0x07, struct ksort_stats)

#endif /* _UAPI_RLKM_KSORT_H */
