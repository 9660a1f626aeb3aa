// SPDX-License-Identifier: GPL-2.0
#include "helpers.h"

/* With them preemption is off, and counted: see is_atomic(). */
unsigned long lkm_local_irq_save(void)
{
	unsigned long flags;

	local_irq_save(flags);
	preempt_disable();
	count_atomic();
	return flags;
}

void lkm_local_irq_restore(unsigned long flags)
{
	uncount_atomic();
	local_irq_restore(flags);
	preempt_enable();
}

/*
 * Interrupts run on a stack that the next one uses again, so that sleeping
 * there corrupts memory. And whoever sleeps in atomic context has the scheduler
 * put the preempt count right, which the locks that are then released put
 * wrong: an interrupt may look like a thread. Where RCU readers are not
 * preempted, one that sleeps is taken for one that has ended, and what it reads
 * is freed.
 */
noinline __cold bool lkm_refuse_to_sleep(void)
{
	return WARN_ONCE(in_interrupt(), "lkm: an interrupt handler tried to sleep\n") ||
	       WARN_ONCE(rcu_preempt_depth(), "lkm: an RCU reader tried to sleep\n") ||
	       WARN_ONCE(in_atomic() || irqs_disabled(),
			 "lkm: a thread tried to sleep in atomic context\n");
}

bool lkm_may_sleep(void)
{
	return may_sleep();
}

bool lkm_not_atomic(void)
{
	return not_atomic();
}

/* Any CPU will do for a caller that may be moved to another one meanwhile. */
unsigned int lkm_smp_processor_id(void)
{
	return raw_smp_processor_id();
}
