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

void lkm_spin_lock(spinlock_t *lock)
{
	spin_lock(lock);
	count_atomic();
}

void lkm_spin_unlock(spinlock_t *lock)
{
	uncount_atomic();
	spin_unlock(lock);
}

bool lkm_spin_trylock(spinlock_t *lock)
{
	if (!spin_trylock(lock))
		return false;
	count_atomic();
	return true;
}

bool lkm_spin_trylock_irqsave(spinlock_t *lock, unsigned long *flags)
{
	if (!spin_trylock_irqsave(lock, *flags))
		return false;
	count_atomic();
	return true;
}

unsigned long lkm_spin_lock_irqsave(spinlock_t *lock)
{
	unsigned long flags;

	spin_lock_irqsave(lock, flags);
	count_atomic();
	return flags;
}

void lkm_spin_unlock_irqrestore(spinlock_t *lock, unsigned long flags)
{
	uncount_atomic();
	spin_unlock_irqrestore(lock, flags);
}

bool lkm_spin_is_locked(spinlock_t *lock)
{
	return spin_is_locked(lock);
}
