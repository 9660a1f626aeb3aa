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

/*
 * Whether this thread is an RCU reader: then it must not sleep. Where readers
 * are not preempted, one that does is taken for one that has ended, and what it
 * reads is freed.
 */
bool lkm_refuse_rcu_reader(void)
{
#ifdef CONFIG_PREEMPT_RCU
	return WARN_ONCE(rcu_preempt_depth(), "lkm: an RCU reader tried to sleep\n");
#else
	return WARN_ONCE(raw_cpu_read(lkm_rcu_readers), "lkm: an RCU reader tried to sleep\n");
#endif
}

/*
 * Interrupts run on a stack that the next one uses again, so that sleeping
 * there corrupts memory. And whoever sleeps in atomic context has the scheduler
 * put the preempt count right, which the locks that are then released put
 * wrong: an interrupt may look like a thread.
 */
bool lkm_not_atomic(void)
{
	return !WARN_ONCE(in_interrupt(), "lkm: an interrupt handler tried to sleep\n") &&
	       !lkm_refuse_rcu_reader() &&
	       !WARN_ONCE(in_atomic() || irqs_disabled(),
			  "lkm: a thread tried to sleep in atomic context\n");
}

/* A debug kernel says where the caller is. (might_sleep() may itself sleep.) */
bool lkm_may_sleep(void)
{
	__might_sleep(__FILE__, __LINE__);
	return lkm_not_atomic();
}

/* Any CPU will do for a caller that may be moved to another one meanwhile. */
unsigned int lkm_smp_processor_id(void)
{
	return raw_smp_processor_id();
}
