/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * The ABI of /dev/misc_mutex, misc_spinlock, misc_rwlock, misc_refcount and
 * misc_rcu: one device that holds a message, guarded in as many ways.
 *
 * read(2) gives the message, write(2) replaces it; the ioctls are about the
 * statistics.
 */
#ifndef _UAPI_RLKM_MISC_H
#define _UAPI_RLKM_MISC_H

#include <linux/ioctl.h>
#include <linux/types.h>

/* The longest message, in bytes. */
#define MISC_MESSAGE_MAX 128

struct misc_stats {
	__u64 generation;	/* how often the message was replaced */
	__u64 length;		/* of the message, in bytes */
	__u64 bytes_read;	/* bytes that readers got */
	__u64 bytes_written;	/* bytes of the messages that were written */
	__u64 opens;		/* successful calls of open(2) */
	__u64 errors;		/* reads, writes and ioctls that failed */
	__u64 messages;		/* messages in memory: the current one, and older ones not yet freed */
	__u64 references;	/* misc_refcount: to messages, the device's and one for each open file; 0 elsewhere */
};

#define MISC_IOC_MAGIC 0xE2
#define MISC_GET_STATS _IOR(MISC_IOC_MAGIC, 0x01, struct misc_stats)
/* Sets bytes_read, bytes_written, opens and errors to 0; for files that are open for writing. */
#define MISC_RESET_STATS _IO(MISC_IOC_MAGIC, 0x02)

#endif /* _UAPI_RLKM_MISC_H */
