//! The misc family: one read(2), and one write(2), of 64 bytes.

use crate::module::Module;
use crate::sample::{Compare, Side, Work};
use abi::misc::get_stats;
use anyhow::{ensure, Context, Result};
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::time::Duration;

const BYTES: usize = 64;
const CALLS: u64 = 20_000;

/// misc_rcu's writers do not wait: a grace period is time, and not instructions, and a write that
/// waits for one is mostly what others do meanwhile. How long that takes is told apart.
pub fn run(name: &str, compare: Compare) -> Result<()> {
    let parameters = if name == "misc_rcu" { "deferred=1" } else { "" };
    let modules = [Side::Ours, Side::C].map(|side| (side, Module::load(name, side, parameters)));
    let mut nodes = Vec::new();
    for (side, module) in &modules {
        let module = module
            .as_ref()
            .map_err(|error| anyhow::anyhow!("{error:#}"))?;
        nodes.push((*side, module.open()?));
    }
    let message = [b'x'; BYTES];
    for (_, node) in &mut nodes {
        node.write_all(&message)?;
    }
    let [ours, c] = [&nodes[0].1, &nodes[1].1];
    let sides = |work: fn(&File, u64) -> Result<()>| {
        [(Side::Ours, ours), (Side::C, c)].map(|(side, node)| {
            let work: Work = Box::new(move |count| work(node, count));
            (side, work)
        })
    };
    compare(name, "read", CALLS, sides(read_often))?;
    compare(name, "write", CALLS, sides(write_often))?;
    Ok(())
}

/// From position 0 each: at the end of the message there is nothing to read any more.
fn read_often(node: &File, count: u64) -> Result<()> {
    let mut buffer = [0; BYTES];
    for _ in 0..count {
        let got = node.read_at(&mut buffer, 0).context("cannot read")?;
        ensure!(got == BYTES, "a short read");
    }
    Ok(())
}

/// All that was left to be done later is done when this returns.
fn write_often(mut node: &File, count: u64) -> Result<()> {
    let message = [b'y'; BYTES];
    for _ in 0..count {
        let took = node.write(&message).context("cannot write")?;
        ensure!(took == BYTES, "a short write");
    }
    while get_stats(node)?.messages > 1 {
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}
