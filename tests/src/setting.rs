//! What the tests that can run for long are told by the environment.

use std::env;

/// The number in a variable; none if there is no such variable.
#[track_caller]
pub fn setting(variable: &str) -> Option<u64> {
    let value = env::var(variable).ok()?;
    let number = value.parse();
    Some(number.unwrap_or_else(|_| panic!("{variable}={value:?}: not a number")))
}
