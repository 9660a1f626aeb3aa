// SPDX-License-Identifier: GPL-2.0

//! What a panic does is the kernel's.

use core::panic::PanicInfo;

#[panic_handler] //~ REFUSED `panic_handler`
fn panic(_info: &PanicInfo<'_>) -> ! {
    loop {}
}
