//! The lab's own variables, which are called RLKM_ and something. One rule holds for all of them:
//! an empty one is as one that is not set.

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::CommandFactory;
use std::env;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

const PREFIX: &str = "RLKM_";
/// Paths, which may be any bytes.
const PATHS: [&str; 3] = ["RLKM_KDIR", "RLKM_IMAGE", "RLKM_BUSYBOX"];

fn ours() -> impl Iterator<Item = (OsString, OsString)> {
    env::vars_os().filter(|(name, _)| name.as_bytes().starts_with(PREFIX.as_bytes()))
}

/// Takes the empty ones out of the environment, that of other programs which are started included.
pub fn forget_empty() {
    for (name, _) in ours().filter(|(_, value)| value.is_empty()) {
        env::remove_var(name);
    }
}

/// Where an argument came from that is wrong, for whoever looks for it on the command line.
pub fn place<A: CommandFactory>(error: &clap::Error) -> String {
    let from = |name: String| format!("it is the value of {name}");
    let nowhere = || "see --help".to_owned();
    if error.kind() == ErrorKind::InvalidUtf8 {
        let mut names = ours()
            .filter(|(_, value)| value.to_str().is_none())
            .filter_map(|(name, _)| name.into_string().ok());
        let name = names.find(|name| !PATHS.contains(&name.as_str()));
        return name.map_or_else(nowhere, from);
    }
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        _ => None,
    };
    let (arg, value) = match (
        text(ContextKind::InvalidArg),
        text(ContextKind::InvalidValue),
    ) {
        (Some(arg), Some(value)) => (arg, value),
        _ => return nowhere(),
    };
    let mut command = A::command();
    // Only then do arguments have names.
    command.build();
    let args = command
        .get_subcommands()
        .flat_map(|verb| verb.get_arguments());
    let mut variables = args
        .filter(|candidate| candidate.to_string() == arg)
        .filter_map(|candidate| candidate.get_env()?.to_str());
    let name =
        variables.find(|name| env::var_os(name).map_or(false, |is| is.to_string_lossy() == value));
    name.map_or_else(nowhere, |name| from(name.to_owned()))
}
