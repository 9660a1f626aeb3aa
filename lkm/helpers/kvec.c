// SPDX-License-Identifier: GPL-2.0
#include "helpers.h"

/*
 * The size may be userland's wish: so it is accounted to who makes it, no page
 * of it is worth a process, and that it cannot be had is no news.
 */
#define LKM_GFP_USER_WISH (GFP_KERNEL_ACCOUNT | __GFP_RETRY_MAYFAIL | __GFP_NOWARN)

void *lkm_kvmalloc(size_t size)
{
	return kvmalloc(size, LKM_GFP_USER_WISH);
}

void *lkm_kvzalloc(size_t size)
{
	return kvzalloc(size, LKM_GFP_USER_WISH);
}

/*
 * Memory from vmalloc is unmapped, which may sleep; in an interrupt C leaves
 * that to a worker. Who else must not sleep leaks it.
 */
noinline void lkm_kvfree(const void *addr)
{
	if (!is_vmalloc_addr(addr) || in_interrupt() || may_sleep())
		kvfree(addr);
	else
		lkm_leaked();
}
