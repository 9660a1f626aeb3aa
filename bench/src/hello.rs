//! hello: what it takes to load and to unload a module.

use crate::clock::busy;
use crate::module::Module;
use crate::sample::{Sample, Side};
use anyhow::Result;
use std::time::Duration;

const PAIRS: usize = 20;

/// The kernel frees a module's memory some time after delete_module(2) has returned.
const LATER: Duration = Duration::from_millis(50);

pub fn run() -> Result<()> {
    let sides = [Side::Ours, Side::C];
    let mut loads = [Vec::new(), Vec::new()];
    let mut unloads = [Vec::new(), Vec::new()];
    for pair in 0..=PAIRS {
        for (i, &side) in sides.iter().enumerate() {
            let mut module = None;
            let load = busy(|| {
                module = Some(Module::load("hello", side, "")?);
                std::thread::sleep(LATER);
                Ok(())
            })?;
            let unload = busy(|| {
                if let Some(module) = module {
                    module.remove()?;
                }
                std::thread::sleep(LATER);
                Ok(())
            })?;
            // The first one makes what all modules need.
            if pair > 0 {
                loads[i].push(load as f64);
                unloads[i].push(unload as f64);
            }
        }
    }
    for (op, values) in [("load", &loads), ("unload", &unloads)] {
        for (&side, values) in sides.iter().zip(values) {
            Sample {
                case: "hello",
                op,
                side,
                unit: "instructions",
                cpus: 1,
                elements: None,
                values,
            }
            .print()?;
        }
    }
    Ok(())
}
