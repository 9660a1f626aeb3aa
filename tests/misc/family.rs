//! What the modules of the misc family have in common: one device, guarded in several ways. Each
//! module's own file names it and adds what is special to it.

mod contents;
pub mod hammer;
mod lifetime;
mod manners;
mod memory;
mod message;
pub mod node;
mod parameters;
mod position;
pub mod slow;
mod statistics;
mod transfer;
mod whole;

/// A module of the family: how it differs from the others where a program can tell.
pub struct Member {
    /// Of the module, and of its node in /dev.
    pub name: &'static str,
    /// An open file goes on reading the message that was current when it was opened.
    pub opener_keeps_message: bool,
    /// Who waits while a reader's memory is slow to take the message.
    pub slow_reader_holds_up: HoldsUp,
    /// Who waits while a writer's memory is slow to give the message.
    pub slow_writer_holds_up: HoldsUp,
}

/// Whom one holds up who is slow.
pub struct HoldsUp {
    pub readers: bool,
    pub writers: bool,
}
