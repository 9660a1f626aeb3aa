//! `lab tree --menuconfig`: what is kept of a choice, and what is left alone. A script stands for the
//! menu in all tests but one, which uses the real kernel's.

mod fake;
mod program;
mod terminal;

use fake::Fake;
use program::write_program;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use terminal::Terminal;

const HEADER: &str = "# Chosen with lab tree --menuconfig.\n";

/// What the lab says of a menu in which `script` happens; $O/.config is the configuration.
#[track_caller]
fn menu(fake: &Fake, script: &str, args: &[&str], status: i32) -> String {
    let mut lab = fake.lab();
    lab.arg("--menuconfig").args(args).env("MENU", script);
    let mut terminal = Terminal::of(&mut lab);
    assert_eq!(terminal.end(), Some(status), "{}", terminal.screen);
    let folder = fake.path("cache/rlkm/menu");
    let left = fs::read_dir(folder).map_or(0, |entries| entries.count());
    assert_eq!(left, 0, "nothing half done is left");
    terminal.screen.clone()
}

#[track_caller]
fn has(said: &str, parts: &[&str]) {
    for part in parts {
        assert!(said.contains(part), "no {part:?} in:\n{said}");
    }
}

#[test]
fn what_is_chosen_is_kept_as_the_difference_to_what_the_tree_has() {
    let fake = Fake::new();
    fake.write("checkout/other", "CONFIG_OTHER=y\n");
    let files = ["--fragment", "other", "--fragment", "mine"];
    let script = "sed -i 's/^CONFIG_SMP=y/# CONFIG_SMP is not set/' $O/.config; echo CONFIG_N=3 >>$O/.config";
    let said = menu(&fake, script, &files, 0);
    has(
        &said,
        &[
            "mine has 2 options besides the lab's; the tree with them",
            "lab tree --arch arm64 --fragment other --fragment mine",
        ],
    );
    let mine = fake.path("checkout/mine");
    let text = fs::read_to_string(&mine).unwrap();
    assert_eq!(
        text,
        format!("{HEADER}CONFIG_N=3\n# CONFIG_SMP is not set\n")
    );
    // It is one that the lab takes, and what it says is there when the menu opens again.
    let script =
        "grep -x CONFIG_N=3 $O/.config && grep -x '# CONFIG_SMP is not set' $O/.config && \
        grep -x CONFIG_OTHER=y $O/.config && grep -x CONFIG_SET=y $O/.config && \
        sed -i '/_N=/d' $O/.config";
    let set = [&files[..], &["--set", "CONFIG_SET=y"]].concat();
    let said = menu(&fake, script, &set, 0);
    // Nothing of the user's is lost.
    has(
        &said,
        &["mine has 2 options", "what it was is in ", "mine.~1~"],
    );
    assert_eq!(
        fs::read_to_string(fake.path("checkout/mine.~1~")).unwrap(),
        text
    );
    assert_eq!(
        fs::read_to_string(&mine).unwrap(),
        format!("{HEADER}CONFIG_SET=y\n# CONFIG_SMP is not set\n")
    );
    let said = menu(&fake, "echo CONFIG_M=1 >>$O/.config", &files, 0);
    has(&said, &["mine.~2~"]);
    assert_eq!(
        fs::read_to_string(fake.path("checkout/mine.~1~")).unwrap(),
        text
    );
    let built = fake.lab().args(files).output().unwrap();
    assert!(built.status.success(), "{built:?}");
}

#[test]
fn a_link_to_a_fragment_stays_one() {
    let fake = Fake::new();
    let there = fake.write("there/mine", "# about\nCONFIG_A=y\n");
    std::os::unix::fs::symlink(&there, fake.path("checkout/mine")).unwrap();
    menu(
        &fake,
        "echo CONFIG_B=y >>$O/.config",
        &["--fragment", "mine"],
        0,
    );
    assert!(fake.path("checkout/mine").is_symlink());
    let text = format!("{HEADER}CONFIG_A=y\nCONFIG_B=y\n");
    assert_eq!(fs::read_to_string(&there).unwrap(), text);
    let old = fs::read_to_string(fake.path("there/mine.~1~")).unwrap();
    assert_eq!(old, "# about\nCONFIG_A=y\n");
}

