// SPDX-License-Identifier: GPL-2.0
#include "helpers.h"

void lkm_mutex_init(struct mutex *lock, const char *name, struct lock_class_key *key)
{
	__mutex_init(lock, name, key);
}

/*
 * The holder is kept alive: a guard that is leaked names it as the owner for
 * ever, and those who wait for the mutex look at what the owner does.
 */
void lkm_mutex_lock(struct mutex *lock)
{
	if (may_sleep()) {
		mutex_lock(lock);
	} else {
		/* A bug that was warned of. This may never end, but does no harm. */
		while (!mutex_trylock(lock))
			cpu_relax();
	}
	get_task_struct(current);
}

bool lkm_mutex_trylock(struct mutex *lock)
{
	if (!mutex_trylock(lock))
		return false;
	get_task_struct(current);
	return true;
}

void lkm_mutex_unlock(struct mutex *lock)
{
	mutex_unlock(lock);
	put_task_struct(current);
}

bool lkm_mutex_is_locked(struct mutex *lock)
{
	return mutex_is_locked(lock);
}

void lkm_mutex_destroy(struct mutex *lock)
{
	mutex_destroy(lock);
}
