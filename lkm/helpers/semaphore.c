// SPDX-License-Identifier: GPL-2.0
#include "helpers.h"

void lkm_sema_init(struct semaphore *sem, int val)
{
	sema_init(sem, val);
}
