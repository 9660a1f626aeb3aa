//! ksort: what it takes to have numbers sorted, from before the write(2) to after the read(2).

use crate::clock::{busy, now, Unit};
use crate::module::Module;
use crate::profile::record;
use crate::sample::{Sample, Side};
use crate::search::least;
use abi::ksort::{
    get_stats, set_algorithm, set_type, KSORT_AUTO, KSORT_HEAP, KSORT_I32, KSORT_I64,
    KSORT_PARALLEL, KSORT_QUICK, KSORT_RADIX,
};
use anyhow::{ensure, Context, Result};
use std::fs::File;
use std::io::{Read, Write};

/// Sizes on which all are measured, and one that is for ours alone.
const SIZES: [usize; 4] = [1_000, 10_000, 100_000, 1_000_000];
const LARGEST: usize = 10_000_000;

/// So many that the digits' tables, and the calls, are little beside them.
const PROFILED: usize = 10_000;

/// Where what is to be compared is how long it takes on one CPU, and on more of them.
const PARALLEL: usize = 1_000_000;
const PARALLEL_PAIRS: usize = 5;

/// Sizes around the one from which several CPUs are worth it.
const CROSSOVER: [usize; 5] = [50_000, 100_000, 200_000, 500_000, 1_000_000];

/// One way to sort.
struct Way<'a> {
    /// What it is to be compared with.
    ops: &'a [&'a str],
    side: Side,
    sort: Sort<'a>,
}

type Sort<'a> = Box<dyn FnMut(&[i32], &mut [i32]) -> Result<()> + 'a>;

pub fn instructions() -> Result<()> {
    let (ours, c) = (load(Side::Ours)?, load(Side::C)?);
    let mut ways = [
        by_node(&["auto"], Side::Ours, &ours, KSORT_AUTO)?,
        by_node(&["heap"], Side::Ours, &ours, KSORT_HEAP)?,
        by_node(&["quick"], Side::Ours, &ours, KSORT_QUICK)?,
        by_node(&["radix"], Side::Ours, &ours, KSORT_RADIX)?,
        by_node(&["parallel"], Side::Ours, &ours, KSORT_PARALLEL)?,
        // The twin has one algorithm.
        by_node(&["auto", "heap"], Side::C, &c, KSORT_HEAP)?,
        Way {
            ops: &["auto"],
            side: Side::Userland,
            sort: Box::new(by_qsort),
        },
    ];
    for elements in SIZES {
        measure(&mut ways, elements)?;
    }
    measure(&mut ways[..1], LARGEST)?;
    crossover(&ours, "i32", KSORT_I32)?;
    crossover(&ours, "i64", KSORT_I64)
}

fn load(side: Side) -> Result<Module> {
    Module::load("ksort", side, "")
}

