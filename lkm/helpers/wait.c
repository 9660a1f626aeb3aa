// SPDX-License-Identifier: GPL-2.0
#include "helpers.h"

void lkm_poll_wait(struct file *file, struct wait_queue_head *wq, struct poll_table_struct *table)
{
	poll_wait(file, wq, table);
}
