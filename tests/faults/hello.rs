//! hello and printk_levels: nothing but a module's life.

use crate::life::Subject;
use crate::trial::Trials;

#[test]
fn hello() {
    let hello = Subject {
        name: "hello",
        parameters: &["who=Ferris", "times=2"],
        refused: None,
        node: None,
        works: |module| {
            assert_eq!(module.parameter("who"), "Ferris");
            assert_eq!(module.parameter("times"), "2");
            let lines = module.lines();
            let texts: Vec<&str> = lines.iter().map(|line| line.text.as_str()).collect();
            assert!(texts.ends_with(&["hello: Hello, Ferris!"; 2]), "{texts:?}");
        },
    };
    hello.comes_and_goes(&mut Trials::of(hello.name));
}

#[test]
fn printk_levels() {
    let printk_levels = Subject {
        name: "printk_levels",
        // Not dyndbg: the loader takes it, and goes on without memory for it.
        parameters: &[],
        refused: None,
        node: None,
        works: |module| {
            let lines = module.lines();
            let last = lines.last().map(|line| line.text.as_str());
            let level = |level| format!("printk_levels: Hello, world @ log-level {level}");
            assert!(lines
                .iter()
                .any(|line| line.text.starts_with(&level("KERN_EMERG"))));
            assert_eq!(
                last,
                Some("printk_levels: Hello, world @ log-level KERN_DEBUG   [7]"),
                "{lines:?}"
            );
        },
    };
    printk_levels.comes_and_goes(&mut Trials::of(printk_levels.name));
}
