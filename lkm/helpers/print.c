// SPDX-License-Identifier: GPL-2.0
#include "helpers.h"

/*
 * printk() has interrupts off while it formats. That is atomic context, of which the
 * preempt count shall tell; what has to run next runs when they are on again.
 */
void lkm_begin_format(void)
{
	__preempt_count_add(PREEMPT_OFFSET);
	barrier();
}

void lkm_end_format(void)
{
	barrier();
	__preempt_count_sub(PREEMPT_OFFSET);
}