#[test]
fn who_saves_nothing_changes_nothing() {
    let fake = Fake::new();
    let mine = fake.write("checkout/mine", "# about\nCONFIG_A=y\n");
    let args = ["--fragment", "mine"];
    has(
        &menu(&fake, "true", &args, 0),
        &["nothing was changed, and mine is left as it is"],
    );
    has(&menu(&fake, "exit 1", &args, 120), &["has saved nothing"]);
    menu(&fake, "true", &["--fragment", "new"], 0);
    assert!(!fake.path("checkout/new").exists());

    // Ctrl-C, of which the menu has its own idea: here, to go on to its end.
    let mut lab = fake.lab();
    let script = "trap asked=yes INT; echo open; until [ $asked ]; do sleep 0.05; done; echo over";
    lab.args(["--menuconfig", "--fragment", "mine"])
        .env("MENU", script);
    let mut terminal = Terminal::of(&mut lab);
    terminal.press("open", "\x03");
    assert_eq!(
        terminal.end(),
        None,
        "a signal ends it: {}",
        terminal.screen
    );
    has(&terminal.screen, &["over"]);
    assert_eq!(fs::read_to_string(mine).unwrap(), "# about\nCONFIG_A=y\n");
    assert_eq!(fs::read_dir(fake.path("checkout")).unwrap().count(), 5);
}

#[test]
fn what_is_missing_is_said_in_one_line_before_anything_is_done() {
    let fake = Fake::new();
    fake.write("checkout/bad", "CONFIG_A\n");
    for (args, part) in [
        (["--fragment", "bad"], "line 1: \"CONFIG_A\" is no option"),
        (
            ["--fragment", "nowhere/mine"],
            "nowhere/mine cannot be written",
        ),
        (["--fragment", "scripts"], "cannot read scripts"),
    ] {
        let said = menu(&fake, "true", &args, 120);
        has(&said, &[part]);
        assert_eq!(said.lines().count(), 1, "{said}");
    }
    let mut lab = fake.lab();
    let output = lab.args(["--menuconfig", "--fragment", "mine"]).output();
    let said = String::from_utf8(output.unwrap().stderr).unwrap();
    has(&said, &["needs a terminal", "--set"]);
    let output = fake.lab().arg("--menuconfig").output().unwrap();
    assert_eq!(output.status.code(), Some(120));
    has(&String::from_utf8(output.stderr).unwrap(), &["--fragment"]);

    write_program(&fake.path("bin/pkg-config"), "#!/bin/sh\nexit 1\n");
    let clang = "#!/bin/sh\n[ \"$1\" != -E ] && echo clang 1\n";
    write_program(&fake.path("bin/clang"), clang);
    let said = menu(&fake, "true", &["--fragment", "mine"], 120);
    has(&said, &["ncurses.h", "libncurses-dev", "scripts/setup.sh"]);
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(!fake.path("cache").exists());
}

/// The lab of this machine, with the kernel of its own.
fn real(fragment: &Path) -> Terminal {
    let mut lab = Command::new(env!("CARGO_BIN_EXE_lab"));
    lab.args([
        "tree",
        "--arch",
        "arm64",
        "--kernel",
        "plain",
        "--menuconfig",
    ])
    .arg("--fragment")
    .arg(fragment)
    .stdin(Stdio::null());
    Terminal::of(&mut lab)
}

/// Esc, twice, as the menu wants it.
const LEAVE: &str = "\x1b\x1b";

#[test]
fn the_kernels_own_menu_is_used_by_its_keys() {
    let dir = tempfile::tempdir().unwrap();
    let mine = dir.path().join("mine");
    let save = "Do you wish to save";
    // The first letter is a key, and of another colour.
    let choose = |terminal: &mut Terminal| {
        terminal.press("submenus", "/");
        terminal.press("Enter (sub)string", "^IKCONFIG$\r");
        terminal.press("Symbol: IKCONFIG", "1");
        terminal.press("ernel .config support", "y");
        terminal.press("<*>", LEAVE);
        terminal.press("[=y]", "x");
        terminal.press("eneral setup", LEAVE);
    };
    // What is not saved is not kept.
    let mut terminal = real(&mine);
    choose(&mut terminal);
    terminal.press(save, "n");
    assert_eq!(terminal.end(), Some(0), "{}", terminal.screen);
    assert!(!mine.exists());

    let mut terminal = real(&mine);
    choose(&mut terminal);
    terminal.press(save, "y");
    assert_eq!(terminal.end(), Some(0), "{}", terminal.screen);
    assert_eq!(
        fs::read_to_string(&mine).unwrap(),
        format!("{HEADER}CONFIG_IKCONFIG=y\n")
    );

    // The lab takes it, and Ctrl-C leaves it as it is.
    let mut terminal = real(&mine);
    terminal.press("submenus", "\x03");
    assert_eq!(terminal.end(), None, "{}", terminal.screen);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}
