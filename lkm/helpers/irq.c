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

/*
 * Interrupts run on a stack that the next one uses again, so that sleeping
 * there corrupts memory. In a thread that must not sleep it is a bug as well,
 * but one that the kernel survives; a debug kernel says where it is.
 */
bool lkm_may_sleep(void)
{
	might_sleep();
	return !WARN_ONCE(!in_task(), "lkm: an interrupt handler tried to sleep\n");
}

/* Any CPU will do for a caller that may be moved to another one meanwhile. */
unsigned int lkm_smp_processor_id(void)
{
	return raw_smp_processor_id();
}
