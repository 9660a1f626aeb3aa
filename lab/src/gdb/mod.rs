//! What gdb is told of a guest: Python that runs in gdb, and what it has to know.

use anyhow::{Context, Result};
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};

/// The Python, of which the first begins; gdb runs it in the run's folder.
const SCRIPTS: [(&str, &str); 7] = [
    ("start.py", include_str!("start.py")),
    ("kernel.py", include_str!("kernel.py")),
    ("rust.py", include_str!("rust.py")),
    ("tasks.py", include_str!("tasks.py")),
    ("symbols.py", include_str!("symbols.py")),
    ("commands.py", include_str!("commands.py")),
    ("printers.py", include_str!("printers.py")),
];
/// What they read.
const SESSION: &str = "session.json";

/// What gdb is to know, but for the socket.
pub struct Session {
    vmlinux: PathBuf,
    scripts: PathBuf,
    /// The files of the modules, with debug info.
    modules: Vec<PathBuf>,
    stop: Option<String>,
}

impl Session {
    /// `stop` is as `lab gdb --stop` has it.
    pub fn new(kdir: &Path, modules: &[PathBuf], stop: Option<&str>) -> Result<Session> {
        let whole = |path: &Path| {
            let whole = path.canonicalize();
            whole.with_context(|| format!("cannot read {}", path.display()))
        };
        Ok(Session {
            vmlinux: whole(&kdir.join("vmlinux"))?,
            // It knows its tree by the name under which it is called.
            scripts: whole(kdir)?.join("vmlinux-gdb.py"),
            modules: modules
                .iter()
                .map(|path| whole(path))
                .collect::<Result<_>>()?,
            stop: stop.map(str::to_owned),
        })
    }

    /// Writes all of it into the run's folder, and gives the script for gdb to begin with.
    pub fn write(&self, folder: &Path, socket: &Path) -> Result<PathBuf> {
        let folder = folder.join("gdb");
        crate::cache::make_dir(&folder)?;
        let session = json!({
            "vmlinux": self.vmlinux,
            "scripts": self.scripts,
            "socket": socket,
            "modules": self.modules,
            "stop": self.stop,
        });
        let session = session.to_string();
        for (name, text) in SCRIPTS.into_iter().chain([(SESSION, &*session)]) {
            let path = folder.join(name);
            fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        }
        Ok(folder.join(SCRIPTS[0].0))
    }
}