fn by_node<'a>(ops: &'a [&'a str], side: Side, module: &Module, algorithm: u32) -> Result<Way<'a>> {
    let mut node = module.open()?;
    set_algorithm(&node, algorithm).context("cannot choose the algorithm")?;
    Ok(Way {
        ops,
        side,
        sort: Box::new(move |numbers, sorted| through(&mut node, numbers, sorted)),
    })
}

/// One sort, by each side's own choice.
pub fn profile() -> Result<()> {
    let numbers = random(PROFILED);
    let mut sorted = vec![0; PROFILED];
    for side in [Side::Ours, Side::C] {
        let module = load(side)?;
        let mut node = module.open()?;
        record("ksort", "auto", side, PROFILED as u64, |count| {
            let count = count as usize;
            through(&mut node, &numbers[..count], &mut sorted[..count])
        })?;
    }
    Ok(())
}

/// Each way in turn, some times.
fn measure(ways: &mut [Way], elements: usize) -> Result<()> {
    let numbers = random(elements);
    let mut expected = numbers.clone();
    expected.sort_unstable();
    let mut sorted = vec![0; elements];
    // A tick of the kernel's clock must not make a difference, nor the whole take hours.
    let times = (200_000 / elements).max(1);
    let pairs = if elements > 100_000 { 3 } else { 5 };
    let mut values = vec![Vec::new(); ways.len()];
    for pair in 0..=pairs {
        for (way, values) in ways.iter_mut().zip(&mut values) {
            let busy = busy(|| {
                for _ in 0..times {
                    (way.sort)(&numbers, &mut sorted)?;
                }
                Ok(())
            })?;
            ensure!(
                sorted == expected,
                "{:?} {:?}: sorted wrongly",
                way.side,
                way.ops
            );
            sorted.fill(0);
            if pair > 0 {
                values.push(busy as f64 / (times * elements) as f64);
            }
        }
    }
    for (way, values) in ways.iter().zip(&values) {
        for op in way.ops {
            print(op, way.side, Unit::Instructions, 1, elements, values)?;
        }
    }
    Ok(())
}

/// The least set of random numbers for which a radix sort takes fewer instructions than quicksort.
fn crossover(module: &Module, name: &str, kind: u32) -> Result<()> {
    let words = if kind == KSORT_I64 { 2 } else { 1 };
    let [mut quick, mut radix] = [module.open()?, module.open()?];
    for (node, algorithm) in [(&quick, KSORT_QUICK), (&radix, KSORT_RADIX)] {
        set_type(node, kind).context("cannot choose the type")?;
        set_algorithm(node, algorithm).context("cannot choose the algorithm")?;
    }
    let cost = |node: &mut File, elements: usize| {
        let numbers = random(elements * words);
        let mut sorted = vec![0; numbers.len()];
        // Once without its being counted: what it needs of memory is then at hand.
        through(node, &numbers, &mut sorted)?;
        busy(|| {
            for _ in 0..100_000 / elements {
                through(node, &numbers, &mut sorted)?;
            }
            Ok(())
        })
    };
    let from = least(10..=10_000, |elements| {
        let elements = elements as usize;
        Ok(cost(&mut radix, elements)? < cost(&mut quick, elements)?)
    })?;
    let from = from.context("a radix sort is never the better one")?;
    Sample {
        case: "ksort",
        op: &format!("{name}: radix takes less than quick from"),
        side: Side::Ours,
        unit: "elements",
        cpus: 1,
        elements: None,
        values: &[from as f64],
    }
    .print()
}

fn print(
    op: &str,
    side: Side,
    unit: Unit,
    cpus: usize,
    elements: usize,
    values: &[f64],
) -> Result<()> {
    Sample {
        case: "ksort",
        op,
        side,
        unit: unit.name(),
        cpus,
        elements: Some(elements),
        values,
    }
    .print()
}

fn random(count: usize) -> Vec<i32> {
    let mut state = 1u64;
    std::iter::repeat_with(|| {
        // xorshift64*
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        (state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32) as i32
    })
    .take(count)
    .collect()
}

fn through(node: &mut File, numbers: &[i32], sorted: &mut [i32]) -> Result<()> {
    node.write_all(bytes(numbers)).context("cannot write")?;
    node.read_exact(bytes_mut(sorted)).context("cannot read")
}

fn bytes(numbers: &[i32]) -> &[u8] {
    // SAFETY: an i32 is four bytes without padding.
    unsafe { std::slice::from_raw_parts(numbers.as_ptr().cast(), std::mem::size_of_val(numbers)) }
}

fn bytes_mut(numbers: &mut [i32]) -> &mut [u8] {
    // SAFETY: as above, and any four bytes are an i32.
    unsafe {
        std::slice::from_raw_parts_mut(numbers.as_mut_ptr().cast(), std::mem::size_of_val(numbers))
    }
}

extern "C" fn compare(a: *const libc::c_void, b: *const libc::c_void) -> libc::c_int {
    // SAFETY: qsort(3) gives pointers to two elements, which are i32.
    let (a, b) = unsafe { (*a.cast::<i32>(), *b.cast::<i32>()) };
    (a > b) as libc::c_int - (a < b) as libc::c_int
}

fn by_qsort(numbers: &[i32], sorted: &mut [i32]) -> Result<()> {
    sorted.copy_from_slice(numbers);
    // SAFETY: as many elements of this size are there, and `compare` is an order on them.
    unsafe {
        libc::qsort(
            sorted.as_mut_ptr().cast(),
            sorted.len(),
            std::mem::size_of::<i32>(),
            Some(compare),
        );
    }
    Ok(())
}

/// With one CPU, two, and four in turn, so that whatever else the host does meanwhile falls on all
/// of them: all from write(2) to read(2), and the sort alone.
pub fn wall() -> Result<()> {
    const CPUS: [usize; 3] = [1, 2, 4];
    let module = load(Side::Ours)?;
    let mut node = module.open()?;
    let numbers = random(PARALLEL);
    let mut expected = numbers.clone();
    expected.sort_unstable();
    let mut sorted = vec![0; PARALLEL];
    let mut values = [(); 3].map(|()| [Vec::new(), Vec::new()]);
    for _ in 0..PARALLEL_PAIRS {
        for (cpus, values) in CPUS.into_iter().zip(&mut values) {
            online(cpus)?;
            // A CPU that has just come has its threads to start first.
            through(&mut node, &numbers, &mut sorted)?;
            let start = now()?;
            through(&mut node, &numbers, &mut sorted)?;
            let all = now()? - start;
            ensure!(sorted == expected, "{cpus} CPUs: sorted wrongly");
            values[0].push(all as f64 / PARALLEL as f64);
            values[1].push(get_stats(&node)?.sort_ns as f64 / PARALLEL as f64);
        }
    }
    for (op, i) in [("auto", 0), ("auto, the sort alone", 1)] {
        let one = &values[0][i];
        for (cpus, values_of) in CPUS.into_iter().zip(&values) {
            let values_of = &values_of[i];
            print(op, Side::Ours, Unit::Nanoseconds, cpus, PARALLEL, values_of)?;
            if cpus > 1 {
                // Pair by pair: what slowed one of them down did so to the other.
                let pairs = one.iter().zip(values_of);
                let times: Vec<f64> = pairs.map(|(one, more)| one / more).collect();
                print(op, Side::Ours, Unit::TimesFaster, cpus, PARALLEL, &times)?;
            }
        }
    }
    for cpus in [2, 4] {
        against_radix(&module, cpus)?;
    }
    Ok(())
}

/// The parallel sort against the serial one, with so many CPUs online.
fn against_radix(module: &Module, cpus: usize) -> Result<()> {
    online(cpus)?;
    let [mut radix, mut parallel] = [module.open()?, module.open()?];
    set_algorithm(&radix, KSORT_RADIX).context("cannot choose the algorithm")?;
    set_algorithm(&parallel, KSORT_PARALLEL).context("cannot choose the algorithm")?;
    for elements in CROSSOVER {
        let numbers = random(elements);
        let mut sorted = vec![0; elements];
        let mut time = |node: &mut File| {
            let start = now()?;
            through(node, &numbers, &mut sorted)?;
            Ok::<_, anyhow::Error>((now()? - start) as f64)
        };
        let mut values = Vec::new();
        for pair in 0..=PARALLEL_PAIRS {
            let times = time(&mut radix)? / time(&mut parallel)?;
            if pair > 0 {
                values.push(times);
            }
        }
        let op = "parallel against radix";
        print(op, Side::Ours, Unit::TimesFaster, cpus, elements, &values)?;
    }
    Ok(())
}

/// Has so many CPUs online.
fn online(cpus: usize) -> Result<()> {
    for cpu in 1..4 {
        let path = format!("/sys/devices/system/cpu/cpu{cpu}/online");
        let now = std::fs::read_to_string(&path).with_context(|| {
            format!("cannot read {path}; has this guest four CPUs and CONFIG_HOTPLUG_CPU?")
        })?;
        let wanted = if cpu < cpus { "1" } else { "0" };
        if now.trim() != wanted {
            std::fs::write(&path, wanted).with_context(|| format!("cannot write {path}"))?;
        }
    }
    Ok(())
}
