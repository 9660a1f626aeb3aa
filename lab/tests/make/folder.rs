//! Which files make makes and removes: those in folders of its own, links to the modules at the top
//! of the checkout, and nothing else.

use crate::world::{World, CONFIG, HELLO};
use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::{symlink, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Files of a user's, named as what Kbuild makes, in folders that a checkout may have.
const THEIRS: &[&str] = &[
    "go.mod",
    "firmware.o",
    "data.mod",
    "vendor/lib/libfoo.a",
    "vendor/lib/.libfoo.a.cmd",
    "nested/.git/HEAD",
    "nested/data.mod",
    "nested/Module.symvers",
    "linux-6.1/kernel/fork.o",
    "linux-6.1/kernel/.fork.o.cmd",
    "linux-6.1/vmlinux.a",
    "linux-6.1/modules.order",
    "linux-6.1/rust/bindings_generated.rs",
    "linux-6.1/drivers/a.ko",
    ".cache/rlkm/tree/arm64-1/kernel/fork.o",
    ".cache/rlkm/tree/arm64-1/rust/libkernel.rmeta",
    "build/mine.o",
    "build/arm64-1/hello.ko",
    "modules/notes.o",
    "modules/.notes.o.cmd",
    "modules/tables/table.a",
    "lkm/mine_generated.rs",
    "bench/data.mod",
    "tests/modules/data.mod",
    "tests/firmware.ko",
    "firmware.ko",
    "Module.symvers",
    "modules.order",
    "target/debug/c.o",
    "target/kbuild/mine/hello.ko",
    ".kbuild-for",
];

/// The files of a folder with what is in them, and the links with where they point, but for
/// those in make's own folders.
fn manifest(root: &Path) -> BTreeMap<PathBuf, String> {
    let mut files = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(root).unwrap().to_owned();
            if name == Path::new("target/kbuild/last") {
                continue;
            }
            if let Ok(to) = fs::read_link(&path) {
                files.insert(name, format!("-> {}", to.display()));
            } else if path.is_dir() {
                // Those of make's own are its affair.
                if !path.join(".rlkm-build").exists() {
                    folders.push(path);
                }
            } else if !["linux-6.1/called", "target/kbuild/.lock"].contains(&name.to_str().unwrap())
            {
                files.insert(name, fs::read_to_string(&path).unwrap());
            }
        }
    }
    files
}

fn with_files_of_theirs() -> World {
    let world = World::new();
    world.tree("other");
    world.tree("checkout/linux-6.1");
    for name in THEIRS {
        world.write(&format!("checkout/{name}"), &format!("{name}, of a user's"));
    }
    world
}

#[test]
fn nothing_of_a_users_is_touched() {
    let world = with_files_of_theirs();
    let checkout = world.path("checkout");
    let before = manifest(&checkout);
    for name in THEIRS {
        assert!(before.contains_key(Path::new(name)), "{name}");
    }
    let is_as_before = |what: &str| {
        let mut after = manifest(&checkout);
        after.retain(|name, to| {
            name != Path::new("hello.ko") || !to.starts_with("-> target/kbuild/")
        });
        assert!(
            before == after,
            "{what}: {:?}",
            differences(&before, &after)
        );
    };
    let other_config = format!("{CONFIG}CONFIG_KASAN=y\n");
    for kdir in [
        "KDIR=linux-6.1",
        "KDIR=../tree",
        "KDIR=../other",
        "KDIR=linux-6.1",
    ] {
        world.builds(&[kdir]);
        is_as_before(kdir);
    }
    world.write("other/.config", &other_config);
    for args in [
        &["KDIR=../other"][..],
        &[
            "KDIR=../other",
            "modules_install",
            "INSTALL_MOD_PATH=../out",
        ],
        &["-B", "KDIR=../tree"],
        &["clean"],
        &["clean", "KDIR=linux-6.1"],
    ] {
        world.builds(args);
        is_as_before(&args.join(" "));
    }
    assert!(!world.path("checkout/hello.ko").exists());
}

fn differences(
    before: &BTreeMap<PathBuf, String>,
    after: &BTreeMap<PathBuf, String>,
) -> Vec<PathBuf> {
    let differ = |name: &&PathBuf| before.get(*name) != after.get(*name);
    let mut names: Vec<_> = before
        .keys()
        .chain(after.keys())
        .filter(differ)
        .cloned()
        .collect();
    names.dedup();
    names
}

#[test]
fn sources_stay_clean() {
    let world = World::new();
    let before = manifest(&world.path("checkout"));
    world.builds(&["KDIR=../tree"]);
    let mut after = manifest(&world.path("checkout"));
    let link = after.remove(Path::new("hello.ko")).unwrap();
    assert!(link.starts_with("-> target/kbuild/arm64-"), "{link}");
    assert!(before == after, "{:?}", differences(&before, &after));
    assert!(world.folder().join("modules/hello.o").exists());
}

