//! A panic, of which `lab decode` is to tell the lines: an inlined function, and the one that it is
//! a part of.

#[inline(always)]
fn inlined(number: u8) -> u32 {
    if number == 7 {
        panic!("on purpose"); // inlined
    }
    u32::from(number)
}

#[inline(never)]
pub(super) fn oops(number: u8) -> u32 {
    inlined(number).wrapping_mul(2) // oops
}
