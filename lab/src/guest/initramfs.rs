//! The guest's only file system: a cpio archive with busybox, the init script, modules, programs
//! and the command of this one run.

use anyhow::{bail, Context, Result};
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

const INIT: &str = include_str!("init.sh");
const DIRECTORY: u32 = 0o040_755;
const EXECUTABLE: u32 = 0o100_755;
const PLAIN: u32 = 0o100_644;
const REGULAR: u32 = 0o100_000;
const LINK: u32 = 0o120_777;
const CHARACTER_DEVICE: u32 = 0o020_600;

/// What goes into a guest.
pub struct Contents {
    pub busybox: PathBuf,
    /// Modules of the kernel's own, which are loaded in this order before anything else.
    pub drivers: Vec<PathBuf>,
    /// To be at /bin/NAME: programs that are there in each run.
    pub built: Vec<PathBuf>,
    /// To be at /modules/NAME.ko.
    pub modules: Vec<PathBuf>,
    /// Those of this run, to be at /bin/NAME.
    pub programs: Vec<PathBuf>,
    /// Folders of which all is to be where it is in them, unless something is there already.
    pub packages: Vec<PathBuf>,
    /// Run as /lab/command.
    pub command: Vec<u8>,
    /// The text that ends the command's output; without one the command gets the console.
    pub end: Option<String>,
    /// Whether leaked memory is looked for after the command.
    pub kmemleak: bool,
    /// Whether a shell can be had on the console meanwhile.
    pub console: bool,
    /// Whether the command's stdin is /dev/null.
    pub no_stdin: bool,
}

/// What a guest has that boots before it is known what it is for, and what it gets then.
pub struct Parts {
    /// Its initramfs.
    pub first: Vec<u8>,
    /// Another such archive, for a port.
    pub rest: Vec<u8>,
}

/// A shell script that becomes `command`, with these variables set.
pub fn script(env: &[(String, OsString)], command: &[OsString]) -> Result<Vec<u8>> {
    let mut script = Vec::new();
    for (name, value) in env {
        if !is_variable(name) {
            bail!("--env {name}=…: not a variable's name");
        }
        script.extend_from_slice(format!("export {name}=").as_bytes());
        script.extend(quote(value.as_bytes())?);
        script.push(b'\n');
    }
    // The command may begin with what exec would take for an option of its own.
    script.extend_from_slice(b"exec --");
    for word in command {
        script.push(b' ');
        script.extend(quote(word.as_bytes())?);
    }
    script.push(b'\n');
    Ok(script)
}

/// Whether a shell takes it for a variable's name.
pub fn is_variable(name: &str) -> bool {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    !name.is_empty() && name.chars().all(is_word) && !name.starts_with(|c: char| c.is_ascii_digit())
}

/// Quotes any bytes but NUL for a shell.
pub fn quote(bytes: &[u8]) -> Result<Vec<u8>> {
    Ok(shlex::bytes::try_quote(bytes)?.into_owned())
}

/// Makes the archive. Not compressed: the guest would spend more time on it than the host saves.
pub fn build(contents: &Contents) -> Result<Vec<u8>> {
    let mut archive = Archive::new();
    archive.add_system(contents)?;
    archive.add_run(contents)?;
    Ok(cpio::newc::trailer(archive.bytes)?)
}

/// The same in two: what is in each guest with this busybox and these programs, and what is of this
/// run only.
/// `reseed` is the program that becomes /lab/reseed.
pub fn parts(contents: &Contents, reseed: &[u8]) -> Result<Parts> {
    let mut archive = Archive::new();
    archive.add_system(contents)?;
    archive.add("lab/reseed", EXECUTABLE, reseed)?;
    let first = cpio::newc::trailer(std::mem::take(&mut archive.bytes))?;
    archive.add_run(contents)?;
    let rest = cpio::newc::trailer(archive.bytes)?;
    Ok(Parts { first, rest })
}

struct Archive {
    bytes: Vec<u8>,
    names: BTreeSet<String>,
}

impl Archive {
    fn new() -> Archive {
        Archive {
            bytes: Vec::new(),
            names: BTreeSet::new(),
        }
    }

    fn add_system(&mut self, contents: &Contents) -> Result<()> {
        for name in ["bin", "dev", "lab", "modules", "proc", "root", "sys", "tmp"] {
            self.add(name, DIRECTORY, &[])?;
        }
        // The kernel opens it for init before init can mount anything.
        self.add("dev/console", CHARACTER_DEVICE, &[])?;
        self.add("init", EXECUTABLE, INIT.as_bytes())?;
        self.add_file("bin/busybox", EXECUTABLE, &contents.busybox)?;
        if !contents.drivers.is_empty() {
            self.add("lab/drivers", DIRECTORY, &[])?;
        }
        for (number, path) in contents.drivers.iter().enumerate() {
            self.add_file(&format!("lab/drivers/{number:02}.ko"), PLAIN, path)?;
        }
        self.add_files("bin", EXECUTABLE, &contents.built)
    }

