// SPDX-License-Identifier: GPL-2.0
#include "helpers.h"

bool lkm_fatal_signal_pending(void)
{
	return fatal_signal_pending(current);
}
