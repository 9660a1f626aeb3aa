//! A search for a limit.

use anyhow::Result;
use std::ops::RangeInclusive;

/// The least number in `range` that `holds`, where it holds for all above one for which it does;
/// none if not even for the greatest. The least of all is tried first, as it often does.
pub fn least(
    range: RangeInclusive<u64>,
    mut holds: impl FnMut(u64) -> Result<bool>,
) -> Result<Option<u64>> {
    let (mut low, mut high) = range.into_inner();
    if holds(low)? {
        return Ok(Some(low));
    }
    if low == high || !holds(high)? {
        return Ok(None);
    }
    low += 1;
    while low < high {
        let middle = low + (high - low) / 2;
        if holds(middle)? {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    Ok(Some(high))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_limit_is_found() {
        for limit in 10..=50 {
            let mut tries = 0;
            let found = least(10..=50, |n| {
                tries += 1;
                Ok(n >= limit)
            });
            assert_eq!(found.unwrap(), Some(limit));
            assert!(tries <= 8, "{tries}");
        }
        assert_eq!(least(10..=50, |_| Ok(false)).unwrap(), None);
        assert_eq!(least(7..=7, |_| Ok(true)).unwrap(), Some(7));
    }

    #[test]
    fn an_error_ends_the_search() {
        assert!(least(0..=9, |_| anyhow::bail!("no")).is_err());
    }
}
