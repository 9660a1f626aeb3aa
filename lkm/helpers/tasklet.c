// SPDX-License-Identifier: GPL-2.0
#include "helpers.h"

void lkm_tasklet_schedule(struct tasklet_struct *t)
{
	tasklet_schedule(t);
}
