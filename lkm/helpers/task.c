// SPDX-License-Identifier: GPL-2.0
#include "helpers.h"

struct task_struct *lkm_current(void)
{
	return current;
}

/* An interrupt is nobody's. */
bool lkm_is_current(struct task_struct *task)
{
	return in_task() && task == current;
}

void lkm_get_current(void)
{
	get_task_struct(current);
}

void lkm_put_current(void)
{
	put_task_struct(current);
}

bool lkm_fatal_signal_pending(struct task_struct *task)
{
	return fatal_signal_pending(task);
}

void lkm_cond_resched(void)
{
	cond_resched();
}
