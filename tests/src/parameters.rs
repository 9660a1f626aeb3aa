//! What the suites ask of a module's parameters, whichever these are.

use std::fs;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::Path;

use nix::errno::Errno;

use crate::{modinfo, Module};

/// The permissions of a file.
#[track_caller]
pub fn mode_of(path: impl AsRef<Path>) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

/// Fails unless the module's parameter `mode` makes the mode of `node`, a character device.
#[track_caller]
pub fn assert_node_has_the_mode_asked_for(name: &'static str, node: &str) {
    for (parameter, mode) in [
        (None, 0o600),
        (Some("mode=644"), 0o644),
        (Some("mode=0444"), 0o444),
        (Some("mode=0"), 0),
        (Some("mode=777"), 0o777),
    ] {
        let parameters: Vec<&str> = parameter.into_iter().collect();
        let module = Module::load(name, &parameters).expect("a good mode");
        assert!(fs::metadata(node).unwrap().file_type().is_char_device());
        assert_eq!(mode_of(node), mode);
        let shown = match mode {
            0 => "0".to_owned(),
            mode => format!("0{mode:o}"),
        };
        assert_eq!(module.parameter("mode"), shown);
    }
}

/// Fails unless the module does not load with any of `bad`, and leaves no `node`.
#[track_caller]
pub fn assert_refused(name: &'static str, node: &str, bad: &[&str]) {
    let mut module = Module::unloaded(name);
    for bad in bad {
        assert_eq!(module.insert(&[bad]), Err(Errno::EINVAL), "{bad}");
        assert!(!Path::new(node).exists(), "{bad}: {node} was left behind");
    }
}

/// Fails unless a parameter is still `value` after any of `bad` was written to it.
#[track_caller]
pub fn assert_keeps(module: &Module, parameter: &str, value: &str, bad: &[&str]) {
    for bad in bad {
        let refused = module.set_parameter(parameter, bad);
        assert_eq!(refused, Err(Errno::EINVAL), "{bad}");
        assert_eq!(module.parameter(parameter), value, "{bad}");
    }
}

/// Fails unless modinfo tells what the module is, and has entries that begin like these.
#[track_caller]
pub fn assert_modinfo(name: &str, starts: &[&str]) {
    let entries = modinfo(name);
    for start in ["license=GPL", "author=", "description="]
        .iter()
        .chain(starts)
    {
        let told = entries.iter().any(|entry| entry.starts_with(start));
        assert!(told, "{start} is missing from {entries:?}");
    }
}
