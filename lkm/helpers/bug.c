// SPDX-License-Identifier: GPL-2.0
#include <linux/module.h>
#include "helpers.h"

/* A panic, where the kernel has no handler of its own: see ../stock/kernel.rs. */
noinline __cold void lkm_bug(const char *file, int len, unsigned int line)
{
	pr_emerg("%s: panic at %.*s:%u\n", THIS_MODULE->name, len, file, line);
	BUG();
}
