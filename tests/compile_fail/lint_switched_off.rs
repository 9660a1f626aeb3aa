// SPDX-License-Identifier: GPL-2.0

//! A module does not say itself what it may.

#![allow(unsafe_code)] //~ ERROR E0453
