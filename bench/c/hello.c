// SPDX-License-Identifier: GPL-2.0
/*
 * The twin of modules/hello.rs: greets when it is loaded and says goodbye when
 * it is removed.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/module.h>

static char *who = "world";
module_param(who, charp, 0444);
MODULE_PARM_DESC(who, "whom to greet");

static int set_times(const char *val, const struct kernel_param *kp)
{
	return param_set_uint_minmax(val, kp, 1, 100);
}

static const struct kernel_param_ops times_ops = {
	.set = set_times,
	.get = param_get_uint,
};

static unsigned int times = 1;
module_param_cb(times, &times_ops, &times, 0444);
__MODULE_PARM_TYPE(times, "uint");
MODULE_PARM_DESC(times, "how many times, 1 to 100");

static int __init hello_init(void)
{
	unsigned int i;

	for (i = 0; i < times; i++)
		pr_info("Hello, %s!\n", who);
	return 0;
}

static void __exit hello_exit(void)
{
	pr_info("Goodbye, %s.\n", who);
}

module_init(hello_init);
module_exit(hello_exit);

MODULE_AUTHOR("rlkm");
MODULE_DESCRIPTION("Greets, and says goodbye");
MODULE_LICENSE("GPL");
