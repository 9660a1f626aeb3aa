// SPDX-License-Identifier: GPL-2.0
#include "helpers.h"

static void count_reader(int change)
{
#ifndef CONFIG_PREEMPT_RCU
	this_cpu_add(lkm_rcu_readers, change);
#endif
}

void lkm_rcu_read_lock(void)
{
	rcu_read_lock();
	count_reader(1);
}

void lkm_rcu_read_unlock(void)
{
	count_reader(-1);
	rcu_read_unlock();
}
