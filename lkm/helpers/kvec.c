// SPDX-License-Identifier: GPL-2.0
#include "helpers.h"

/* The size may be userland's wish, so that it cannot be had is no news. */
void *lkm_kvmalloc(size_t size)
{
	return kvmalloc(size, GFP_KERNEL | __GFP_NOWARN);
}

/*
 * Memory from vmalloc is unmapped, which may sleep; in an interrupt C leaves
 * that to a worker. Who else must not sleep leaks it.
 */
void lkm_kvfree(const void *addr)
{
	if (!is_vmalloc_addr(addr) || in_interrupt() || may_sleep())
		kvfree(addr);
}
