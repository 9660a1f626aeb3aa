// SPDX-License-Identifier: GPL-2.0
#include "helpers.h"

void lkm_rcu_read_lock(void)
{
	rcu_read_lock();
	count_atomic();
}

void lkm_rcu_read_unlock(void)
{
	uncount_atomic();
	rcu_read_unlock();
}
