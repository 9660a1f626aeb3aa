//! Tests of `lkm::ring`.

use super::model;
use crate::ring::spsc;
use loom::thread;

/// What comes out is what went in, in order, less what was refused.
#[test]
fn every_element_arrives_once_and_in_order() {
    model(|| {
        let (mut producer, mut consumer) = spsc::<Box<u32>>(2).unwrap();
        let sender = thread::spawn(move || {
            (1..=4)
                .filter(|&n| producer.push(Box::new(n)).is_ok())
                .collect::<Vec<_>>()
        });
        let mut got = Vec::new();
        for _ in 0..2 {
            got.extend(consumer.pop().map(|n| *n));
        }
        let sent = sender.join().unwrap();
        while let Some(n) = consumer.pop() {
            got.push(*n);
        }
        assert_eq!(got, sent);
        assert!(sent.len() >= 2, "a ring of 2 takes the first 2");
    });
}

/// A slot is written again only after its element was read.
#[test]
fn a_slot_is_used_again_only_after_it_was_read() {
    model(|| {
        let (mut producer, mut consumer) = spsc::<Box<u32>>(1).unwrap();
        producer.push(Box::new(0)).unwrap();
        let receiver = thread::spawn(move || {
            let first = consumer.pop().map(|n| *n);
            (first, consumer)
        });
        let refused = producer.push(Box::new(1)).is_err();
        let (first, mut consumer) = receiver.join().unwrap();
        assert_eq!(first, Some(0));
        assert_eq!(consumer.pop().map(|n| *n), (!refused).then(|| 1));
    });
}

/// What nobody took is dropped with the ring, whichever end goes last.
#[test]
fn what_is_left_is_dropped_with_the_last_end() {
    struct Count(loom::sync::Arc<loom::sync::atomic::AtomicUsize>);

    impl Drop for Count {
        fn drop(&mut self) {
            self.0.fetch_add(1, loom::sync::atomic::Ordering::Relaxed);
        }
    }

    model(|| {
        let drops = loom::sync::Arc::new(loom::sync::atomic::AtomicUsize::new(0));
        let (mut producer, mut consumer) = spsc(4).unwrap();
        let counted = drops.clone();
        let sender = thread::spawn(move || {
            for _ in 0..3 {
                assert!(producer.push(Count(counted.clone())).is_ok());
            }
        });
        drop(consumer.pop());
        drop(consumer);
        sender.join().unwrap();
        assert_eq!(drops.load(loom::sync::atomic::Ordering::Relaxed), 3);
    });
}

#[test]
fn a_capacity_is_rounded_up_to_a_power_of_two() {
    model(|| {
        let (mut producer, _consumer) = spsc(3).unwrap();
        assert_eq!((0..9).filter(|&n| producer.push(n).is_ok()).count(), 4);
    });
}

#[test]
fn a_capacity_that_no_allocation_can_have_is_refused() {
    model(|| {
        assert!(spsc::<u8>(usize::MAX).is_err());
        assert!(spsc::<u8>(4_194_305).is_err());
    });
}
