//! Lets rustc 1.63 have `core::ffi::c_int`, for which it wants a feature, as Kbuild does. The
//! Makefile says that it may.

fn main() {
    if std::env::var_os("RUSTC_BOOTSTRAP").is_some() {
        println!("cargo:rustc-cfg=bootstrap");
    }
    println!("cargo:rerun-if-env-changed=RUSTC_BOOTSTRAP");
    println!("cargo:rerun-if-changed=build.rs");
}
