//! The order of the stream, as a pure function of its bytes.

use std::fmt;

use abi::simrupt::{SIMRUPT_FIRST, SIMRUPT_LAST};

/// The first byte of the stream, and the one after [`LAST`].
pub const FIRST: u8 = SIMRUPT_FIRST as u8;
/// The last byte before the stream begins again.
pub const LAST: u8 = SIMRUPT_LAST as u8;

/// The byte that follows `byte` in the stream.
pub fn successor(byte: u8) -> u8 {
    if byte == LAST {
        FIRST
    } else {
        byte + 1
    }
}

/// Says whether bytes follow each other as the stream promises.
///
/// Any byte of the stream may come first: a reader joins in the middle of it.
#[derive(Default)]
pub struct Verifier {
    expected: Option<u8>,
    position: u64,
}

impl Verifier {
    /// Checks the next bytes. After an error, what follows is not checked.
    pub fn check(&mut self, bytes: &[u8]) -> Result<(), Mismatch> {
        for &got in bytes {
            let in_stream = (FIRST..=LAST).contains(&got);
            if !in_stream || self.expected.map_or(false, |expected| expected != got) {
                return Err(Mismatch {
                    position: self.position,
                    expected: self.expected,
                    got,
                });
            }
            self.expected = Some(successor(got));
            self.position += 1;
        }
        Ok(())
    }
}

/// A byte that is not the one that had to come.
#[derive(Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// How many bytes came before it.
    pub position: u64,
    /// What had to come; `None` at the beginning, where any byte of the stream may.
    pub expected: Option<u8>,
    /// What came.
    pub got: u8,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "byte {}: expected ", self.position)?;
        match self.expected {
            Some(expected) => write!(f, "{}", Byte(expected))?,
            None => write!(f, "{} to {}", Byte(FIRST), Byte(LAST))?,
        }
        write!(f, ", got {}", Byte(self.got))?;
        match self.expected {
            Some(expected) if (FIRST..=LAST).contains(&self.got) => {
                let length = i32::from(LAST - FIRST) + 1;
                let gap = (i32::from(self.got) - i32::from(expected)).rem_euclid(length);
                write!(
                    f,
                    ": a gap of {gap} bytes (or {gap} and a multiple of {length}); \
                     were they dropped (see --stats), or did another reader take them?"
                )
            }
            _ => write!(f, ", which is never in the stream"),
        }
    }
}

/// A byte as a number and, where it can be seen, as a character.
struct Byte(u8);

impl fmt::Display for Byte {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#04x}", self.0)?;
        if (b' '..=b'~').contains(&self.0) {
            write!(f, " '{}'", char::from(self.0))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn stream(start: u8, length: usize) -> Vec<u8> {
        std::iter::successors(Some(start), |&byte| Some(successor(byte)))
            .take(length)
            .collect()
    }

    #[test]
    fn the_stream_begins_again_after_its_last_byte() {
        assert_eq!(stream(0x7d, 4), [0x7d, 0x7e, 0x20, 0x21]);
    }

    #[test]
    fn a_gap_is_told_with_both_bytes_and_the_position() {
        let mismatch = Verifier::default().check(b"ABE").unwrap_err();
        let text = mismatch.to_string();
        assert!(
            text.starts_with("byte 2: expected 0x43 'C', got 0x45 'E': a gap of 2 bytes"),
            "{text}"
        );
    }

    #[test]
    fn a_byte_outside_the_stream_is_wrong_even_at_the_beginning() {
        let text = Verifier::default().check(b"\x1f").unwrap_err().to_string();
        assert_eq!(
            text,
            "byte 0: expected 0x20 ' ' to 0x7e '~', got 0x1f, which is never in the stream"
        );
        assert!(Verifier::default().check(b"\x7f").is_err());
    }

    proptest! {
        #[test]
        fn a_whole_stream_passes_however_it_is_cut(
            start in FIRST..=LAST,
            length in 0usize..1000,
            cuts in prop::collection::vec(1usize..50, 1..20),
        ) {
            let bytes = stream(start, length);
            let mut verifier = Verifier::default();
            let mut rest = &bytes[..];
            for &cut in cuts.iter().cycle() {
                if rest.is_empty() {
                    break;
                }
                let (head, tail) = rest.split_at(cut.min(rest.len()));
                prop_assert_eq!(verifier.check(head), Ok(()));
                rest = tail;
            }
        }

        #[test]
        fn any_one_changed_byte_is_found_where_it_is(
            start in FIRST..=LAST,
            length in 2usize..300,
            place in any::<prop::sample::Index>(),
            change in 1u8..=255,
        ) {
            let mut bytes = stream(start, length);
            let place = 1 + place.index(length - 1);
            let expected = bytes[place];
            bytes[place] ^= change;
            let found = Verifier::default().check(&bytes);
            prop_assert_eq!(
                found,
                Err(Mismatch { position: place as u64, expected: Some(expected), got: bytes[place] })
            );
        }

        #[test]
        fn any_missing_bytes_are_a_gap_of_their_number(
            start in FIRST..=LAST,
            before in 1usize..200,
            missing in 1usize..95,
        ) {
            let mut bytes = stream(start, before + missing + 1);
            bytes.drain(before..before + missing);
            let mismatch = Verifier::default().check(&bytes).unwrap_err();
            prop_assert_eq!(mismatch.position, before as u64);
            let text = mismatch.to_string();
            let gap = format!("a gap of {} bytes ", missing);
            prop_assert!(text.contains(&gap), "{}", text);
        }
    }
}
