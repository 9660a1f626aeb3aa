//! What names a place in the kernel's code: `function+0xoff/0xsize [module]`, as the kernel prints it.

/// A function's name in a line, and the place in it if there is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// As in the table of symbols.
    pub function: &'a str,
    /// Where the name and the place are in the line.
    pub start: usize,
    pub end: usize,
    pub place: Option<Place<'a>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place<'a> {
    pub offset: u64,
    /// Up to the next function.
    pub size: u64,
    /// The module; without one, it is the kernel.
    pub module: Option<&'a str>,
}

/// Those of a line. A name without a place counts only if it is one of Rust's, as nobody else has
/// such names.
pub fn frames(line: &str) -> Vec<Frame> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '$');
    let mut frames = Vec::new();
    let mut at = 0;
    while let Some(start) = line[at..].find(is_word).map(|found| at + found) {
        let rest = &line[start..];
        let function = &rest[..rest.find(|c| !is_word(c)).unwrap_or(rest.len())];
        let mut end = start + function.len();
        at = end;
        // A part of a name that is readable already.
        let before = &line[..start];
        if before.ends_with("::") || before.ends_with('>') {
            continue;
        }
        let place = place(&line[end..]);
        if let Some((_, length)) = place {
            end += length;
            at = end;
        } else if rustc_demangle::try_demangle(function).is_err() {
            continue;
        }
        frames.push(Frame {
            function,
            start,
            end,
            place: place.map(|(place, _)| place),
        });
    }
    frames
}

/// The place that a text begins with, and how long it is there.
fn place(text: &str) -> Option<(Place, usize)> {
    let (offset, rest) = hexadecimal(text.strip_prefix("+0x")?)?;
    let (size, rest) = hexadecimal(rest.strip_prefix("/0x")?)?;
    let module = rest.strip_prefix(" [").and_then(|rest| {
        // With CONFIG_STACKTRACE_BUILD_ID, the build's ID follows.
        let (module, _) = rest.split_once(']')?;
        let name = module.split(' ').next()?;
        let is_name = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        (is_name && !name.is_empty()).then_some((name, " []".len() + module.len()))
    });
    let length = text.len() - rest.len() + module.map_or(0, |(_, length)| length);
    let module = module.map(|(name, _)| name);
    Some((
        Place {
            offset,
            size,
            module,
        },
        length,
    ))
}

fn hexadecimal(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_hexdigit());
    let (digits, rest) = text.split_at(end.unwrap_or(text.len()));
    Some((u64::from_str_radix(digits, 16).ok()?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    type Found<'a> = (&'a str, Option<(u64, u64)>, Option<&'a str>);

    fn found(line: &str) -> Vec<Found> {
        let all = frames(line).into_iter();
        let all = all.map(|frame| {
            let place = frame.place;
            let numbers = place.map(|place| (place.offset, place.size));
            (
                frame.function,
                numbers,
                place.and_then(|place| place.module),
            )
        });
        all.collect()
    }

    #[test]
    fn every_form_of_a_place_is_found() {
        let rust = "_RNvMNtCs1lhT4twBzT9_3lkm7kthreadNtB2_7Context5sleep";
        for (line, expected) in [
            (
                "pc : vfs_read+0xc8/0x1a0",
                vec![("vfs_read", Some((0xc8, 0x1a0)), None)],
            ),
            (
                "RIP: 0010:f.cold+0x5/0x19 [a_b]",
                vec![("f.cold", Some((5, 0x19)), Some("a_b"))],
            ),
            (
                "[    1.0]  ? f+0x1/0x2 [m 1234abcd]",
                vec![("f", Some((1, 2)), Some("m"))],
            ),
            (
                "WARNING: CPU: 0 PID: 1 at a/b.c:12 f+0x1/0x2",
                vec![("f", Some((1, 2)), None)],
            ),
            (
                "#0: ffff (&lock){+.+.}-{3:3}, at: f+0x1/0x40 [m], by g+0x0/0x8",
                vec![("f", Some((1, 0x40)), Some("m")), ("g", Some((0, 8)), None)],
            ),
            (
                &format!("Workqueue: events {rust} [m]"),
                vec![(rust, None, None)],
            ),
        ] {
            assert_eq!(found(line), expected, "{line}");
        }
    }

    #[test]
    fn what_is_no_place_is_left_alone() {
        for line in [
            "",
            "a+0x1 b/0x2 c+0x/0x1 d+1/2",
            "x0 : ffff000003a5c000 x1 : 0000000000000001",
            "Code: aa0003f3 (d4210000)",
            "<lkm::kthread::Context>::sleep+0x1/0x2 [lkm]",
            "Hardware name: linux,dummy-virt (DT)",
        ] {
            assert_eq!(found(line), [], "{line}");
        }
    }
}
