// SPDX-License-Identifier: GPL-2.0

//! rustc only warns of some that is unsound, and a module does not say that it need not.

#![allow(where_clauses_object_safety)] //~ ERROR incompatible with previous forbid

/// What `dyn Callee` is, and `()` is not.
pub trait Marked {}

impl Marked for dyn Callee {}

/// An object of it has a function, if it is one, that its own type has not.
pub trait Callee {
    /// Not in the table of `()`.
    fn call(&self)
    where
        Self: Marked;
}

impl Callee for () {
    fn call(&self) {}
}

/// Jumps to nowhere.
pub fn jump() {
    let callee: &dyn Callee = &();
    <dyn Callee as Callee>::call(callee);
}
