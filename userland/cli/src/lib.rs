//! What the programs for the device nodes have in common: how they open a node, wait for it, write
//! their output and complain, so that all of them do it alike.

mod arguments;
mod node;
mod output;
mod pipe;
mod seconds;
mod table;
mod waiter;

pub use arguments::{parse, refuse, tell, Statuses, STATUSES};
pub use node::{open, Access};
pub use output::{complain, print, stderr, stdout, write_all, Stream};
pub use pipe::pipe;
pub use seconds::{parse_seconds, per_second};
pub use table::{table, Align};
pub use waiter::{Waiter, Wake};
