//! Where a call takes its bytes from or puts them.

use fastrand::Rng;
use tests::{EdgeOfMemory, KERNEL, UNMAPPED};

/// What a call does with memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// The kernel writes there.
    Read,
    /// The kernel reads there.
    Write,
}

/// A buffer: an address that means the same in each run, and a length that it need not have.
#[derive(Clone, Copy, Debug)]
pub struct Buffer {
    pub place: Place,
    pub length: usize,
}

/// An address.
#[derive(Clone, Copy, Debug)]
pub enum Place {
    /// In memory that is ours, so many bytes from its beginning.
    Good(usize),
    /// So many bytes before the end of our memory, behind which there is none.
    BeforeEdge(usize),
    /// So many bytes before the beginning of our memory, where there is none.
    BeforeStart(usize),
    /// Memory that can only be read.
    ReadOnly,
    Null,
    Unmapped,
    Kernel,
    /// The last bytes of all.
    Top,
}

/// How many bytes of a buffer the kernel can get at.
pub struct Reach {
    pub least: usize,
    pub most: usize,
}

const PAGE: usize = 4096;
static READ_ONLY: [u8; PAGE] = [0x55; PAGE];

/// The memory of one thread.
pub struct Memory {
    edge: EdgeOfMemory,
}

impl Memory {
    pub const PAGES: usize = 16;
    pub const LENGTH: usize = Memory::PAGES * PAGE;

    pub fn new(rng: &mut Rng) -> Memory {
        let edge = EdgeOfMemory::of_pages(Memory::PAGES);
        let mut bytes = vec![0; Memory::LENGTH];
        rng.fill(&mut bytes);
        edge.set_last(&bytes);
        Memory { edge }
    }

    pub fn address(&self, place: Place) -> usize {
        match place {
            Place::Good(offset) => self.edge.before_the_edge(Memory::LENGTH - offset),
            Place::BeforeEdge(bytes) => self.edge.before_the_edge(bytes),
            Place::BeforeStart(bytes) => self.edge.before_the_page(bytes),
            Place::ReadOnly => READ_ONLY.as_ptr() as usize,
            Place::Null => 0,
            Place::Unmapped => UNMAPPED,
            Place::Kernel => KERNEL,
            Place::Top => usize::MAX - 2,
        }
    }

    /// Puts an argument at a place, if it fits there.
    pub fn set(&self, place: Place, value: &[u8]) {
        let left = match place {
            Place::Good(offset) => Memory::LENGTH - offset,
            Place::BeforeEdge(bytes) => bytes,
            _ => return,
        };
        if left >= value.len() {
            let address = self.address(place) as *mut u8;
            // SAFETY: within our memory, of which nobody has a reference.
            unsafe { std::ptr::copy_nonoverlapping(value.as_ptr(), address, value.len()) };
        }
    }
}

impl Place {
    /// Good more often than not: what a bad one is for is soon said.
    pub fn random(rng: &mut Rng) -> Place {
        match rng.u32(..16) {
            0 => Place::BeforeEdge(rng.usize(1..64)),
            1 => Place::BeforeEdge(rng.usize(1..PAGE)),
            2 => Place::BeforeStart(rng.usize(1..64)),
            3 => Place::ReadOnly,
            4 => Place::random_bad(rng),
            // Unaligned, and across pages.
            5..=8 => Place::Good(rng.usize(..Memory::LENGTH)),
            _ => Place::Good(8 * rng.usize(..PAGE / 8)),
        }
    }

    /// Where there is nothing at all.
    pub fn random_bad(rng: &mut Rng) -> Place {
        match rng.u32(..4) {
            0 => Place::Null,
            1 => Place::Unmapped,
            2 => Place::Kernel,
            _ => Place::Top,
        }
    }
}

impl Buffer {
    pub fn random(rng: &mut Rng) -> Buffer {
        let length = match rng.u32(..16) {
            0 => 0,
            1 => rng.usize(PAGE..2 * Memory::LENGTH),
            2 => *rng
                .choice(&[
                    1 << 20,
                    1 << 28,
                    i32::MAX as usize,
                    1 << 31,
                    u32::MAX as usize,
                    isize::MAX as usize,
                    1 << 63,
                    usize::MAX,
                ])
                .unwrap(),
            3..=7 => 8 * rng.usize(1..24),
            _ => rng.usize(1..140),
        };
        let place = Place::random(rng);
        Buffer { place, length }
    }

    pub fn reach(self, way: Way) -> Reach {
        let exactly = |bytes: usize| Reach {
            least: bytes.min(self.length),
            most: bytes.min(self.length),
        };
        match self.place {
            Place::Good(offset) => exactly(Memory::LENGTH - offset),
            Place::BeforeEdge(bytes) => exactly(bytes),
            Place::ReadOnly if way == Way::Write => Reach {
                least: self.length.min(PAGE),
                // There may be more of the program behind it.
                most: self.length,
            },
            _ => exactly(0),
        }
    }

    /// Whether the kernel can get at all of it. Not even nothing can be at an address of its own.
    pub fn is_whole(self, way: Way) -> bool {
        let is_ours = !matches!(self.place, Place::Kernel | Place::Top);
        is_ours && self.reach(way).least == self.length
    }
}
