//! Tests of `lkm::sync::Arc`, and of `Refcount` below it.

use super::{model, model_with, Fault, Pair};
use crate::sync::Arc;
use loom::thread;

/// Each of three threads writes, and puts its reference; the last one drops the value, which is
/// to write to it again. Leaking it, and dropping it twice, are seen by loom's allocator.
fn three_write_and_put() {
    let pairs = Arc::try_new([Pair::new(0), Pair::new(0)]).unwrap();
    let threads = [0, 1].map(|half| {
        let pairs = pairs.clone();
        thread::spawn(move || pairs[0].add_to(half))
    });
    pairs[1].add_to(0);
    drop(pairs);
    for thread in threads {
        thread.join().unwrap();
    }
}

#[test]
fn the_last_put_drops_it_once_and_sees_what_all_have_done() {
    model(three_write_and_put);
}

#[test]
#[should_panic = "Causality violation"]
fn it_takes_the_release_of_those_who_put() {
    model_with(Fault::RelaxedPut, three_write_and_put);
}

#[test]
#[should_panic = "Causality violation"]
fn it_takes_the_acquire_of_the_last_put() {
    model_with(Fault::RelaxedLastPut, three_write_and_put);
}

/// Neither lets the count reach 0 before its time, nor finds it there.
#[test]
fn one_gets_while_another_puts() {
    model(|| {
        let pair = Arc::try_new(Pair::new(7)).unwrap();
        let lent = pair.clone();
        let other = thread::spawn(move || {
            let got = Arc::from(lent.as_arc_borrow());
            drop(lent);
            got.get()
        });
        assert_eq!(pair.get(), 7);
        drop(pair);
        assert_eq!(other.join().unwrap(), 7);
    });
}
