//! What the tests that can run for long are told by the environment.

use std::env;

/// The number in a variable; none if there is no such variable, or if it is empty.
#[track_caller]
pub fn setting(variable: &str) -> Option<u64> {
    let value = env::var_os(variable).filter(|value| !value.is_empty())?;
    let number = value.to_str().and_then(|value| value.parse().ok());
    Some(number.unwrap_or_else(|| panic!("{variable}={value:?}: not a number")))
}
