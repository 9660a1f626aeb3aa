//! Grace periods of RCU, for which loading and unloading wait again and again.

use std::fs;

const EXPEDITED: &str = "/sys/kernel/rcu_expedited";

/// For as long as it lives, who waits for a grace period waits for a short one.
pub struct ExpeditedGracePeriods;

impl ExpeditedGracePeriods {
    #[allow(clippy::new_without_default)]
    pub fn new() -> ExpeditedGracePeriods {
        fs::write(EXPEDITED, "1").expect(EXPEDITED);
        ExpeditedGracePeriods
    }
}

impl Drop for ExpeditedGracePeriods {
    fn drop(&mut self) {
        fs::write(EXPEDITED, "0").expect(EXPEDITED);
    }
}
