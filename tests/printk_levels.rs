//! printk_levels: each of the eight levels, read back with its number.

use tests::{Module, Record};

/// What the module says on load, in this order; each line's place is its level.
const LINES: [&str; 8] = [
    "printk_levels: Hello, world @ log-level KERN_EMERG   [0]",
    "printk_levels: Hello, world @ log-level KERN_ALERT   [1]",
    "printk_levels: Hello, world @ log-level KERN_CRIT    [2]",
    "printk_levels: Hello, world @ log-level KERN_ERR     [3]",
    "printk_levels: Hello, world @ log-level KERN_WARNING [4]",
    "printk_levels: Hello, world @ log-level KERN_NOTICE  [5]",
    "printk_levels: Hello, world @ log-level KERN_INFO    [6]",
    "printk_levels: Hello, world @ log-level KERN_DEBUG   [7]",
];

fn line(record: &Record) -> (u8, &str) {
    (record.level, record.text.as_str())
}

#[test]
fn each_level_is_said_once_in_order_with_its_number() {
    let mut module = Module::load("printk_levels", &[]).expect("printk_levels.ko does not load");
    let said = module.lines();
    let said: Vec<_> = said.iter().take(LINES.len()).map(line).collect();
    let expected: Vec<_> = (0..).zip(LINES).collect();
    assert_eq!(said, expected);
}

#[test]
fn goodbye_is_said_at_level_info() {
    let mut module = Module::load("printk_levels", &[]).expect("printk_levels.ko does not load");
    let before = module.lines().len();
    module.remove().expect("printk_levels does not unload");
    let lines = module.lines();
    let said: Vec<_> = lines[before..].iter().map(line).collect();
    assert_eq!(
        said,
        [(
            6,
            "printk_levels: Goodbye, world @ log-level KERN_INFO    [6]"
        )]
    );
}

const DEBUG_ONLY: (u8, &str) = (7, "printk_levels: Hello, world @ pr_debug");

/// How often the debug-only macro was heard on load with `parameters`, and that it came last.
fn heard_debug_only(parameters: &[&str]) -> usize {
    let mut module =
        Module::load("printk_levels", parameters).expect("printk_levels.ko does not load");
    let lines = module.lines();
    let (levels, rest) = lines.split_at(LINES.len());
    assert!(!levels.iter().any(|record| line(record) == DEBUG_ONLY));
    assert!(
        rest.iter().all(|record| line(record) == DEBUG_ONLY),
        "{rest:?}"
    );
    rest.len()
}

#[test]
fn the_debug_only_macro_is_silent_until_dynamic_debug_switches_it_on() {
    assert_eq!(heard_debug_only(&[]), 0);
    assert_eq!(heard_debug_only(&["dyndbg=+p"]), 1);
}
