// SPDX-License-Identifier: GPL-2.0
#include "helpers.h"

void lkm_init_rwsem(struct rw_semaphore *sem, const char *name, struct lock_class_key *key)
{
	__init_rwsem(sem, name, key);
}

void lkm_down_read(struct rw_semaphore *sem)
{
	down_read(sem);
}

/* The writer is kept alive: a guard that is leaked names it, and waiters look at it. */
void lkm_down_write(struct rw_semaphore *sem)
{
	down_write(sem);
	get_task_struct(current);
}

bool lkm_down_read_trylock(struct rw_semaphore *sem)
{
	return down_read_trylock(sem);
}

bool lkm_down_write_trylock(struct rw_semaphore *sem)
{
	if (!down_write_trylock(sem))
		return false;
	get_task_struct(current);
	return true;
}

void lkm_up_read(struct rw_semaphore *sem)
{
	up_read(sem);
}

void lkm_up_write(struct rw_semaphore *sem)
{
	up_write(sem);
	put_task_struct(current);
}

bool lkm_rwsem_is_locked(struct rw_semaphore *sem)
{
	return rwsem_is_locked(sem);
}
