// SPDX-License-Identifier: GPL-2.0
#include "helpers.h"

/*
 * Sets up a state of its own for `node`, and calls `online` for each CPU that
 * is online. The number of the state, or an error after `offline` has undone
 * what had succeeded.
 */
__cold int lkm_cpuhp_setup(const char *name, struct hlist_node *node,
		    int (*online)(unsigned int cpu, struct hlist_node *node),
		    int (*offline)(unsigned int cpu, struct hlist_node *node))
{
	int state, ret;

	state = cpuhp_setup_state_multi(CPUHP_AP_ONLINE_DYN, name, online, offline);
	if (state < 0)
		return state;
	ret = cpuhp_state_add_instance(state, node);
	if (ret) {
		cpuhp_remove_multi_state(state);
		return ret;
	}
	return state;
}

/* Calls `offline` for each CPU that is online. */
__cold void lkm_cpuhp_remove(int state, struct hlist_node *node)
{
	cpuhp_state_remove_instance(state, node);
	cpuhp_remove_multi_state(state);
}
