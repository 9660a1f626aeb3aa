// SPDX-License-Identifier: GPL-2.0
#include "helpers.h"

void lkm_mutex_init(struct mutex *lock, const char *name, struct lock_class_key *key)
{
	__mutex_init(lock, name, key);
}

/*
 * The low bits of the owner are flags. Nobody makes another thread the owner
 * but one that waits for the mutex, so that for this thread, which does not
 * yet, the answer stays true.
 */
static inline bool is_holder(struct mutex *lock)
{
	return (atomic_long_read(&lock->owner) & ~7UL) == (unsigned long)current;
}

static noinline __cold void wait_for_ever(void)
{
	WARN_ONCE(1, "lkm: a thread waits for a mutex that it has\n");
	for (;;) {
		set_current_state(TASK_UNINTERRUPTIBLE);
		schedule();
	}
}

/*
 * A bug that was warned of. This may never end, and in an interrupt it does not:
 * it would take the mutex in the name of the thread that it has interrupted,
 * which would then have it, too, if it waits for it and is woken.
 */
static noinline __cold void spin_for(struct mutex *lock)
{
	WARN_ONCE(!in_task(), "lkm: an interrupt handler waits for a mutex, for ever\n");
	while (!in_task() || !mutex_trylock(lock))
		cpu_relax();
}

/*
 * Who waits for a mutex and finds itself to be the owner takes that for a
 * hand-over. So one that is taken twice would be had twice, as soon as anything
 * wakes the thread.
 */
void lkm_mutex_lock(struct mutex *lock)
{
	if (may_sleep()) {
		if (unlikely(is_holder(lock)))
			wait_for_ever();
		mutex_lock(lock);
	} else {
		spin_for(lock);
	}
}

bool lkm_mutex_trylock(struct mutex *lock)
{
	return !WARN_ONCE(!in_task(), "lkm: an interrupt handler tried to take a mutex\n") &&
	       mutex_trylock(lock);
}

void lkm_mutex_unlock(struct mutex *lock)
{
	mutex_unlock(lock);
}

bool lkm_mutex_is_locked(struct mutex *lock)
{
	return mutex_is_locked(lock);
}

void lkm_mutex_destroy(struct mutex *lock)
{
	mutex_destroy(lock);
}
