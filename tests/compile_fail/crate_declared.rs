// SPDX-License-Identifier: GPL-2.0

//! A module's crates are those that it is given.

extern crate kernel; //~ REFUSED `extern`
