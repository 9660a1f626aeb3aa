//! The tools that build a tree.

use super::SETUP;
use crate::cache::{self, find_program};
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};

/// The tools that build a tree.
pub struct Tools {
    pub rustc: PathBuf,
    pub bindgen: PathBuf,
    pub clang: PathBuf,
    /// The kernel's `LLVM=`.
    pub llvm: String,
    /// The folder of the libclang that goes with clang: bindgen would take the newest that there
    /// is, and may not understand it.
    pub libclang: Option<PathBuf>,
}

impl Tools {
    pub fn find() -> Result<Tools> {
        let given = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let own_bindgen = cache::dir()?.join("tools/bindgen-0.56.0/bin/bindgen");
        let rustc = given("RUSTC").unwrap_or_else(|| "/usr/bin/rustc".into());
        let bindgen = given("BINDGEN").unwrap_or_else(|| own_bindgen.to_string_lossy().into());
        // The kernel's make runs elsewhere, and knows a folder by its slash.
        let here = std::env::current_dir().context("cannot tell the working directory")?;
        let llvm = match given("LLVM").unwrap_or_else(|| "-14".into()) {
            folder if folder.contains('/') => {
                format!("{}/", here.join(folder.trim_end_matches('/')).display())
            }
            other => other,
        };
        let clang = clang_of(&llvm);
        let need = |name: &str, variable: &str| {
            find_program(name)
                .map(|path| here.join(path))
                .with_context(|| format!("no {name}; {SETUP}, or name yours with {variable}=…"))
        };
        let clang = need(&clang, "LLVM")?;
        Ok(Tools {
            rustc: need(&rustc, "RUSTC")?,
            bindgen: need(&bindgen, "BINDGEN")?,
            libclang: given("LIBCLANG_PATH")
                .map(|dir| here.join(dir))
                .or_else(|| libclang_of(&clang)),
            clang,
            llvm,
        })
    }

    /// LLVM's tool called `name` that goes with clang: llvm-strip-14 with clang-14.
    pub fn llvm_tool(&self, name: &str) -> PathBuf {
        let file = self.clang.file_name().unwrap_or_default().to_string_lossy();
        self.clang.with_file_name(file.replacen("clang", name, 1))
    }
}

/// Where the libclang of this clang is: /usr/lib/llvm-14/lib for /usr/lib/llvm-14/bin/clang, of
/// which /usr/bin/clang-14 is a link.
fn libclang_of(clang: &Path) -> Option<PathBuf> {
    let clang = fs::canonicalize(clang).ok()?;
    let folder = clang.parent()?.parent()?.join("lib");
    let mut names = fs::read_dir(&folder).ok()?.filter_map(|entry| {
        let name = entry.ok()?.file_name();
        Some(name.to_string_lossy().into_owned())
    });
    let is_libclang = |name: String| {
        let rest = name.strip_prefix("libclang").unwrap_or("");
        let is_versioned = rest.starts_with('-') && !rest.starts_with("-cpp");
        (rest.starts_with(".so") || is_versioned) && rest.contains(".so")
    };
    names.any(is_libclang).then_some(folder)
}

/// The compiler that the kernel's Makefile runs for this `LLVM=`: a suffix, a folder, or plain.
fn clang_of(llvm: &str) -> String {
    match llvm {
        suffix if suffix.starts_with('-') => format!("clang{suffix}"),
        folder if folder.ends_with('/') => format!("{folder}clang"),
        _ => "clang".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn llvm_names_its_compiler_as_the_kernel_does() {
        assert_eq!(clang_of("-14"), "clang-14");
        assert_eq!(clang_of("1"), "clang");
        assert_eq!(clang_of("/opt/llvm/bin/"), "/opt/llvm/bin/clang");
    }

    #[test]
    fn the_libclang_is_that_of_the_clang() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str| {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, "").unwrap();
            path
        };
        let root = fs::canonicalize(dir.path()).unwrap();
        let clang = write("llvm-14/bin/clang");
        write("llvm-14/lib/libclang-cpp.so.14");
        assert_eq!(libclang_of(&clang), None);
        write("llvm-14/lib/libclang-14.so.1");
        write("llvm-16/lib/libclang-16.so.1");
        let link = dir.path().join("clang-14");
        std::os::unix::fs::symlink("llvm-14/bin/clang", &link).unwrap();
        assert_eq!(libclang_of(&link), Some(root.join("llvm-14/lib")));
        write("other/bin/clang");
        write("other/lib/libclang.so");
        let other = libclang_of(&dir.path().join("other/bin/clang"));
        assert_eq!(other, Some(root.join("other/lib")));
        assert_eq!(libclang_of(Path::new("/nowhere/clang")), None);
    }
}
