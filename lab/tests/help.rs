//! What tells how the lab is used: the help, completions for shells, manual pages. All of them know
//! all verbs.

use std::fs;
use std::process::{Command, Output};

fn lab(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_lab"))
        .args(args)
        .output()
        .unwrap()
}

fn prints(args: &[&str]) -> String {
    let output = lab(args);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), &*said), (Some(0), ""), "{args:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The groups and their verbs, with what the help says of each.
fn groups() -> Vec<(String, Vec<(String, String)>)> {
    let mut groups: Vec<(String, Vec<(String, String)>)> = Vec::new();
    for line in prints(&["--help"]).lines() {
        if let Some(heading) = line.strip_suffix(':').filter(|line| !line.starts_with(' ')) {
            groups.push((heading.to_owned(), Vec::new()));
        } else if let (Some(group), Some(entry)) = (groups.last_mut(), line.strip_prefix("  ")) {
            if !entry.starts_with([' ', '-']) {
                let (verb, about) = entry.split_once("  ").unwrap();
                group.1.push((verb.to_owned(), about.trim().to_owned()));
            }
        }
    }
    groups.retain(|(_, verbs)| !verbs.is_empty());
    groups
}

fn verbs() -> Vec<(String, String)> {
    groups().into_iter().flat_map(|(_, verbs)| verbs).collect()
}

#[test]
fn the_help_has_the_verbs_in_groups_each_once() {
    let groups = groups();
    let headings: Vec<&str> = groups.iter().map(|(heading, _)| heading.as_str()).collect();
    let expected = [
        "Kernels",
        "Guests",
        "Tests and measurements",
        "The lab itself",
    ];
    assert_eq!(headings, expected);
    let mut names: Vec<String> = verbs().into_iter().map(|(verb, _)| verb).collect();
    names.sort();
    let expected = [
        "attach",
        "bench",
        "completions",
        "console",
        "decode",
        "gdb",
        "job",
        "lockstat",
        "man",
        "run",
        "runner",
        "runs",
        "shell",
        "stop",
        "strace",
        "suites",
        "sweep",
        "tree",
        "user",
    ];
    assert_eq!(names, expected);
    let help = prints(&["--help"]);
    assert!(help.lines().all(|line| line.len() <= 80), "{help}");
    assert_eq!(prints(&["-h"]).matches("lockstat").count(), 1);
}

#[test]
fn what_the_help_says_of_a_verb_is_how_the_verbs_own_help_begins() {
    for (verb, about) in verbs() {
        for help in [prints(&[&verb, "--help"]), prints(&["help", &verb])] {
            assert_eq!(help.lines().next(), Some(about.as_str()), "{verb}");
        }
    }
}

#[test]
fn every_shells_completions_have_every_verb() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let text = prints(&["completions", shell]);
        for (verb, _) in verbs() {
            assert!(text.contains(&verb), "{shell}: {verb}");
        }
    }
    let output = lab(&["completions", "tcsh"]);
    assert_eq!(output.status.code(), Some(120));
}

#[test]
fn bash_completes_verbs_options_and_their_values() {
    let dir = tempfile::tempdir().unwrap();
    let script = dir.path().join("lab");
    fs::write(&script, prints(&["completions", "bash"])).unwrap();
    let complete = |words: &[&str]| {
        let line = words.join("' '");
        let last = words.len() - 1;
        let output = Command::new("bash")
            .arg("-c")
            .arg(format!(
                "source {}; COMP_WORDS=('{line}'); COMP_CWORD={last}; \
                 _lab lab '{}' '{}'; echo \"${{COMPREPLY[*]}}\"",
                script.display(),
                words[last],
                words[last - 1]
            ))
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    assert_eq!(complete(&["lab", "lock"]), "lockstat");
    assert_eq!(complete(&["lab", "suites", "--tab"]), "--table");
    assert_eq!(complete(&["lab", "run", "--accel", ""]), "auto kvm tcg");
    for (verb, _) in verbs() {
        assert_eq!(complete(&["lab", &verb, "--hel"]), "--help", "{verb}");
    }
}

#[test]
fn every_verb_has_a_manual_page() {
    let dir = tempfile::tempdir().unwrap();
    let pages = dir.path().join("new/man1");
    assert_eq!(prints(&["man", pages.to_str().unwrap()]), "");
    let all = prints(&["man"]);
    let mut expected = vec![(
        "lab".to_owned(),
        "Prepare kernel trees, boot guests".to_owned(),
    )];
    expected.extend(
        verbs()
            .into_iter()
            .map(|(verb, about)| (format!("lab-{verb}"), about)),
    );
    assert_eq!(fs::read_dir(&pages).unwrap().count(), expected.len());
    for (name, about) in expected {
        let page = fs::read_to_string(pages.join(format!("{name}.1"))).unwrap();
        assert!(page.contains(&format!(".TH {name} 1 ")), "{page}");
        let words = |text: &str| text.replace("\\*(Aq", "'").replace('\\', "");
        assert!(words(&page).contains(&about), "{page}");
        assert!(all.contains(&page), "{name}");
    }
    let output = lab(&["man", "/dev/null/man"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(
        (output.status.code(), said.lines().count()),
        (Some(120), 1),
        "{said}"
    );
}
