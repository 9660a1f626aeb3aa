//! `lab tree`: prepares a kernel tree, or tells where it is.

use crate::guest::busybox;
use crate::kernels::arch::Named;
use crate::kernels::fragment;
use crate::kernels::own::Own;
use crate::kernels::tree::Plan;
use crate::kernels::which::Which;
use crate::output::{self, say};
use anyhow::{bail, Context, Result};
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// Prepare a kernel tree: unpack, patch, configure, build
///
/// Does nothing when it is there. The tree is kept under a key of its inputs: the source's version,
/// scripts/patches, the .config.fragment files, the tools' versions. RUSTC, BINDGEN, LLVM (-14, 1 or
/// a folder), LIBCLANG_PATH and LINUX_SOURCE (a tarball of 6.1) in the environment name other tools
/// and another source.
///
/// One of Debian's kernels is not built, but downloaded: its image, its headers and the drivers that
/// the guest needs. Nothing of it is installed.
///
/// A tree with options of your own is another one, beside the lab's. To use it:
/// make demo KDIR="$(target/debug/lab tree --set CONFIG_X=y --print kdir)"
#[derive(clap::Args)]
pub struct Args {
    /// Architecture of the kernel: arm64 or x86_64
    #[arg(long, env = "RLKM_ARCH", default_value = "arm64")]
    arch: Named,
    /// Which kernel: plain, debug, or Debian's: stock, cloud, stock:6.1.0-57
    #[arg(
        long,
        alias = "variant",
        value_name = "KERNEL",
        env = "RLKM_KERNEL",
        default_value_t
    )]
    kernel: Which,
    /// A file of kernel options besides, as .config has them; a later one wins
    #[arg(long = "fragment", value_name = "FILE")]
    fragments: Vec<PathBuf>,
    /// One kernel option besides, after all files: CONFIG_X=y, =n, =16 or ="text"
    #[arg(long, value_name = "CONFIG_X=VALUE")]
    set: Vec<String>,
    /// Open the kernel's menu of these options, build nothing, and keep what is chosen in the last
    /// --fragment: what differs from what the lab and the other files have
    ///
    /// That file need not be there. If it is, its text is kept beside it, in FILE.~1~. Nothing changes
    /// if nothing is saved.
    #[arg(long, requires = "fragments", conflicts_with = "print")]
    menuconfig: bool,
    /// Only print a path of the prepared tree, and build nothing
    #[arg(long, value_name = "WHAT")]
    print: Option<Print>,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Print {
    /// The folder to give as KDIR
    Kdir,
    /// The image to boot
    Image,
}

pub fn main(args: Args) -> Result<u8> {
    if let (Which::Stock(_), true) = (
        &args.kernel,
        !args.fragments.is_empty() || !args.set.is_empty(),
    ) {
        bail!("--fragment and --set are for kernels that are built, and Debian's are as they are");
    }
    let mut wishes = Vec::new();
    let mut files = &args.fragments[..];
    if args.menuconfig {
        // clap has seen that there is one.
        files = files.split_last().map_or(files, |(_, others)| others);
    }
    for path in files {
        wishes.push(read(path)?);
    }
    for option in &args.set {
        fragment::check(option).with_context(|| format!("--set {option:?}"))?;
    }
    match args.fragments.last() {
        Some(file) if args.menuconfig => return menu(&args, &wishes, file),
        _ => wishes.extend(args.set.iter().cloned()),
    }
    let arch = args.arch.0;
    let (name, kdir) = match &args.kernel {
        Which::Stock(stock) => {
            let kdir = match args.print {
                Some(_) => stock.kdir(arch)?,
                None => stock.prepare(arch)?,
            };
            (format!("{arch}-{stock}"), kdir)
        }
        Which::Built(variant) => {
            let plan = Plan::new(arch, *variant, &wishes)?;
            if args.print.is_none() {
                plan.prepare()?;
            }
            (plan.name, plan.dir)
        }
    };
    let path = match args.print {
        Some(Print::Kdir) => kdir,
        Some(Print::Image) => kdir.join(arch.image),
        None => {
            busybox::prepare(arch)?;
            say!("the {name} tree is ready: {}", kdir.display());
            return Ok(0);
        }
    };
    let mut line = path.into_os_string().into_vec();
    line.push(b'\n');
    output::print(line)
}

/// The text of a fragment.
fn read(path: &Path) -> Result<String> {
    let name = path.display();
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {name}"))?;
    fragment::check(&text).with_context(|| format!("--fragment {name}"))?;
    Ok(text)
}

/// Has the user choose options besides `wishes`, and keeps them in `file`.
fn menu(args: &Args, wishes: &[String], file: &Path) -> Result<u8> {
    let name = file.display();
    let before = match file.symlink_metadata() {
        Ok(_) => Some(read(file)?),
        Err(_) => None,
    };
    let own_file = Own::of(file)?;
    // What --set says is the first choice, and kept like those in the menu.
    let mut own = vec![before.clone().unwrap_or_default()];
    own.extend(args.set.iter().cloned());
    let plan = Plan::new(args.arch.0, args.kernel.variant(), wishes)?;
    let options = match plan.choose(&fragment::merge(&own))? {
        Some(options) => options,
        None => {
            say!("nothing was changed, and {name} is left as it is");
            return Ok(0);
        }
    };
    let text = format!("# Chosen with lab tree --menuconfig.\n{options}");
    let mut kept = String::new();
    if let Some(before) = before.filter(|before| *before != text) {
        kept = format!("; what it was is in {}", own_file.keep(&before)?.display());
    }
    own_file.write(&text)?;
    let mut line = vec!["lab", "tree", "--arch", args.arch.0.name];
    let kernel = args.kernel.to_string();
    if args.kernel != Which::default() {
        line.extend(["--kernel", &kernel]);
    }
    let files: Vec<_> = args.fragments.iter().map(|f| f.to_string_lossy()).collect();
    for file in &files {
        line.extend(["--fragment", file]);
    }
    let (count, line) = (fragment::count(&options), shlex::try_join(line)?);
    say!("{name} has {count} options besides the lab's{kept}; the tree with them: {line}");
    Ok(0)
}
