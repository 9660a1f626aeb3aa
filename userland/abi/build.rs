//! Generates one Rust file for each header in include/uapi, and what `tests/layout.rs` needs to
//! compare each of them with the C compiler's view.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{bail, ensure, Context, Result};

/// What one header declares, as found in bindgen's output: never a list kept by hand, so that
/// nothing new escapes the comparison with C.
struct Header {
    name: String,
    path: PathBuf,
    structs: Vec<(String, Vec<String>)>,
    constants: Vec<String>,
}

fn main() -> Result<()> {
    let uapi = Path::new(&env::var("CARGO_MANIFEST_DIR")?)
        .join("../../include/uapi")
        .canonicalize()
        .context("include/uapi: not there; abi is built inside its checkout")?;
    println!("cargo:rerun-if-changed={}", uapi.display());
    println!("cargo:rerun-if-changed=build.rs");
    let out = PathBuf::from(env::var("OUT_DIR")?);

    let mut paths = fs::read_dir(&uapi)?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<Vec<_>>>()?;
    paths.retain(|path| path.extension().map_or(false, |extension| extension == "h"));
    paths.sort();

    let mut headers = Vec::new();
    for path in paths {
        let header = generate(&path, &out).with_context(|| path.display().to_string())?;
        headers.push(header);
    }
    write_layout(&headers, &uapi, &out)
}

/// Runs bindgen over one header and says what came out.
fn generate(path: &Path, out: &Path) -> Result<Header> {
    let name = path
        .file_stem()
        .and_then(|stem| stem.to_str())
        .context("a header's name must be UTF-8")?
        .to_owned();
    let text = fs::read_to_string(path)?;
    let defines = defines(&text);

    // bindgen does not evaluate the casts and sizeof in _IOR() and its kin, but it takes the value
    // of a variable. The enumerator keeps the number while the macro makes room for its name.
    let ioctls = || defines.iter().filter(|define| define.is_ioctl);
    let values: String = ioctls()
        .map(|define| {
            format!(
                "enum {{ value_of_{0} = {0} }};\n#undef {0}\n\
                 static const unsigned int {0} = value_of_{0};\n",
                define.name
            )
        })
        .collect();
    let wrapper = format!("#include \"{}\"\n{}", path.display(), values);

    let mut builder = bindgen::Builder::default()
        .header_contents(&format!("{}_wrapper.h", name), &wrapper)
        .clang_args(target_headers()?)
        .allowlist_file(path.to_string_lossy())
        .derive_default(true)
        .derive_eq(true)
        .layout_tests(false)
        .formatter(bindgen::Formatter::None);
    for define in ioctls() {
        builder = builder.allowlist_var(&define.name);
    }
    let bindings = builder.generate()?.to_string();
    fs::write(out.join(format!("{}.rs", name)), &bindings)?;

    let mut structs = Vec::new();
    let mut constants = Vec::new();
    for item in syn::parse_file(&bindings)?.items {
        match item {
            syn::Item::Const(item) => constants.push(item.ident.to_string()),
            syn::Item::Struct(item) => {
                let fields = item.fields.iter().filter_map(|field| field.ident.as_ref());
                structs.push((
                    item.ident.to_string(),
                    fields.map(|field| field.to_string()).collect(),
                ));
            }
            syn::Item::Type(_) => {}
            _ => bail!(
                "declares something that is neither a struct, an integer type nor a constant; \
                 teach userland/abi/build.rs to compare it with C"
            ),
        }
    }
    for define in defines {
        ensure!(
            constants.contains(&define.name),
            "bindgen made no constant of `#define {}`; write it as one integer, or as _IOR() and its kin",
            define.name
        );
    }
    Ok(Header {
        name,
        path: path.to_owned(),
        structs,
        constants,
    })
}

struct Define {
    name: String,
    is_ioctl: bool,
}

