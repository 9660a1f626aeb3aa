//! The guest's only file system: a cpio archive with busybox, the init script, modules, programs
//! and the command of this one run.

use anyhow::{bail, Context, Result};
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

const INIT: &str = include_str!("guest/init.sh");
const DIRECTORY: u32 = 0o040_755;
const EXECUTABLE: u32 = 0o100_755;
const PLAIN: u32 = 0o100_644;
const CHARACTER_DEVICE: u32 = 0o020_600;

/// What goes into a guest.
pub struct Contents {
    pub busybox: PathBuf,
    /// To be at /modules/NAME.ko.
    pub modules: Vec<PathBuf>,
    /// To be at /bin/NAME.
    pub programs: Vec<PathBuf>,
    /// Run as /lab/command.
    pub command: Vec<u8>,
    /// The text that ends the command's output; without one the command gets the console.
    pub end: Option<String>,
    /// Whether leaked memory is looked for after the command.
    pub kmemleak: bool,
}

/// A shell script that becomes `command`, with these variables set.
pub fn script(env: &[(String, OsString)], command: &[OsString]) -> Result<Vec<u8>> {
    let mut script = Vec::new();
    for (name, value) in env {
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if name.is_empty()
            || !name.chars().all(is_word)
            || name.starts_with(|c: char| c.is_ascii_digit())
        {
            bail!("--env {name}=…: not a variable's name");
        }
        script.extend_from_slice(format!("export {name}=").as_bytes());
        script.extend(quote(value.as_bytes())?);
        script.push(b'\n');
    }
    script.extend_from_slice(b"exec");
    for word in command {
        script.push(b' ');
        script.extend(quote(word.as_bytes())?);
    }
    script.push(b'\n');
    Ok(script)
}

/// Quotes any bytes but NUL for a shell.
pub fn quote(bytes: &[u8]) -> Result<Vec<u8>> {
    Ok(shlex::bytes::try_quote(bytes)?.into_owned())
}

/// Makes the archive. Not compressed: the guest would spend more time on it than the host saves.
pub fn build(contents: &Contents) -> Result<Vec<u8>> {
    let mut archive = Archive {
        bytes: Vec::new(),
        names: BTreeSet::new(),
    };
    for name in ["bin", "dev", "lab", "modules", "proc", "root", "sys", "tmp"] {
        archive.add(name, DIRECTORY, &[])?;
    }
    // The kernel opens it for init before init can mount anything.
    archive.add("dev/console", CHARACTER_DEVICE, &[])?;
    archive.add("init", EXECUTABLE, INIT.as_bytes())?;
    archive.add("lab/command", PLAIN, &contents.command)?;
    if let Some(end) = &contents.end {
        archive.add("lab/end", PLAIN, end.as_bytes())?;
    }
    if contents.kmemleak {
        archive.add("lab/kmemleak", PLAIN, &[])?;
    }
    archive.add_file("bin/busybox", EXECUTABLE, &contents.busybox)?;
    for (folder, mode, paths) in [
        ("modules", PLAIN, &contents.modules),
        ("bin", EXECUTABLE, &contents.programs),
    ] {
        for path in paths {
            let name = path.file_name().and_then(|name| name.to_str());
            let name =
                name.with_context(|| format!("{}: not a file's name in UTF-8", path.display()))?;
            archive.add_file(&format!("{folder}/{name}"), mode, path)?;
        }
    }
    Ok(cpio::newc::trailer(archive.bytes)?)
}

struct Archive {
    bytes: Vec<u8>,
    names: BTreeSet<String>,
}

impl Archive {
    fn add_file(&mut self, name: &str, mode: u32, path: &Path) -> Result<()> {
        let contents = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        self.add(name, mode, &contents)
            .with_context(|| format!("{}", path.display()))
    }

    fn add(&mut self, name: &str, mode: u32, contents: &[u8]) -> Result<()> {
        if !self.names.insert(name.to_owned()) {
            bail!("the guest already has a /{name}");
        }
        let size = contents.len().try_into().context("longer than 4 GB")?;
        let mut entry = cpio::newc::Builder::new(name)
            .ino(self.names.len() as u32)
            .mode(mode);
        if mode == CHARACTER_DEVICE {
            // /dev/console
            entry = entry.rdev_major(5).rdev_minor(1);
        }
        let mut writer = entry.write(&mut self.bytes, size);
        writer.write_all(contents)?;
        writer.finish()?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Read;
    use std::os::unix::ffi::OsStringExt;
    use std::process::Command;

    /// A folder with the files, and the contents of a guest made from them.
    fn contents(dir: &Path, modules: &[&str], programs: &[&str]) -> Contents {
        let make = |name: &&str| {
            let path = dir.join(name);
            fs::write(&path, format!("I am {name}")).unwrap();
            path
        };
        Contents {
            busybox: make(&"busybox"),
            modules: modules.iter().map(make).collect(),
            programs: programs.iter().map(make).collect(),
            command: b"exec true\n".to_vec(),
            end: Some("the end".into()),
            kmemleak: false,
        }
    }

    #[test]
    fn an_archive_reads_back() {
        let dir = tempfile::tempdir().unwrap();
        let archive = build(&contents(dir.path(), &["hello.ko"], &["simrupt"])).unwrap();
        let mut rest = &archive[..];
        let mut found = Vec::new();
        loop {
            let mut reader = cpio::NewcReader::new(rest).unwrap();
            if reader.entry().is_trailer() {
                break;
            }
            let (name, mode) = (reader.entry().name().to_owned(), reader.entry().mode());
            let mut text = String::new();
            reader.read_to_string(&mut text).unwrap();
            rest = reader.finish().unwrap();
            found.push((name, mode, text));
        }
        let has = |name: &str, mode: u32, text: &str| {
            assert!(
                found.contains(&(name.into(), mode, text.into())),
                "{name} in {found:?}"
            );
        };
        has("modules", DIRECTORY, "");
        has("dev/console", CHARACTER_DEVICE, "");
        has("init", EXECUTABLE, INIT);
        has("modules/hello.ko", PLAIN, "I am hello.ko");
        has("bin/simrupt", EXECUTABLE, "I am simrupt");
        has("lab/command", PLAIN, "exec true\n");
        has("lab/end", PLAIN, "the end");
    }

    #[test]
    fn two_files_of_one_name_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let error = build(&contents(dir.path(), &[], &["simrupt", "simrupt"])).unwrap_err();
        assert!(format!("{error:#}").contains("the guest already has a /bin/simrupt"));
    }

    #[test]
    fn a_variable_must_have_a_name_that_a_shell_takes() {
        for name in ["", "1A", "A-B", "A B"] {
            assert!(
                script(&[(name.into(), "x".into())], &["true".into()]).is_err(),
                "{name:?}"
            );
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn words_and_variables_reach_a_shell_as_they_were(
            words in prop::collection::vec(prop::collection::vec(1u8..=255, 0..20), 1..4),
            value in prop::collection::vec(1u8..=255, 0..20),
        ) {
            let env = [("V".to_owned(), OsString::from_vec(value.clone()))];
            let show = r#"printf '%s\0' "$V" "$@""#;
            let mut command: Vec<OsString> = ["sh", "-c", show, "sh"].map(Into::into).into();
            command.extend(words.iter().cloned().map(OsString::from_vec));
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("command");
            fs::write(&path, script(&env, &command).unwrap()).unwrap();
            let output = Command::new("sh").arg(&path).output().unwrap();
            let mut expected = value;
            expected.push(0);
            for word in &words {
                expected.extend(word);
                expected.push(0);
            }
            prop_assert_eq!(output.stdout, expected);
        }
    }
}
