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

/* Any CPU will do for a caller that may be moved to another one meanwhile. */
unsigned int lkm_smp_processor_id(void)
{
	return raw_smp_processor_id();
}
