//! The messages that hammer writes: each says of itself whether it is whole.
//!
//! | bytes | what they are; numbers are little-endian |
//! | --- | --- |
//! | 0 to 3 | `hmr1` |
//! | 4 to 7 | the run: which hammer wrote the message |
//! | 8 to 11 | the writer: which of its threads |
//! | 12 to 15 | how many bytes the message has |
//! | 16 to 23 | its number in the sequence of its writer |
//! | 24 to 27 | the CRC-32 of all other bytes |
//! | 28 to at most 127 | filler |
//!
//! Both the length and the filler differ from one number to the next, so that no part of one
//! message looks like the same part of another.

use std::fmt;

use abi::misc::MISC_MESSAGE_MAX;
use crc32fast::Hasher;

/// The longest message that a device takes.
pub const MAX: usize = MISC_MESSAGE_MAX as usize;

const MAGIC: [u8; 4] = *b"hmr1";
const BEFORE_CHECKSUM: usize = 24;
const HEADER: usize = BEFORE_CHECKSUM + 4;

/// What makes a message the one that it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message {
    pub run: u32,
    pub writer: u32,
    pub sequence: u64,
}

impl Message {
    pub fn encode(&self) -> Vec<u8> {
        let Message {
            run,
            writer,
            sequence,
        } = *self;
        let lengths = (MAX - HEADER + 1) as u64;
        // 37 and the number of lengths have no common divisor: each length has its turn.
        let length =
            HEADER as u64 + sequence.wrapping_mul(37).wrapping_add(writer.into()) % lengths;

        let mut bytes = Vec::with_capacity(MAX);
        bytes.extend(MAGIC);
        bytes.extend(run.to_le_bytes());
        bytes.extend(writer.to_le_bytes());
        bytes.extend((length as u32).to_le_bytes());
        bytes.extend(sequence.to_le_bytes());
        let first = sequence.wrapping_mul(31).wrapping_add(writer.into()) as u8;
        let filler: Vec<u8> = (HEADER as u64..length)
            .map(|place| first.wrapping_add(place as u8))
            .collect();
        bytes.extend(checksum(&bytes, &filler).to_le_bytes());
        bytes.extend(filler);
        bytes
    }

    /// The message that hammer `run` made `bytes` of, if they are that message from its first byte
    /// to its last.
    pub fn decode(bytes: &[u8], run: u32) -> Result<Message, Torn> {
        if !bytes.starts_with(&MAGIC) {
            return Err(Torn::Foreign);
        }
        let (message, length, told) = header(bytes).ok_or(Torn::Header)?;
        if length as usize != bytes.len() {
            return Err(Torn::Length {
                told: length,
                came: bytes.len(),
            });
        }
        let (before, filler) = (bytes.get(..BEFORE_CHECKSUM), bytes.get(HEADER..));
        let made = checksum(before.unwrap_or_default(), filler.unwrap_or_default());
        if told != made {
            return Err(Torn::Checksum { told, made });
        }
        if message.run != run {
            return Err(Torn::OtherRun);
        }
        Ok(message)
    }
}

/// Takes the header apart: the message, its length and its checksum.
fn header(mut bytes: &[u8]) -> Option<(Message, u32, u32)> {
    let _magic: [u8; 4] = take(&mut bytes)?;
    let run = u32::from_le_bytes(take(&mut bytes)?);
    let writer = u32::from_le_bytes(take(&mut bytes)?);
    let length = u32::from_le_bytes(take(&mut bytes)?);
    let sequence = u64::from_le_bytes(take(&mut bytes)?);
    let checksum = u32::from_le_bytes(take(&mut bytes)?);
    let message = Message {
        run,
        writer,
        sequence,
    };
    Some((message, length, checksum))
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let field = bytes.get(..N)?.try_into().ok()?;
    *bytes = bytes.get(N..)?;
    Some(field)
}

fn checksum(before: &[u8], after: &[u8]) -> u32 {
    let mut hasher = Hasher::new();
    hasher.update(before);
    hasher.update(after);
    hasher.finalize()
}

/// Why bytes are not one whole message of this hammer.
#[derive(Debug, PartialEq, Eq)]
pub enum Torn {
    Foreign,
    Header,
    Length { told: u32, came: usize },
    Checksum { told: u32, made: u32 },
    OtherRun,
}

