// SPDX-License-Identifier: GPL-2.0
#include "helpers.h"

void lkm_timer_setup(struct timer_list *timer, void (*function)(struct timer_list *),
		     const char *name, struct lock_class_key *key)
{
	init_timer_key(timer, function, 0, name, key);
}

/* The name that all 6.1.y have. */
void lkm_del_timer_sync(struct timer_list *timer)
{
	del_timer_sync(timer);
}

unsigned long lkm_jiffies(void)
{
	return jiffies;
}
