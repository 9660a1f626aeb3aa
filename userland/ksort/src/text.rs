//! Numbers that are written in a text.

use std::io::{BufRead, ErrorKind};
use std::marker::PhantomData;

use anyhow::{anyhow, Context, Result};

use crate::number::{parse, Number, LONGEST};

/// The numbers of a text, which has whitespace between them, as they are read.
pub struct Text<R, T> {
    name: String,
    input: R,
    line: u64,
    word: Vec<u8>,
    numbers: PhantomData<T>,
}

impl<R: BufRead, T> Text<R, T> {
    /// Those of `input`, which errors call `name`.
    pub fn new(name: String, input: R) -> Self {
        Text {
            name,
            input,
            line: 1,
            word: Vec::new(),
            numbers: PhantomData,
        }
    }

    /// Reads the next word, of which a part is enough if it is too long for a number; false at the
    /// end of the text.
    fn read_word(&mut self) -> Result<bool> {
        self.word.clear();
        loop {
            let chunk = match self.input.fill_buf() {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                chunk => chunk.with_context(|| format!("{}: cannot read", self.name))?,
            };
            if chunk.is_empty() {
                return Ok(!self.word.is_empty());
            }
            let (mut used, mut is_read) = (0, false);
            for &byte in chunk {
                let space = byte.is_ascii_whitespace();
                is_read = if space {
                    !self.word.is_empty()
                } else {
                    self.word.len() > LONGEST
                };
                if is_read {
                    break;
                }
                used += 1;
                if !space {
                    self.word.push(byte);
                }
                self.line += u64::from(byte == b'\n');
            }
            self.input.consume(used);
            if is_read {
                return Ok(true);
            }
        }
    }
}

impl<R: BufRead, T: Number> Iterator for Text<R, T> {
    type Item = Result<T>;

    fn next(&mut self) -> Option<Result<T>> {
        match self.read_word() {
            Ok(true) => {
                let number = parse(&self.word);
                Some(number.map_err(|why| anyhow!("{}: line {}: {why}", self.name, self.line)))
            }
            Ok(false) => None,
            Err(error) => Some(Err(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, BufReader, Read};

    use super::*;
    use proptest::prelude::*;

    /// What is read when `piece` bytes come at a time, up to an error.
    fn read<T: Number>(text: &[u8], piece: usize) -> Result<Vec<T>, String> {
        let input = BufReader::with_capacity(piece, text);
        let numbers = Text::new("FILE".to_owned(), input);
        numbers
            .collect::<Result<_>>()
            .map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn any_whitespace_separates_numbers() {
        let text = b"\n 3\t-1\r\n\r\n2 \x0c 00007\n+4";
        for piece in 1..text.len() {
            assert_eq!(read(text, piece), Ok(vec![3i32, -1, 2, 7, 4]), "{piece}");
        }
    }

    #[test]
    fn a_text_may_have_no_number() {
        assert_eq!(read::<i32>(b"", 1), Ok(vec![]));
        assert_eq!(read::<i32>(b" \n\n ", 2), Ok(vec![]));
    }

    #[test]
    fn what_is_no_number_is_named_with_its_line() {
        for (text, told) in [
            (&b"1 2\n3 4x 5\n"[..], "FILE: line 2: \"4x\" is no i32; "),
            (b"x", "FILE: line 1: \"x\" is no i32; "),
            (b"1\n\n\n2147483648\n", "FILE: line 4: \"2147483648\" is no"),
            (b"1,2", "FILE: line 1: \"1,2\" is no i32; "),
        ] {
            for piece in 1..10 {
                let error = read::<i32>(text, piece).unwrap_err();
                assert!(error.starts_with(told), "{error}");
            }
        }
    }

    #[test]
    fn a_word_without_an_end_is_not_read_to_its_end() {
        let input = BufReader::new(io::repeat(b'0'));
        let mut numbers = Text::<_, i32>::new("FILE".to_owned(), input);
        let error = numbers.next().unwrap().unwrap_err().to_string();
        assert!(error.starts_with("FILE: line 1: \"0000"), "{error}");
    }

    /// Is interrupted, gives one byte, is interrupted again, and fails in the end.
    struct Shaky(u32);

    impl Read for Shaky {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.0 += 1;
            match self.0 {
                1 | 3 => Err(ErrorKind::Interrupted.into()),
                2 => {
                    buffer[..2].copy_from_slice(b"5 ");
                    Ok(2)
                }
                _ => Err(io::Error::from_raw_os_error(5)),
            }
        }
    }

    #[test]
    fn an_interrupted_read_is_repeated_and_one_that_fails_is_an_error() {
        let mut numbers = Text::<_, u64>::new("FILE".to_owned(), BufReader::new(Shaky(0)));
        assert_eq!(numbers.next().unwrap().unwrap(), 5);
        let error = numbers.next().unwrap().unwrap_err();
        assert_eq!(
            format!("{error:#}"),
            "FILE: cannot read: Input/output error (os error 5)"
        );
    }

    proptest! {
        #[test]
        fn numbers_are_read_as_they_were_written(
            numbers: Vec<i64>,
            separators in prop::collection::vec("[ \t\r\n\x0c]{1,3}", 1..5),
            piece in 1usize..50,
        ) {
            let words = numbers.iter().zip(separators.iter().cycle());
            let text: String = words.map(|(number, separator)| format!("{number}{separator}")).collect();
            prop_assert_eq!(read(text.as_bytes(), piece), Ok(numbers));
        }
    }
}
