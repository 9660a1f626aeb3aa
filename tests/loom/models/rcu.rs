//! Tests of `lkm::sync::rcu`.

use super::{model, model_with, Fault, Pair};
use crate::sync::{
    rcu::{with_read_lock, Old, Pointer, Prepared},
    Arc, LockClassKey,
};
use loom::thread::{self, JoinHandle};
use std::ffi::CStr;

type Shared = std::sync::Arc<Pointer<Pair>>;

static CLASS: LockClassKey = LockClassKey;

/// A pointer to 1.
fn pointer() -> Pointer<Pair> {
    let name = CStr::from_bytes_with_nul(b"pair\0").unwrap();
    Pointer::new(Pair::new(1), name, &CLASS).unwrap()
}

/// The same for threads; the one that makes it joins them, and drops it last. `lkm`'s own `Arc`
/// would have loom try all orders of its counting, too.
fn shared() -> Shared {
    Shared::new(pointer())
}

fn read(pointer: &Pointer<Pair>) -> u32 {
    with_read_lock(|guard| pointer.read(guard).get())
}

/// A thread that reads once.
fn reader(pointer: &Shared) -> JoinHandle<u32> {
    let pointer = pointer.clone();
    thread::spawn(move || read(&pointer))
}

/// Replaces the value by one that is one more: made where it stays, in part before any lock is
/// taken, and else with what it replaces at hand.
fn add_one(pointer: &Pointer<Pair>) -> Old<Pair> {
    let new = Prepared::new(Pair::new(0)).unwrap();
    new.add_to(0);
    new.add_to(1);
    pointer.publish(new, |new, current| {
        for _ in 0..current.get() {
            new.add_to(0);
            new.add_to(1);
        }
    })
}

fn replace_and_wait() {
    let pointer = shared();
    let readers = [reader(&pointer), reader(&pointer)];
    add_one(&pointer).synchronize_rcu();
    for reader in readers {
        assert!([1, 2].contains(&reader.join().unwrap()));
    }
    assert_eq!(read(&pointer), 2);
}

#[test]
fn a_reader_sees_the_old_value_or_the_new_one_and_none_that_is_freed() {
    model(replace_and_wait);
}

#[test]
#[should_panic = "Causality violation"]
fn it_takes_a_grace_period() {
    model_with(Fault::EmptyGracePeriod, replace_and_wait);
}

fn replace_and_go_on() {
    let pointer = shared();
    let reader = reader(&pointer);
    add_one(&pointer).call_rcu();
    assert_eq!(read(&pointer), 2);
    assert!([1, 2].contains(&reader.join().unwrap()));
}

#[test]
fn call_rcu_frees_when_the_readers_have_ended() {
    model(replace_and_go_on);
}

#[test]
#[should_panic = "Causality violation"]
fn it_takes_a_grace_period_after_call_rcu_too() {
    model_with(Fault::EmptyGracePeriod, replace_and_go_on);
}

/// It cannot wait for itself; what it reads is not freed for that.
#[test]
fn a_reader_may_drop_what_was_replaced() {
    model(|| {
        let pointer = shared();
        let other = reader(&pointer);
        with_read_lock(|guard| {
            let seen = pointer.read(guard);
            let old = thread::spawn({
                let pointer = pointer.clone();
                move || add_one(&pointer)
            });
            drop(old.join().unwrap());
            assert_eq!(seen.get(), 1);
            assert_eq!(pointer.read(guard).get(), 2);
        });
        assert!([1, 2].contains(&other.join().unwrap()));
    });
}

/// And no reader sees the value go back.
#[test]
fn of_two_writers_neither_undoes_what_the_other_did() {
    model(|| {
        let pointer = shared();
        let writer = thread::spawn({
            let pointer = pointer.clone();
            move || add_one(&pointer)
        });
        let reader = thread::spawn({
            let pointer = pointer.clone();
            move || (read(&pointer), read(&pointer))
        });
        let replaced = [add_one(&pointer), writer.join().unwrap()];
        let (first, second) = reader.join().unwrap();
        assert!(1 <= first && first <= second && second <= 3);
        assert_eq!(read(&pointer), 3);
        drop(replaced);
    });
}

/// And no reader has seen it.
#[test]
fn what_was_prepared_and_is_not_published_is_dropped() {
    model(|| {
        let pointer = shared();
        let reader = reader(&pointer);
        let new = Prepared::new(Pair::new(7)).unwrap();
        new.add_to(0);
        new.add_to(1);
        drop(new);
        assert_eq!(reader.join().unwrap(), 1);
    });
}

/// One that needs nothing of what is there.
#[test]
fn a_value_is_replaced_as_a_whole() {
    model(|| {
        let pointer = shared();
        let reader = reader(&pointer);
        pointer.replace(Pair::new(3)).unwrap().synchronize_rcu();
        assert!([1, 3].contains(&reader.join().unwrap()));
        assert_eq!(read(&pointer), 3);
    });
}

/// Whoever has the last reference to the pointer drops the value with it.
#[test]
fn the_value_is_dropped_with_the_pointer() {
    model(|| {
        let pointer = Arc::try_new(pointer()).unwrap();
        let reader = thread::spawn({
            let pointer = pointer.clone();
            move || read(&pointer)
        });
        let writer = thread::spawn({
            let pointer = pointer.clone();
            move || drop(add_one(&pointer))
        });
        drop(pointer);
        assert!([1, 2].contains(&reader.join().unwrap()));
        writer.join().unwrap();
    });
}