/// What Kbuild leaves beside the sources if it has no folder of its own.
const LEFT: [&str; 12] = [
    "lkm/bindings_generated.rs",
    "lkm/helpers/mutex.bc",
    "lkm/liblkm.rlib",
    "lkm/liblkm.rmeta",
    "lkm/link/ordinary.ll",
    "lkm/lkm.a",
    "modules/.hello.o.cmd",
    "modules/hello.bc",
    "modules/hello.linked.o",
    "modules/hello.linked.o.bc",
    "modules/hello.linked.o.same.ll",
    "modules/hello.o",
];

#[test]
fn what_a_kbuild_without_a_folder_has_left_is_not_taken_for_a_source() {
    let world = World::new();
    for name in LEFT {
        world.write(&format!("checkout/{name}"), "old");
    }
    world.builds(&["KDIR=../tree"]);
    for name in LEFT {
        let made = fs::read_to_string(world.folder().join(name)).unwrap_or_default();
        assert_ne!(made, "old", "{name}");
    }
}

#[test]
fn what_a_kbuild_without_a_folder_has_left_is_nothing_to_commit() {
    let world = World::new();
    let checkout = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let ignored = fs::read_to_string(checkout.join(".gitignore")).unwrap();
    world.write("checkout/.gitignore", &ignored);
    for name in LEFT {
        world.write(&format!("checkout/{name}"), "old");
    }
    let git = |args: &[&str]| {
        let output = Command::new("git")
            .args(args)
            .current_dir(world.path("checkout"))
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    git(&["init", "-q"]);
    git(&["add", "."]);
    let added = git(&["ls-files"]);
    assert!(added.contains("modules/hello.rs"), "{added}");
    for name in LEFT {
        assert!(!added.lines().any(|line| line == name), "{name}");
    }
}

#[test]
fn a_module_of_a_users_at_the_top_is_not_replaced() {
    let world = World::new();
    world.write("checkout/hello.ko", "theirs");
    world.refuses(
        &["KDIR=../tree"],
        &["hello.ko was not made by make", "move it"],
    );
    // Kbuild's own clean goes by patterns, over all that is in the checkout.
    let said = world.make(&["KDIR=../tree"]).stderr;
    assert!(!said.contains("M=") && !said.contains("clean"), "{said}");
    let text = fs::read_to_string(world.path("checkout/hello.ko")).unwrap();
    assert_eq!(text, "theirs");
    world.remove("checkout/hello.ko");
    // A link is theirs, too, if it points elsewhere, or nowhere.
    for to in ["../elsewhere/hello.ko", "Makefile", "target/hello.ko"] {
        symlink(to, world.path("checkout/hello.ko")).unwrap();
        world.refuses(&["KDIR=../tree"], &["hello.ko was not made by make"]);
        world.builds(&["clean"]);
        let link = fs::read_link(world.path("checkout/hello.ko")).unwrap();
        assert_eq!(link, Path::new(to));
        world.remove("checkout/hello.ko");
    }
    fs::create_dir(world.path("checkout/hello.ko")).unwrap();
    world.refuses(&["KDIR=../tree"], &["hello.ko was not made by make"]);
}

#[test]
fn the_modules_of_two_trees_lie_side_by_side() {
    let world = World::new();
    world.tree("other");
    let module = world.path("checkout/hello.ko");
    let built_for = || fs::read_to_string(&module).unwrap().trim().to_owned();
    let mut folders = Vec::new();
    for (tree, again) in [
        ("tree", false),
        ("other", false),
        ("tree", true),
        ("other", true),
    ] {
        world.builds(&[&format!("KDIR=../{tree}")]);
        assert!(
            built_for().ends_with(&format!("/{tree}")),
            "{}",
            built_for()
        );
        let folder = world.folder();
        if again {
            assert!(folder.join("kept").exists(), "was built anew");
        }
        fs::write(folder.join("kept"), "").unwrap();
        folders.push(folder);
    }
    assert_eq!((&folders[0], &folders[1]), (&folders[2], &folders[3]));
    assert_ne!(folders[0], folders[1]);

    // Another configuration, or another compiler: that tree's are built anew.
    world.write("other/.config", &format!("{CONFIG}CONFIG_KASAN=y\n"));
    world.builds(&["KDIR=../other"]);
    assert!(!folders[1].join("kept").exists());
    assert!(folders[0].join("kept").exists());
    world.tool("my-rustc", "rustc 9.63.0");
    world.builds(&["KDIR=../tree", "RUSTC=my-rustc"]);
    assert!(!folders[0].join("kept").exists());

    world.builds(&["clean"]);
    assert!(!folders[0].exists() && !folders[1].exists());
    assert!(fs::symlink_metadata(&module).is_err());
}

#[test]
fn sources_come_and_go() {
    let world = World::new();
    let there = |name: &str| fs::symlink_metadata(name_in(&world, name)).is_ok();
    fn name_in(world: &World, name: &str) -> PathBuf {
        match name.strip_prefix("folder/") {
            Some(name) => world.folder().join(name),
            None => world.path("checkout").join(name),
        }
    }
    world.builds(&["KDIR=../tree"]);
    world.write("checkout/modules/second.rs", HELLO);
    world.write("checkout/modules/second/part.rs", "");
    world.builds(&["KDIR=../tree"]);
    for name in [
        "second.ko",
        "folder/second.ko",
        "folder/modules/second/part.rs",
    ] {
        assert!(there(name), "{name}");
    }
    let (from, to) = (
        world.path("checkout/modules/second.rs"),
        world.path("checkout/modules/third.rs"),
    );
    fs::rename(from, to).unwrap();
    fs::remove_dir_all(world.path("checkout/modules/second")).unwrap();
    world.builds(&["KDIR=../tree"]);
    for name in [
        "second.ko",
        "folder/second.ko",
        "folder/second.o",
        "folder/second.mod.c",
        "folder/.second.o.cmd",
        "folder/modules/second.rs",
        "folder/modules/second.o",
        "folder/modules/second/part.rs",
    ] {
        assert!(!there(name), "{name}");
    }
    for name in ["hello.ko", "folder/hello.ko", "third.ko", "folder/third.ko"] {
        assert!(there(name), "{name}");
    }
    // A file in the place of a folder, and a folder in that of a file.
    world.write("checkout/modules/second", "");
    fs::rename(
        world.path("checkout/modules/third.rs"),
        world.path("checkout/modules/second.rs"),
    )
    .unwrap();
    world.builds(&["KDIR=../tree"]);
    world.remove("checkout/modules/second");
    world.write("checkout/modules/second/part.rs", "");
    world.builds(&["KDIR=../tree"]);
    assert!(there("folder/modules/second/part.rs"));
    // The folder reads the source, and no copy of it.
    world.write("checkout/modules/hello.rs", "//! Says more.\n");
    let text = fs::read_to_string(world.folder().join("modules/hello.rs")).unwrap();
    assert_eq!(text, "//! Says more.\n");
}

#[test]
fn names_that_make_no_module_are_refused() {
    let world = World::new();
    for name in ["a b", "-a", "a$b", "a.b", "hello (copy)"] {
        let path = format!("checkout/modules/{name}.rs");
        world.write(&path, HELLO);
        world.refuses(&["KDIR=../tree"], &["cannot be a module's name"]);
        world.remove(&path);
    }
    // What is no module may have any name.
    world.write("checkout/modules/read me.txt", "");
    world.write("checkout/modules/.#hello.rs", "");
    world.builds(&["KDIR=../tree"]);
}

#[test]
fn a_folder_that_make_has_not_made_is_not_built_in() {
    let world = World::new();
    world.builds(&["KDIR=../tree"]);
    let folder = world.folder();
    world.builds(&["clean"]);
    world.remove("tree/called");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("theirs.o"), "").unwrap();
    world.refuses(&["KDIR=../tree"], &["is not what make has made", "move it"]);
    world.builds(&["clean"]);
    assert!(folder.join("theirs.o").exists());
    // An empty one is what a make that was killed has left.
    fs::remove_file(folder.join("theirs.o")).unwrap();
    world.builds(&["KDIR=../tree"]);
}

