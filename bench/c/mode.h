/* SPDX-License-Identifier: GPL-2.0 */
/* The parameter `mode`, for the modules that have one. */
#ifndef _C_MODE_H
#define _C_MODE_H

#include <linux/kernel.h>
#include <linux/moduleparam.h>
#include <linux/stat.h>

static int set_mode(const char *val, const struct kernel_param *kp)
{
	u16 mode;

	if (kstrtou16(val, 8, &mode) || mode > 0777)
		return -EINVAL;
	*(umode_t *)kp->arg = mode;
	return 0;
}

static int get_mode(char *buffer, const struct kernel_param *kp)
{
	return sprintf(buffer, "%04o\n", *(umode_t *)kp->arg);
}

static const struct kernel_param_ops mode_ops = {
	.set = set_mode,
	.get = get_mode,
};

static umode_t mode = 0600;
module_param_cb(mode, &mode_ops, &mode, 0444);
__MODULE_PARM_TYPE(mode, "octal");
MODULE_PARM_DESC(mode, "permissions of the node, in octal");

#endif /* _C_MODE_H */
