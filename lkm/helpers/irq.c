// SPDX-License-Identifier: GPL-2.0
#include "helpers.h"

unsigned long lkm_local_irq_save(void)
{
	unsigned long flags;

	local_irq_save(flags);
	return flags;
}

void lkm_local_irq_restore(unsigned long flags)
{
	local_irq_restore(flags);
}

#ifndef CONFIG_PREEMPT_RCU
DEFINE_PER_CPU(int, lkm_rcu_readers);
#endif

/* Whether this thread is an RCU reader. */
static bool is_rcu_reader(void)
{
#ifdef CONFIG_PREEMPT_RCU
	return rcu_preempt_depth();
#else
	return raw_cpu_read(lkm_rcu_readers);
#endif
}

/*
 * Interrupts run on a stack that the next one uses again, so that sleeping
 * there corrupts memory. So may a reader of RCU that sleeps: where readers
 * cannot be preempted, it is taken for one that has ended. Under a spin lock
 * it is a bug as well, but one that the kernel survives; a debug kernel says
 * where it is.
 */
bool lkm_may_sleep(void)
{
	if (WARN_ONCE(in_interrupt(), "lkm: an interrupt handler tried to sleep\n") ||
	    WARN_ONCE(is_rcu_reader(), "lkm: an RCU reader tried to sleep\n"))
		return false;
	might_sleep();
	return true;
}

/* Any CPU will do for a caller that may be moved to another one meanwhile. */
unsigned int lkm_smp_processor_id(void)
{
	return raw_smp_processor_id();
}
