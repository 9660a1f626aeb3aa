// SPDX-License-Identifier: GPL-2.0

//! A function of each kind that a compiler hardens in its own way. hardened.c
//! has the same.

use lkm::{cpumask::num_online_cpus, prelude::*};

module! {
    type: Hardened,
    name: "hardened",
    author: "rlkm",
    description: "Is looked at",
    license: "GPL",
}

#[inline(never)]
fn fill(bytes: &mut [u8], n: usize) {
    for byte in bytes {
        *byte = (*byte ^ n as u8).rotate_left(3);
    }
}

#[inline(never)]
fn add(sum: &mut usize, n: usize) {
    *sum = sum.wrapping_mul(31) ^ n;
}

#[inline(never)]
fn array(n: usize) -> usize {
    let mut bytes = [1; 40];
    fill(&mut bytes, n);
    fill(&mut bytes, n.wrapping_add(1));
    bytes.get(n & 31).copied().unwrap_or(0).into()
}

#[inline(never)]
fn address(n: usize) -> usize {
    let mut sum = n;
    add(&mut sum, n);
    add(&mut sum, !n);
    sum
}

#[inline(never)]
fn frame(n: usize) -> usize {
    let mut bytes = [1; 2000];
    fill(&mut bytes, n);
    fill(&mut bytes, n.wrapping_add(1));
    bytes.get(n & 1023).copied().unwrap_or(0).into()
}

#[inline(never)]
fn leaf(n: usize) -> usize {
    n.wrapping_mul(7)
}

#[inline(never)]
fn cases(n: usize) -> usize {
    match n {
        0 => leaf(3),
        1 => array(5).wrapping_add(9),
        2 => address(7) ^ 1,
        3 => frame(11),
        4 => leaf(n) ^ array(2),
        5 => leaf(1).wrapping_mul(address(3)),
        6 => n << 9,
        _ => 0,
    }
}

static ANY: [fn(usize) -> usize; 4] = [leaf, array, address, frame];

#[inline(never)]
fn pointer(n: usize) -> usize {
    ANY.get(n & 3).map_or(0, |any| any(n)).wrapping_add(1)
}

#[inline(never)]
fn tail(n: usize) -> usize {
    ANY.get(n & 3).map_or(0, |any| any(n))
}

struct Hardened;

impl Module for Hardened {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let n = num_online_cpus();
        let some = cases(n).wrapping_add(pointer(n));
        pr_info!("{}\n", some.wrapping_add(tail(n)));
        Ok(Hardened)
    }
}
