//! McIlroy's adversary: the input that a given quicksort takes the most comparisons for.
//!
//! See "A Killer Adversary for Quicksort" (1999). No number is fixed before it has to be, and so
//! the pivot is among the least, whichever words it is chosen from.

use std::cell::RefCell;
use std::cmp::Ordering;

/// A number that is yet to be fixed, by where it lies in the input.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place(usize);

struct Adversary {
    /// None as long as it may still become any that is greater than those which are fixed.
    numbers: Vec<Option<i32>>,
    fixed: i32,
    candidate: Option<usize>,
}

thread_local! {
    static ADVERSARY: RefCell<Adversary> = RefCell::new(Adversary::new(0));
}

impl Adversary {
    fn new(count: usize) -> Adversary {
        Adversary {
            numbers: vec![None; count],
            fixed: 0,
            candidate: None,
        }
    }

    fn fix(&mut self, place: usize) {
        self.numbers[place] = Some(self.fixed);
        self.fixed += 1;
    }

    fn compare(&mut self, a: usize, b: usize) -> Ordering {
        if a != b && self.numbers[a].or(self.numbers[b]).is_none() {
            self.fix(if Some(a) == self.candidate { a } else { b });
        }
        match (self.numbers[a], self.numbers[b]) {
            (Some(a), Some(b)) => a.cmp(&b),
            (Some(_), None) => {
                self.candidate = Some(b);
                Ordering::Less
            }
            (None, Some(_)) => {
                self.candidate = Some(a);
                Ordering::Greater
            }
            (None, None) => Ordering::Equal,
        }
    }
}

impl Ord for Place {
    fn cmp(&self, other: &Place) -> Ordering {
        ADVERSARY.with(|it| it.borrow_mut().compare(self.0, other.0))
    }
}

impl PartialOrd for Place {
    fn partial_cmp(&self, other: &Place) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// So many numbers in the order that is the worst for `sort`.
pub(crate) fn against(count: usize, sort: impl FnOnce(&mut [Place])) -> Vec<i32> {
    ADVERSARY.with(|it| *it.borrow_mut() = Adversary::new(count));
    let mut places: Vec<Place> = (0..count).map(Place).collect();
    sort(&mut places);
    let adversary = ADVERSARY.with(|it| it.replace(Adversary::new(0)));
    let never_fixed = adversary.fixed;
    adversary
        .numbers
        .into_iter()
        .map(|number| number.unwrap_or(never_fixed))
        .collect()
}
