// SPDX-License-Identifier: GPL-2.0
/* An ordinary function, whose attributes those of Rust are given: see attributes.awk. */
void ordinary(void);
void ordinary(void)
{
}