#[test]
fn a_checkout_that_was_moved_builds_anew() {
    let world = World::new();
    world.builds(&["KDIR=../tree"]);
    fs::write(world.folder().join("kept"), "").unwrap();
    fs::rename(world.path("checkout"), world.path("moved")).unwrap();
    symlink("moved", world.path("checkout")).unwrap();
    world.builds(&["KDIR=../tree"]);
    assert!(!world.folder().join("kept").exists());
}

/// A make whose Kbuild has begun, and waits for a word in `wait`.
struct Begun {
    make: Child,
    wait: PathBuf,
}

impl Begun {
    fn new(world: &World) -> Begun {
        let wait = world.path("tree/wait");
        nix::unistd::mkfifo(&wait, nix::sys::stat::Mode::S_IRWXU).unwrap();
        if world.path("tree/called").exists() {
            world.remove("tree/called");
        }
        let mut make = world.command();
        make.arg("KDIR=../tree").stdout(Stdio::null());
        let begun = Begun {
            make: make.spawn().unwrap(),
            wait,
        };
        let start = Instant::now();
        while !world.path("tree/called").exists() {
            let waited = start.elapsed();
            assert!(
                waited < Duration::from_secs(60),
                "make does not call Kbuild"
            );
            std::thread::sleep(Duration::from_millis(10));
        }
        begun
    }

