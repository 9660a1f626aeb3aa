//! scripts/setup.sh for a user who is not root and has no sudo.

use crate::program::write_program;
use crate::world::Said;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

/// To dpkg, bc is not installed; bindgen is there.
fn home() -> TempDir {
    let dir = TempDir::new().unwrap();
    let checkout = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    for name in ["setup.sh", "check-tools.sh"] {
        let text = fs::read_to_string(checkout.join("scripts").join(name)).unwrap();
        write_program(&dir.path().join("scripts").join(name), &text);
    }
    let bin = dir.path().join("bin");
    let query = "#!/bin/sh\nfor word; do\n    case $word in\n    -* | *{* | bc) ;;\n    \
        *:*) echo \"$word installed\" ;;\n    *) echo \"$word:amd64 installed\" ;;\n    esac\ndone\n";
    write_program(&bin.join("dpkg-query"), query);
    let calls = format!(
        "#!/bin/sh\necho \"$0\" >>{}/calls\nexit 1\n",
        dir.path().display()
    );
    for name in ["apt-get", "dpkg"] {
        write_program(&bin.join(name), &calls);
    }
    let bindgen = dir
        .path()
        .join(".cache/rlkm/tools/bindgen-0.56.0/bin/bindgen");
    write_program(&bindgen, "#!/bin/sh\necho bindgen 0.56.0\n");
    // Another user is to write here.
    for folder in ["", ".cache", ".cache/rlkm", ".cache/rlkm/tools"] {
        let path = dir.path().join(folder);
        fs::set_permissions(path, fs::Permissions::from_mode(0o777)).unwrap();
    }
    dir
}

/// setup.sh by nobody, if we are root.
fn setup(home: &Path, variables: &[(&str, &str)]) -> Said {
    let script = home.join("scripts/setup.sh");
    let mut command = match fs::metadata(home).unwrap().uid() == 0 {
        true => {
            let mut command = Command::new("setpriv");
            command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]);
            command.arg(script);
            command
        }
        false => Command::new(script),
    };
    let path = format!("{}:/usr/bin:/bin", home.join("bin").display());
    command
        .env_clear()
        .env("HOME", home)
        .env("PATH", path)
        .envs(variables.iter().copied())
        .current_dir("/");
    crate::world::said(&mut command)
}

#[test]
fn without_root_the_missing_packages_are_named_and_what_is_there_will_do() {
    let home = home();
    let sudo = home.path().join("bin/sudo");
    // With one that refuses, it is as without.
    write_program(
        &sudo,
        "#!/bin/sh\necho 'nobody is not in the sudoers file.' >&2\nexit 1\n",
    );
    let said = setup(home.path(), &[]);
    assert_eq!(said.status, Some(0), "{}", said.stderr);
    let lines: Vec<_> = said
        .stderr
        .lines()
        .filter(|line| line.starts_with("rlkm: "))
        .collect();
    assert_eq!(lines.len(), 2, "{}", said.stderr);
    assert!(
        lines[0].ends_with("neither root nor sudo to install them: bc"),
        "{}",
        lines[0]
    );
    assert!(lines[1].contains("is there all the same"), "{}", lines[1]);
    assert!(!home.path().join("calls").exists(), "nothing is installed");
}

#[test]
fn without_root_a_tool_that_is_missing_as_well_is_named_and_ends_it() {
    let home = home();
    let said = setup(home.path(), &[("RUSTC", "/nowhere/rustc")]);
    assert_eq!(said.status, Some(1));
    for part in [
        "neither root nor sudo to install them: bc\n",
        "root can install these packages, with ",
        "rustc 1.63; name yours with RUSTC= (/nowhere/rustc is not there)",
    ] {
        assert!(said.stderr.contains(part), "no {part:?} in {}", said.stderr);
    }
    assert!(!home.path().join("calls").exists(), "nothing is installed");
}
