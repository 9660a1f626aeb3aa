//! Lengths of time, and what was done in them.

use std::time::Duration;

/// A number of seconds, for instance 2 or 0.5; an error that clap shows, otherwise.
pub fn parse_seconds(text: &str) -> Result<Duration, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.0..=1e9).contains(&seconds) => Ok(Duration::from_secs_f64(seconds)),
        _ => Err("give a number of seconds from 0 to 1000000000".into()),
    }
}

/// How many in one second, if there were `count` in all the time; none at all in no time.
pub fn per_second(count: u64, time: Duration) -> f64 {
    if time.is_zero() {
        return 0.0;
    }
    count as f64 / time.as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_and_fractions_are_seconds() {
        assert_eq!(parse_seconds("2"), Ok(Duration::from_secs(2)));
        assert_eq!(parse_seconds("0.5"), Ok(Duration::from_millis(500)));
        assert_eq!(parse_seconds("1e9"), Ok(Duration::from_secs(1_000_000_000)));
    }

    #[test]
    fn what_no_clock_can_wait_for_is_refused() {
        for text in ["", "soon", "-1", "nan", "inf", "1000000001"] {
            assert!(parse_seconds(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_rate_is_a_number_even_in_no_time() {
        assert_eq!(per_second(5, Duration::from_millis(500)), 10.0);
        assert_eq!(per_second(5, Duration::ZERO), 0.0);
    }
}