    /// Whether it is still at work.
    fn is_at_work(&mut self) -> bool {
        self.make.try_wait().unwrap().is_none()
    }
}

/// Goes on, and Kbuilds that come later do not wait.
impl Drop for Begun {
    fn drop(&mut self) {
        // Open for both, so as not to wait for one who reads.
        let mut wait = fs::OpenOptions::new()
            .read(true)
            .write(true)
            .open(&self.wait)
            .unwrap();
        fs::remove_file(&self.wait).unwrap();
        wait.write_all(b"go on\n").unwrap();
        self.make.wait().unwrap();
    }
}

#[test]
fn of_two_makes_in_one_checkout_one_waits_for_the_other() {
    let world = World::new();
    world.tree("other");
    for args in [&["KDIR=../other"][..], &["KDIR=../tree"], &["clean"]] {
        let mut first = Begun::new(&world);
        let mut second = world
            .command()
            .args(args)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // Its line comes while the first is at work, which it is until it is told to go on.
        let mut stderr = BufReader::new(second.stderr.take().unwrap());
        let mut line = String::new();
        stderr.read_line(&mut line).unwrap();
        let waits = "rlkm: another make builds in this checkout; waiting for it\n";
        assert_eq!(line, waits, "{args:?}");
        assert!(first.is_at_work());
        assert!(second.try_wait().unwrap().is_none(), "does not wait");
        drop(first);
        assert!(second.wait().unwrap().success(), "{args:?}");
        let mut rest = String::new();
        stderr.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "");
    }
}

#[test]
fn a_make_that_was_killed_is_not_waited_for() {
    let world = World::new();
    world.tree("other");
    let first = Begun::new(&world);
    // make, the shell of its recipe, and the script that has the lock; not Kbuild.
    let mut parent = first.make.id().to_string();
    for _ in 0..3 {
        let children = format!("/proc/{parent}/task/{parent}/children");
        let children = fs::read_to_string(children).unwrap();
        let id = nix::unistd::Pid::from_raw(parent.parse().unwrap());
        nix::sys::signal::kill(id, nix::sys::signal::Signal::SIGKILL).unwrap();
        parent = children.trim().to_owned();
    }
    // What they have started is still there, and has not the lock.
    let mut second = world.command();
    second
        .arg("KDIR=../other")
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let mut second = second.spawn().unwrap();
    let mut stderr = BufReader::new(second.stderr.take().unwrap());
    let mut line = String::new();
    stderr.read_line(&mut line).unwrap();
    assert_eq!(line, "", "waits, or complains");
    assert!(second.wait().unwrap().success());
}

#[test]
fn what_root_has_built_is_refused_in_one_line() {
    let world = World::new();
    world.builds(&["KDIR=../tree"]);
    world.remove("tree/called");
    let chmod = |mode: &str, path: &Path| {
        let status = Command::new("chmod").args(["-R", mode]).arg(path).status();
        assert!(status.unwrap().success());
    };
    chmod("a+rwX", world.dir.path());
    for closed in [world.folder(), world.path("checkout/target")] {
        chmod("a-w", &closed);
        // Nothing is closed to root.
        let mut make = if fs::metadata("/proc/self").unwrap().uid() == 0 {
            let mut make = Command::new("setpriv");
            make.args(["--reuid=65534", "--regid=65534", "--clear-groups", "make"]);
            make
        } else {
            Command::new("make")
        };
        make.args(["--no-print-directory", "-C", "checkout", "KDIR=../tree"])
            .current_dir(world.dir.path())
            .env_clear()
            .env(
                "PATH",
                format!("{}:/usr/bin:/bin", world.path("bin").display()),
            );
        world.refuses_command(&mut make, &["cannot be written", "root", "make clean"]);
        chmod("a+w", &closed);
    }
}

#[test]
fn modules_with_debug_information_are_beside_those_without() {
    let world = World::new();
    world.refuses(&["KDIR=../tree", "DEBUG_INFO=x"], &["DEBUG_INFO=x"]);
    world.builds(&["KDIR=../tree"]);
    let without = world.folder();
    world.builds(&["KDIR=../tree", "DEBUG_INFO=y"]);
    assert_eq!(
        world.folder().to_str(),
        Some(format!("{}-g", without.display()).as_str())
    );
    assert!(without.join("hello.ko").exists());
    world.builds(&["KDIR=../tree", "DEBUG_INFO=n"]);
    assert_eq!(world.folder(), without);
    world.builds(&["clean"]);
    assert!(!without.exists());
}
