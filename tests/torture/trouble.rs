//! What goes on beside the calls: parameters that change, CPUs that come and go.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use fastrand::Rng;
use nix::errno::Errno;
use tests::{Module, SpareCpu};

use crate::nodes::Node;

/// Writes one value to one parameter, which the module takes or refuses as it should.
pub fn change_a_parameter(node: &Node, module: &Module, rng: &mut Rng) -> Result<(), String> {
    let (parameter, value, good) = match rng.choice(node.settings) {
        Some(&setting) => setting,
        None => return Ok(()),
    };
    match module.set_parameter(parameter, value) {
        Ok(()) if good => Ok(()),
        Err(Errno::EINVAL) if !good => Ok(()),
        other => Err(format!("{parameter}={value:?}: {other:?}")),
    }
}

/// Takes a CPU offline and back until `over`, with pauses: all other CPUs stop for it, so the calls
/// would have no time otherwise.
pub fn move_a_cpu(spare: &SpareCpu, over: &AtomicBool, mut rng: Rng) -> Result<(), String> {
    while !over.load(Ordering::Relaxed) {
        for online in [false, true] {
            let moved = spare.set_online(online);
            moved.map_err(|error| format!("CPU to be online: {online}: {error}"))?;
            thread::sleep(Duration::from_millis(rng.u64(..200)));
        }
    }
    Ok(())
}
