//! misc_rwlock: the device guarded by a read-write semaphore.

mod family;

use family::{HoldsUp, Member};

const MEMBER: Member = Member {
    name: "misc_rwlock",
    opener_keeps_message: false,
    slow_reader_holds_up: HoldsUp {
        readers: false,
        writers: true,
    },
    slow_writer_holds_up: HoldsUp {
        readers: true,
        writers: true,
    },
};
