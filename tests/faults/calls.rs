//! Calls that are the same for every node, and what they must leave alone.

use std::fs::OpenOptions;
use std::os::unix::io::{AsRawFd, IntoRawFd};

use nix::errno::Errno::{self, EFAULT, ENOMEM};
use nix::sys::epoll::{
    epoll_create1, epoll_ctl, epoll_wait, EpollCreateFlags, EpollEvent, EpollFlags, EpollOp,
};
use nix::unistd::close;
use tests::{Module, Node};

use crate::table::Column;
use crate::trial::Trials;

/// For a call that allocates and copies.
pub const EITHER: &[Errno] = &[ENOMEM, EFAULT];

pub fn open(path: &str) -> Node {
    Node::open(path, &to_read_and_write())
}

pub fn to_read_and_write() -> OpenOptions {
    OpenOptions::new().read(true).write(true).to_owned()
}

/// Has open(2) fail; `look` is given the node, or none if it did.
pub fn opens(
    trials: &mut Trials,
    module: &Module,
    path: &str,
    mut look: impl FnMut(Option<&Node>),
) {
    let options = to_read_and_write();
    trials.each(Column::Open, |fault| {
        let before = module.references();
        let node = fault.hits(EITHER, || Node::try_open(path, &options)).ok();
        assert_eq!(module.references(), before + u32::from(node.is_some()));
        look(node.as_ref());
        drop(node);
        drop(open(path));
    });
}

/// Has close(2) fail, which it must not.
pub fn closes(trials: &mut Trials, module: &Module, path: &str) {
    trials.each(Column::Close, |fault| {
        let node = open(path).into_raw_fd();
        fault.hits(&[], || close(node)).expect("close(2)");
        assert_eq!(module.references(), 0);
    });
}

/// Has epoll_ctl(2) fail for the node, which is ready to be read.
pub fn polls(trials: &mut Trials, node: &Node) {
    trials.each(Column::Poll, |fault| {
        let epoll = epoll_create1(EpollCreateFlags::empty()).expect("epoll_create1(2)");
        let fd = node.as_raw_fd();
        let add = |event: &mut EpollEvent| epoll_ctl(epoll, EpollOp::EpollCtlAdd, fd, event);
        let mut event = EpollEvent::new(EpollFlags::EPOLLIN, 7);
        if fault.hits(EITHER, || add(&mut event)).is_err() {
            assert_eq!(add(&mut event), Ok(()));
        }
        let mut events = [EpollEvent::empty()];
        assert_eq!(epoll_wait(epoll, &mut events, 0), Ok(1));
        assert_eq!(events[0].data(), 7);
        close(epoll).unwrap();
    });
}

/// Has a write to a parameter under /sys fail, which has one of `values`.
pub fn parameter(trials: &mut Trials, module: &Module, name: &str, values: [&str; 2]) {
    trials.each(Column::Sys, |fault| {
        assert_eq!(module.set_parameter(name, values[0]), Ok(()));
        let file = Node::open(module.parameter_path(name), OpenOptions::new().write(true));
        let written = fault.hits(EITHER, || file.write(values[1].as_bytes()));
        let value = values[usize::from(written.is_ok())];
        assert_eq!(module.parameter(name), value);
        assert_eq!(file.write(values[1].as_bytes()), Ok(values[1].len()));
        assert_eq!(module.parameter(name), values[1]);
    });
    assert_eq!(module.set_parameter(name, values[0]), Ok(()));
}