/// The macros of a header that stand for a value: neither function-like nor empty.
fn defines(text: &str) -> Vec<Define> {
    let mut defines = Vec::new();
    for line in text.lines() {
        let mut words = match line.trim_start().strip_prefix("#define") {
            Some(rest) => rest.split_whitespace(),
            None => continue,
        };
        if let (Some(name), Some(value)) = (words.next(), words.next()) {
            if !name.contains('(') && !value.starts_with("/*") {
                defines.push(Define {
                    name: name.to_owned(),
                    is_ioctl: value.starts_with("_IO"),
                });
            }
        }
    }
    defines
}

/// Where the target's C headers are, when clang would otherwise find the host's.
fn target_headers() -> Result<Vec<String>> {
    if env::var("TARGET")? == env::var("HOST")? {
        return Ok(Vec::new());
    }
    let target = env::var("TARGET")?;
    let headers = format!(
        "/usr/{}-linux-gnu/include",
        env::var("CARGO_CFG_TARGET_ARCH")?
    );
    let extra = format!("BINDGEN_EXTRA_CLANG_ARGS_{}", target.replace('-', "_"));
    println!("cargo:rerun-if-env-changed={}", extra);
    if env::var_os(&extra).is_some() {
        return Ok(Vec::new());
    }
    ensure!(
        Path::new(&headers).is_dir(),
        "{headers}: not there; install the C headers for {target} (Debian: libc6-dev-arm64-cross \
         for arm64), or name them with {extra}=-I/path"
    );
    Ok(vec![format!("-I{}", headers)])
}

/// Writes the same list twice, for Rust and for C, and compiles the C one.
fn write_layout(headers: &[Header], uapi: &Path, out: &Path) -> Result<()> {
    let mut names = Vec::new();
    let mut rust = Vec::new();
    let mut c = Vec::new();
    for header in headers {
        let module = format!("abi::{}", header.name);
        for (name, fields) in &header.structs {
            names.push(format!("sizeof(struct {})", name));
            rust.push(format!("std::mem::size_of::<{}::{}>()", module, name));
            c.push(format!("sizeof(struct {})", name));
            for field in fields {
                names.push(format!("offsetof(struct {}, {})", name, field));
                rust.push(format!(
                    "memoffset::offset_of!({}::{}, {})",
                    module, name, field
                ));
                c.push(format!("offsetof(struct {}, {})", name, field));

                names.push(format!("sizeof(struct {}.{})", name, field));
                rust.push(format!(
                    "memoffset::span_of!({}::{}, {}).len()",
                    module, name, field
                ));
                c.push(format!("sizeof(((struct {} *)0)->{})", name, field));
            }
        }
        for constant in &header.constants {
            names.push(constant.clone());
            rust.push(format!("{}::{}", module, constant));
            c.push(constant.clone());
        }
    }

    let entries: String = names
        .iter()
        .zip(&rust)
        .map(|(name, value)| format!("    (\"{}\", {} as u64),\n", name, value))
        .collect();
    fs::write(
        out.join("layout.rs"),
        format!(
            "const LENGTH: usize = {};\nfn layout() -> [(&'static str, u64); LENGTH] {{ [\n{}] }}\n",
            names.len(),
            entries
        ),
    )?;

    let includes: String = headers
        .iter()
        .map(|header| format!("#include \"{}\"\n", header.path.display()))
        .collect();
    let values: String = c
        .iter()
        .map(|value| format!("\t(uint64_t)({}),\n", value))
        .collect();
    let source = out.join("layout.c");
    fs::write(
        &source,
        format!(
            "#include <stddef.h>\n#include <stdint.h>\n{}const uint64_t abi_layout[] = {{\n{}}};\n\
             const uint64_t abi_layout_length = sizeof(abi_layout) / sizeof(abi_layout[0]);\n",
            includes, values
        ),
    )?;
    cc::Build::new()
        .file(&source)
        .include(uapi)
        .warnings_into_errors(true)
        // Only tests/layout.rs links it, by its own #[link].
        .cargo_metadata(false)
        .try_compile("abi_layout")?;
    println!("cargo:rustc-link-search=native={}", out.display());
    Ok(())
}
