//! Messages that tell whether they are whole: all their bytes follow from the first five.

use super::node::MAX;

/// The writer's number, and how many messages it has written before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    pub writer: u8,
    pub sequence: u32,
}

const HEADER: usize = 5;

impl Header {
    /// The message: the header, and filler of a length and with bytes that belong to it alone.
    pub fn message(self) -> Vec<u8> {
        // Knuth's multiplicative hash: neighbours share no bytes.
        let key = u32::from(self.writer) << 24 ^ self.sequence;
        let mut state = key.wrapping_mul(2_654_435_761);
        let mut message = vec![self.writer];
        message.extend(self.sequence.to_le_bytes());
        let length = HEADER + state as usize % (MAX + 1 - HEADER);
        message.resize_with(length, || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        });
        message
    }

    /// The header of `message`, which is whole; else what is wrong with it.
    pub fn of(message: &[u8]) -> Result<Header, String> {
        let header = match *message {
            [writer, a, b, c, d, ..] => Header {
                writer,
                sequence: u32::from_le_bytes([a, b, c, d]),
            },
            _ => return Err(format!("too short for a message: {message:02x?}")),
        };
        let expected = header.message();
        if message == expected {
            Ok(header)
        } else {
            Err(format!("torn: {message:02x?} begins as {expected:02x?}"))
        }
    }
}

#[test]
fn whole_messages_are_known_from_mixtures() {
    let [one, other] = [(1, 7), (1, 8)].map(|(writer, sequence)| Header { writer, sequence });
    assert_eq!(Header::of(&one.message()), Ok(one));
    let lengths = (0..2000).map(|sequence| {
        Header {
            writer: 3,
            sequence,
        }
        .message()
        .len()
    });
    assert!(lengths.clone().min() < Some(10) && lengths.max() == Some(MAX));
    // Any beginning of the one, from where they differ, with the rest of the other.
    let (one, other) = (one.message(), other.message());
    for place in 2..one.len().min(other.len()) {
        let torn = [&one[..place], &other[place..]].concat();
        assert!(Header::of(&torn).is_err(), "{torn:02x?}");
    }
}
