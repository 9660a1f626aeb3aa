// SPDX-License-Identifier: GPL-2.0

//! What is included is part of the module, whatever its name ends in.

include!("assembly_in_an_included_file/harmless.txt");