    fn add_run(&mut self, contents: &Contents) -> Result<()> {
        self.add("lab/command", PLAIN, &contents.command)?;
        if let Some(end) = &contents.end {
            self.add("lab/end", PLAIN, end.as_bytes())?;
        }
        if contents.kmemleak {
            self.add("lab/kmemleak", PLAIN, &[])?;
        }
        if contents.console {
            self.add("lab/console", PLAIN, &[])?;
        }
        if contents.no_stdin {
            self.add("lab/no_stdin", PLAIN, &[])?;
        }
        self.add_files("modules", PLAIN, &contents.modules)?;
        self.add_files("bin", EXECUTABLE, &contents.programs)?;
        for folder in &contents.packages {
            self.add_folder("", folder)
                .with_context(|| format!("cannot take {} into the guest", folder.display()))?;
        }
        Ok(())
    }

    fn add_folder(&mut self, name: &str, folder: &Path) -> Result<()> {
        let mut entries = fs::read_dir(folder)?.collect::<std::io::Result<Vec<_>>>()?;
        entries.sort_by_key(|entry| entry.file_name());
        for entry in entries {
            let file = entry.file_name();
            let name = format!(
                "{name}{}",
                file.to_str().context("a name that is no UTF-8")?
            );
            let (path, metadata) = (entry.path(), entry.metadata()?);
            let is_new = !self.names.contains(&name);
            if metadata.is_dir() {
                if is_new {
                    self.add(&name, DIRECTORY, &[])?;
                }
                self.add_folder(&format!("{name}/"), &path)?;
            } else if is_new && metadata.is_symlink() {
                let target = fs::read_link(&path)?;
                self.add(&name, LINK, target.as_os_str().as_bytes())?;
            } else if is_new && metadata.is_file() {
                let mode = metadata.permissions().mode() & 0o755;
                self.add(&name, REGULAR | mode, &fs::read(&path)?)?;
            }
        }
        Ok(())
    }

    fn add_files(&mut self, folder: &str, mode: u32, paths: &[PathBuf]) -> Result<()> {
        for path in paths {
            let name = path.file_name().and_then(|name| name.to_str());
            let name =
                name.with_context(|| format!("{}: not a file's name in UTF-8", path.display()))?;
            self.add_file(&format!("{folder}/{name}"), mode, path)?;
        }
        Ok(())
    }

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
            drivers: vec![make(&"virtio.ko"), make(&"port.ko")],
            built: vec![make(&"misc")],
            modules: modules.iter().map(make).collect(),
            programs: programs.iter().map(make).collect(),
            packages: Vec::new(),
            command: b"exec true\n".to_vec(),
            end: Some("the end".into()),
            kmemleak: false,
            console: false,
            no_stdin: false,
        }
    }

    #[test]
    fn an_archive_reads_back() {
        let dir = tempfile::tempdir().unwrap();
        let archive = build(&contents(dir.path(), &["hello.ko"], &["simrupt"])).unwrap();
        let found = entries(&archive);
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
        has("bin/misc", EXECUTABLE, "I am misc");
        has("lab/drivers/00.ko", PLAIN, "I am virtio.ko");
        has("lab/drivers/01.ko", PLAIN, "I am port.ko");
        has("lab/command", PLAIN, "exec true\n");
        has("lab/end", PLAIN, "the end");
    }

    #[test]
    fn the_two_parts_have_all_that_the_whole_has_and_what_is_of_a_run_is_in_the_second() {
        let dir = tempfile::tempdir().unwrap();
        let contents = contents(dir.path(), &["hello.ko"], &["simrupt"]);
        let parts = parts(&contents, b"a program").unwrap();
        let (mut all, rest) = (entries(&parts.first), entries(&parts.rest));
        assert!(all.contains(&("lab/reseed".into(), EXECUTABLE, "a program".into())));
        all.retain(|(name, ..)| name != "lab/reseed");
        let names: Vec<&str> = rest.iter().map(|(name, ..)| name.as_str()).collect();
        let of_a_run = ["lab/command", "lab/end", "modules/hello.ko", "bin/simrupt"];
        assert_eq!(names, of_a_run);
        all.extend(rest);
        assert_eq!(all, entries(&build(&contents).unwrap()));
    }

    /// The names, modes and contents in an archive.
    fn entries(archive: &[u8]) -> Vec<(String, u32, String)> {
        let mut rest = archive;
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
        found
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
            // As busybox's shell, and unlike some, it knows the end of exec's own options.
            let output = Command::new("bash").arg(&path).output().unwrap();
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
