//! misc_mutex: the device guarded by a mutex.

mod family;

use family::{HoldsUp, Member};

const MEMBER: Member = Member {
    name: "misc_mutex",
    opener_keeps_message: false,
    slow_reader_holds_up: HoldsUp {
        readers: true,
        writers: true,
    },
    slow_writer_holds_up: HoldsUp {
        readers: true,
        writers: true,
    },
};
