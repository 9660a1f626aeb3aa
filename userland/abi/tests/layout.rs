//! Compares every struct, field and constant of the ABI with what a C compiler makes of the
//! headers. The list of them is made by build.rs from what bindgen found.

include!(concat!(env!("OUT_DIR"), "/layout.rs"));

#[link(name = "abi_layout", kind = "static")]
extern "C" {
    static abi_layout: [u64; LENGTH];
    static abi_layout_length: u64;
}

#[test]
fn c_and_rust_agree() {
    // SAFETY: both are constants of layout.c, whose array has one element for each in layout.rs.
    let (c, length) = unsafe { (&abi_layout, abi_layout_length) };
    assert_eq!(length, LENGTH as u64);

    let differences: Vec<String> = layout()
        .iter()
        .zip(c)
        .filter(|((_, rust), c)| rust != *c)
        .map(|((name, rust), c)| format!("{name}: {rust} in Rust, {c} in C"))
        .collect();
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn the_comparison_covers_the_statistics() {
    let names: Vec<&str> = layout().iter().map(|(name, _)| *name).collect();
    for name in [
        "sizeof(struct simrupt_stats)",
        "offsetof(struct simrupt_stats, max_softirq_ns)",
        "SIMRUPT_GET_STATS",
        "SIMRUPT_LAST",
    ] {
        assert!(names.contains(&name), "{name} is missing from {names:?}");
    }
}
