//! hello: what it takes to load and to unload a module.

use crate::clock::busy;
use crate::module::Module;
use crate::profile::record;
use crate::sample::{Sample, Side};
use anyhow::Result;
use std::time::Duration;

const PAIRS: usize = 20;

/// The kernel frees a module's memory some time after delete_module(2) has returned.
const LATER: Duration = Duration::from_millis(50);

const SIDES: [Side; 2] = [Side::Ours, Side::C];

fn load(side: Side, module: &mut Option<Module>) -> Result<()> {
    *module = Some(Module::load("hello", side, "")?);
    std::thread::sleep(LATER);
    Ok(())
}

fn unload(module: Option<Module>) -> Result<()> {
    if let Some(module) = module {
        module.remove()?;
    }
    std::thread::sleep(LATER);
    Ok(())
}

/// One load and one unload, whatever is done meanwhile.
pub fn profile() -> Result<()> {
    for side in SIDES {
        let mut module = None;
        // The first one makes what all modules need.
        load(side, &mut module)?;
        unload(module.take())?;
        record("hello", "load", side, 1, |_once| load(side, &mut module))?;
        record("hello", "unload", side, 1, |_once| unload(module.take()))?;
    }
    Ok(())
}

pub fn run() -> Result<()> {
    let mut loads = [Vec::new(), Vec::new()];
    let mut unloads = [Vec::new(), Vec::new()];
    for pair in 0..=PAIRS {
        for (i, &side) in SIDES.iter().enumerate() {
            let mut module = None;
            let load = busy(|| load(side, &mut module))?;
            let unload = busy(|| unload(module))?;
            // The first one makes what all modules need.
            if pair > 0 {
                loads[i].push(load as f64);
                unloads[i].push(unload as f64);
            }
        }
    }
    for (op, values) in [("load", &loads), ("unload", &unloads)] {
        for (&side, values) in SIDES.iter().zip(values) {
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
