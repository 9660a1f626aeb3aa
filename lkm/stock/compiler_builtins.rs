// SPDX-License-Identifier: GPL-2.0

//! What the compiler calls for numbers that a kernel does not have: floats, and 128 bits.
//!
//! Code of `core` that nobody uses refers to these.

#![feature(compiler_builtins)]
#![compiler_builtins]
#![no_builtins]
#![no_std]

macro_rules! that_panic {
    ($($name:ident)*) => {
        $(
            #[doc(hidden)]
            #[no_mangle]
            pub extern "C" fn $name() {
                panic!();
            }
        )*
    };
}

that_panic! {
    __eqsf2 __gesf2 __lesf2 __nesf2 __unordsf2 __unorddf2
    __ashlti3 __ashrti3 __lshrti3 __muloti4 __multi3 __udivmodti4 __udivti3 __umodti3
}
