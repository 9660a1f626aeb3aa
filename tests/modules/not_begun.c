// SPDX-License-Identifier: GPL-2.0
/*
 * lkm's helpers in a module that none of lkm's module! is in: what it links is as it is before
 * anything has said that the module has begun. Says so in the log.
 */
#define pr_fmt(fmt) "not_begun: " fmt
#include <linux/module.h>
#include "../../lkm/helpers/helpers.h"

static struct lkm_source first, second;
static int quiesced;

static void quiesce(void *object)
{
	quiesced++;
}

static bool add(struct lkm_source *source)
{
	return lkm_source_add(source, quiesce, NULL);
}

static int __init not_begun_init(void)
{
	pr_info("stopped %d, added %d\n", lkm_sources_stopped(), add(&first));
	lkm_sources_start();
	pr_info("stopped %d, added %d\n", lkm_sources_stopped(), add(&second));
	lkm_sources_stop();
	pr_info("stopped %d, quiesced %d\n", lkm_sources_stopped(), quiesced);
	return 0;
}
module_init(not_begun_init);

static void __exit not_begun_exit(void)
{
}
module_exit(not_begun_exit);

MODULE_DESCRIPTION("What lkm does before a module has begun");
MODULE_LICENSE("GPL");
