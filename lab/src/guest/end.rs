//! How a run ended, and the lab's exit status for it.

use super::ports::Seen;
use std::time::Duration;

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The command ended with this status.
    Exited(u8),
    /// The guest never said that it runs the command.
    NotBooted,
    /// The kernel panicked, or the guest stopped by itself, under the command.
    Died,
    /// The time limit was reached.
    TimedOut,
    /// Nobody reads the command's output any more.
    Unread,
}

/// The lab's exit status for it.
pub const NOT_BOOTED: u8 = 121;

impl End {
    /// The lab's exit status.
    pub fn code(self) -> u8 {
        match self {
            End::Exited(status) => status,
            End::NotBooted => NOT_BOOTED,
            End::Died => 122,
            End::TimedOut => 124,
            // What a shell says of a command that SIGPIPE ended.
            End::Unread => 141,
        }
    }

    /// What there is to say about it, unless the command's own words are enough.
    pub fn complaint(self, limit: Option<Duration>) -> Option<String> {
        let limit = limit.map_or(0, |limit| limit.as_secs());
        match self {
            End::Exited(_) | End::Unread => None,
            End::NotBooted => Some("the guest did not boot: it never came to the command".into()),
            End::Died => {
                Some("the guest's kernel panicked, or the guest stopped, under the command".into())
            }
            End::TimedOut => Some(format!(
                "time-out: the run took longer than {limit} s (--timeout)"
            )),
        }
    }
}

impl Seen {
    pub fn end(&self) -> End {
        match *self {
            Seen { unread: true, .. } => End::Unread,
            Seen { started: false, .. } => End::NotBooted,
            // Also after the command's status: powering off is part of the run.
            Seen { panic: true, .. } => End::Died,
            Seen {
                timed_out: true, ..
            } => End::TimedOut,
            Seen {
                status: Some(status),
                ..
            } => End::Exited(status),
            Seen { status: None, .. } => End::Died,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_four_failures_and_a_status_are_told_apart() {
        let code = |seen: Seen| seen.end().code();
        let started = || Seen {
            started: true,
            ..Seen::default()
        };
        assert_eq!(
            code(Seen {
                status: Some(0),
                ..started()
            }),
            0
        );
        assert_eq!(
            code(Seen {
                status: Some(143),
                ..started()
            }),
            143
        );
        assert_eq!(code(Seen::default()), 121);
        assert_eq!(
            code(Seen {
                panic: true,
                ..Seen::default()
            }),
            121
        );
        assert_eq!(
            code(Seen {
                timed_out: true,
                ..Seen::default()
            }),
            121
        );
        assert_eq!(
            code(Seen {
                panic: true,
                ..started()
            }),
            122
        );
        assert_eq!(
            code(Seen {
                panic: true,
                status: Some(0),
                ..started()
            }),
            122
        );
        assert_eq!(code(started()), 122);
        assert_eq!(
            code(Seen {
                timed_out: true,
                ..started()
            }),
            124
        );
        assert_eq!(
            code(Seen {
                unread: true,
                ..started()
            }),
            141
        );
    }
}
