/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * The ABI of /dev/simrupt: a simulated interrupt source.
 *
 * read(2) takes bytes out of the stream; the ioctl reads the statistics.
 */
#ifndef _UAPI_RLKM_SIMRUPT_H
#define _UAPI_RLKM_SIMRUPT_H

#include <linux/ioctl.h>
#include <linux/types.h>

/* The stream: SIMRUPT_FIRST, ..., SIMRUPT_LAST, then SIMRUPT_FIRST again. */
#define SIMRUPT_FIRST 0x20
#define SIMRUPT_LAST 0x7e

/*
 * Counters since the module was loaded.
 *
 * Whenever no byte is on its way from one stage to the next:
 *
 *	produced == delivered + dropped_ring + dropped_fifo + dropped_close
 *		    + queued
 */
struct simrupt_stats {
	__u64 ticks;		/* runs of the timer handler */
	__u64 tasklet_runs;	/* runs of the tasklet */
	__u64 work_runs;	/* runs of the work item */
	__u64 produced;		/* bytes that the timer handler made */
	__u64 delivered;	/* bytes that readers took */
	__u64 dropped_ring;	/* new bytes refused by a full ring */
	__u64 dropped_fifo;	/* oldest bytes pushed out of a full fifo */
	__u64 dropped_close;	/* unread bytes thrown away by the last close */
	__u64 queued;		/* bytes waiting for a reader */
	__u64 max_irq_ns;	/* longest timer handler, nanoseconds */
	__u64 max_softirq_ns;	/* longest tasklet run, nanoseconds */
};

#define SIMRUPT_IOC_MAGIC 0xE1
#define SIMRUPT_GET_STATS _IOR(SIMRUPT_IOC_MAGIC, 0x01, struct simrupt_stats)

#endif /* _UAPI_RLKM_SIMRUPT_H */
