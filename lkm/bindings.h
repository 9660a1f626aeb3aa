/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The kernel headers that `lkm` is written against; bindgen reads this file
 * with the flags of the tree that the modules are built for.
 */
#include <linux/cpuhotplug.h>
#include <linux/cpumask.h>
#include <linux/delay.h>
#include <linux/dynamic_debug.h>
#include <linux/errno.h>
#include <linux/fs.h>
#include <linux/hrtimer.h>
#include <linux/interrupt.h>
#include <linux/kernel.h>
#include <linux/kfifo.h>
#include <linux/kthread.h>
#include <linux/ktime.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/mutex.h>
#include <linux/percpu.h>
#include <linux/poll.h>
#include <linux/printk.h>
#include <linux/rcupdate.h>
#include <linux/refcount.h>
#include <linux/rwsem.h>
#include <linux/sched/signal.h>
#include <linux/semaphore.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include <linux/spinlock.h>
#include <linux/sysfs.h>
#include <linux/timer.h>
#include <linux/uaccess.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

/* bindgen cannot evaluate these macros: a cast or a compound stands in the way. */
const fmode_t BINDINGS_FMODE_WRITE = FMODE_WRITE;
const unsigned int BINDINGS_HZ = HZ;
const gfp_t BINDINGS_GFP_KERNEL = GFP_KERNEL;
const unsigned long BINDINGS_KMALLOC_MAX_SIZE = KMALLOC_MAX_SIZE;
const unsigned long BINDINGS_PAGE_SIZE = PAGE_SIZE;
const unsigned long BINDINGS_PCPU_MIN_UNIT_SIZE = PCPU_MIN_UNIT_SIZE;
const unsigned int BINDINGS_WQ_UNBOUND = WQ_UNBOUND;
const unsigned int BINDINGS_WQ_CPU_INTENSIVE = WQ_CPU_INTENSIVE;
const __poll_t BINDINGS_EPOLLIN = EPOLLIN;
const __poll_t BINDINGS_EPOLLOUT = EPOLLOUT;
const __poll_t BINDINGS_EPOLLRDNORM = EPOLLRDNORM;
const __poll_t BINDINGS_EPOLLWRNORM = EPOLLWRNORM;

#include "helpers/helpers.h"