impl fmt::Display for Torn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Torn::Foreign => write!(
                f,
                "it does not begin as hammer's do; does another program write to the node?"
            ),
            Torn::Header => write!(f, "it ends within its header"),
            Torn::Length { told, came } => {
                write!(f, "its header tells of {told} bytes, and {came} came")
            }
            Torn::Checksum { told, made } => write!(
                f,
                "its header tells of the checksum {told:#010x}, and its bytes make {made:#010x}"
            ),
            Torn::OtherRun => write!(
                f,
                "another hammer wrote it; let one at a time work on a node"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const RUN: u32 = 7;

    fn message(writer: u32, sequence: u64) -> Message {
        Message {
            run: RUN,
            writer,
            sequence,
        }
    }

    #[test]
    fn the_format_is_what_the_page_says() {
        let bytes = Message {
            run: 0x0403_0201,
            writer: 0x0807_0605,
            sequence: 0x100f_0e0d_0c0b_0a09,
        }
        .encode();
        let length = bytes.len() as u8;
        assert_eq!(
            bytes[..BEFORE_CHECKSUM],
            [
                b'h', b'm', b'r', b'1', 1, 2, 3, 4, 5, 6, 7, 8, length, 0, 0, 0, 9, 10, 11, 12, 13,
                14, 15, 16
            ]
        );
        let mut summed = bytes.clone();
        summed.drain(BEFORE_CHECKSUM..HEADER);
        let told = u32::from_le_bytes(bytes[BEFORE_CHECKSUM..HEADER].try_into().unwrap());
        assert_eq!(told, crc32fast::hash(&summed));
    }

    #[test]
    fn every_length_has_its_turn() {
        let mut lengths: Vec<usize> = (0..101)
            .map(|sequence| message(3, sequence).encode().len())
            .collect();
        lengths.sort_unstable();
        assert_eq!(lengths, (HEADER..=MAX).collect::<Vec<_>>());
    }

    #[test]
    fn messages_that_follow_each_other_have_no_byte_of_filler_in_common() {
        for sequence in 0..1000 {
            let (one, next) = (message(1, sequence), message(1, sequence + 1));
            let (one, next) = (one.encode(), next.encode());
            let common = one.iter().zip(&next).skip(HEADER).any(|(a, b)| a == b);
            assert!(!common, "{sequence}");
        }
    }

    #[test]
    fn each_reason_is_told_apart() {
        let bytes = message(2, 5).encode();
        let decode = |bytes: &[u8]| Message::decode(bytes, RUN).unwrap_err();
        assert_eq!(decode(b""), Torn::Foreign);
        assert_eq!(decode(b"Hello, world!\n"), Torn::Foreign);
        assert_eq!(decode(&bytes[..HEADER - 1]), Torn::Header);
        assert_eq!(
            decode(&bytes[..HEADER]),
            Torn::Length {
                told: bytes.len() as u32,
                came: HEADER
            }
        );
        let mut changed = bytes.clone();
        changed[20] ^= 1;
        assert!(matches!(decode(&changed), Torn::Checksum { .. }));
        assert_eq!(Message::decode(&bytes, RUN + 1), Err(Torn::OtherRun));
    }

    proptest! {
        #[test]
        fn a_whole_message_is_taken_for_what_it_is(writer: u32, sequence: u64) {
            let bytes = message(writer, sequence).encode();
            prop_assert!((HEADER..=MAX).contains(&bytes.len()));
            prop_assert_eq!(Message::decode(&bytes, RUN), Ok(message(writer, sequence)));
        }

        #[test]
        fn any_changed_bit_is_found(
            writer in 0u32..100,
            sequence in 0u64..100_000,
            place in any::<prop::sample::Index>(),
            bit in 0u8..8,
        ) {
            let mut bytes = message(writer, sequence).encode();
            let place = place.index(bytes.len());
            bytes[place] ^= 1 << bit;
            prop_assert!(Message::decode(&bytes, RUN).is_err());
        }

        #[test]
        fn the_beginning_of_one_and_the_end_of_another_are_never_whole(
            (first, second) in (0u32..4, 0u64..1000, 0u32..4, 0u64..1000)
                .prop_map(|(w1, s1, w2, s2)| (message(w1, s1), message(w2, s2))),
            cut in 0..=MAX,
        ) {
            let (a, b) = (first.encode(), second.encode());
            let mixed: Vec<u8> = a.iter().take(cut).chain(b.iter().skip(cut)).copied().collect();
            prop_assume!(mixed != a && mixed != b);
            prop_assert!(Message::decode(&mixed, RUN).is_err());
        }

        #[test]
        fn what_is_cut_off_or_has_grown_is_found(
            sequence in 0u64..1000,
            length in 0..MAX + 10,
        ) {
            let mut bytes = message(1, sequence).encode();
            prop_assume!(length != bytes.len());
            bytes.resize(length, 0);
            prop_assert!(Message::decode(&bytes, RUN).is_err());
        }

        #[test]
        fn bytes_of_any_kind_are_no_message(bytes in prop::collection::vec(any::<u8>(), 0..=MAX)) {
            prop_assert!(Message::decode(&bytes, RUN).is_err());
        }
    }
}
