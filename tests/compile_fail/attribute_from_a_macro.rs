// SPDX-License-Identifier: GPL-2.0

//! A macro of the module's own can pass on an attribute, and does not hide it.

macro_rules! with {
    ($attribute:meta, $item:item) => {
        #[$attribute]
        $item
    };
}

with!(no_mangle, pub static lkm_sources_stopped: u8 = 0;); //~ REFUSED `no_mangle`
