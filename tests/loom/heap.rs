//! The kernel's allocator. What is freed here is kept until all threads have ended, for loom to
//! look at when a thread uses it.

use std::{
    alloc::{self, Layout},
    cell::RefCell,
    collections::HashMap,
};

struct Block {
    layout: Layout,
    freed: bool,
}

thread_local! {
    // loom runs the threads of a model in turn, as coroutines of the one here.
    static BLOCKS: RefCell<HashMap<*mut u8, Block>> = RefCell::default();
}

pub unsafe fn alloc(layout: Layout) -> *mut u8 {
    let ptr = unsafe { alloc::alloc(layout) };
    let block = Block {
        layout,
        freed: false,
    };
    BLOCKS.with(|blocks| blocks.borrow_mut().insert(ptr, block));
    ptr
}

pub unsafe fn dealloc(ptr: *mut u8, layout: Layout) {
    BLOCKS.with(|blocks| {
        let mut blocks = blocks.borrow_mut();
        let block = blocks.get_mut(&ptr).expect("never allocated");
        assert_eq!(block.layout, layout);
        assert!(!block.freed, "freed twice");
        block.freed = true;
    });
}

/// Forgets what a test that has failed has left.
pub fn forget() {
    BLOCKS.with(RefCell::take);
}

/// Makes sure that all is freed. No thread of the model is left.
pub fn check() {
    for (ptr, block) in BLOCKS.with(RefCell::take) {
        assert!(block.freed, "leaked");
        // SAFETY: from `alloc`, with this layout.
        unsafe { alloc::dealloc(ptr, block.layout) };
    }
}
