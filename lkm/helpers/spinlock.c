// SPDX-License-Identifier: GPL-2.0
#include "helpers.h"

void lkm_spin_lock_init(spinlock_t *lock, const char *name, struct lock_class_key *key)
{
#ifdef CONFIG_DEBUG_SPINLOCK
	__raw_spin_lock_init(spinlock_check(lock), name, key, LD_WAIT_CONFIG);
#else
	spin_lock_init(lock);
#endif
}

/*
 * With CONFIG_DEBUG_SPINLOCK a lock names its holder, and the kernel looks at
 * that when the CPU that has the lock wants it again: the guard may have been
 * leaked, and the holder have ended.
 */
static inline void keep_holder(void)
{
	if (IS_ENABLED(CONFIG_DEBUG_SPINLOCK))
		get_task_struct(current);
}

static inline void let_holder_go(void)
{
	if (IS_ENABLED(CONFIG_DEBUG_SPINLOCK))
		put_task_struct(current);
}

void lkm_spin_lock(spinlock_t *lock)
{
	spin_lock(lock);
	keep_holder();
}

void lkm_spin_unlock(spinlock_t *lock)
{
	let_holder_go();
	spin_unlock(lock);
}

bool lkm_spin_trylock(spinlock_t *lock)
{
	if (!spin_trylock(lock))
		return false;
	keep_holder();
	return true;
}

bool lkm_spin_trylock_irqsave(spinlock_t *lock, unsigned long *flags)
{
	if (!spin_trylock_irqsave(lock, *flags))
		return false;
	keep_holder();
	return true;
}

unsigned long lkm_spin_lock_irqsave(spinlock_t *lock)
{
	unsigned long flags;

	spin_lock_irqsave(lock, flags);
	keep_holder();
	return flags;
}

void lkm_spin_unlock_irqrestore(spinlock_t *lock, unsigned long flags)
{
	let_holder_go();
	spin_unlock_irqrestore(lock, flags);
}

bool lkm_spin_is_locked(spinlock_t *lock)
{
	return spin_is_locked(lock);
}
