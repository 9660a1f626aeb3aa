//! What `lab decode` tells of an oops: a real one of a real guest, and each form in which a kernel
//! of either architecture names a place.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

const CHECKOUT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

fn lab() -> Command {
    let mut lab = Command::new(env!("CARGO_BIN_EXE_lab"));
    // What is expected below names this architecture.
    lab.env("RLKM_ARCH", "arm64").stdin(Stdio::null());
    lab
}

fn decode(args: &[&str]) -> Output {
    lab().arg("decode").args(args).output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// A module for tests of the arm64 tree, with debug information or without.
fn test_module(suffix: &str) -> PathBuf {
    let kdir = std::env::var("RLKM_KDIR").expect("RLKM_KDIR is not set; `make host-tests` does");
    let folder = Command::new(format!("{CHECKOUT}/scripts/kbuild.sh"))
        .args(["folder", &kdir, "arm64"])
        .output()
        .unwrap();
    let folder = text(&folder.stdout).trim().to_owned() + suffix;
    let module = Path::new(&folder).join("tests/lkm_test.ko");
    assert!(
        module.is_file(),
        "no {module:?}; `make host-tests` makes it"
    );
    module
}

/// Which line of lkm_test's oops.rs has this comment.
fn line_of(comment: &str) -> String {
    let source = "tests/modules/lkm_test/oops.rs";
    let text = fs::read_to_string(format!("{CHECKOUT}/{source}")).unwrap();
    let line = text.lines().position(|line| line.ends_with(comment));
    format!("{source}:{}", line.unwrap() + 1)
}

#[test]
fn a_panic_in_a_module_is_shown_with_its_lines_and_those_of_inlined_functions() {
    // Without debug information, which is beside it.
    let module = test_module("");
    let mut run = lab();
    run.args(["run", "--module"]).arg(&module);
    run.args(["--", "insmod", "/modules/lkm_test.ko", "case=oops"]);
    let output = run.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(122), "{said}");
    let inlined = format!(
        " at {} in lkm_test::oops::inlined, inlined\n",
        line_of("// inlined")
    );
    let outer = format!(" at {} in lkm_test::oops::oops\n", line_of("// oops"));
    let (at, then) = (said.find(&inlined), said.find(&outer));
    assert!(at.is_some() && at < then, "{inlined}{outer} in:\n{said}");
    let init = "<lkm_test::Test as lkm::module::Module>::init+0x";
    assert!(said.contains(init), "{said}");
    assert!(!said.contains("_RNv"), "{said}");
    assert!(!said.contains("DEBUG_INFO"), "{said}");

    // The console's log itself, in which that is not yet.
    let folder = said.split_once("its folder is ").unwrap().1;
    let console = format!("{}/console.log", folder.lines().next().unwrap());
    let decoded = decode(&[&console]);
    let decoded_text = text(&decoded.stdout);
    assert!(decoded_text.contains(&(inlined + "   ")), "{decoded_text}");
    // All that it was, line by line, but for the names.
    let log = fs::read_to_string(&console).unwrap();
    let mut rest = decoded_text
        .lines()
        .filter(|line| !line.trim_start().starts_with("at "));
    for line in log.lines() {
        let now = rest.next().unwrap();
        assert!(now == line || line.contains("_R"), "{line}\n{now}");
    }
    assert_eq!(rest.next(), None);

    // Without any, there are names; and what to do about it.
    let decoded = decode(&["--module", module.to_str().unwrap(), &console]);
    assert!(text(&decoded.stdout).contains(init));
    assert!(!text(&decoded.stdout).contains(" at tests/"));
    let remarks = text(&decoded.stderr);
    assert!(
        remarks.contains("lkm_test: `make modules DEBUG_INFO=y`"),
        "{remarks}"
    );
}

/// The architecture's words for `nop`, each of which is one line of the source.
const FAULTY: &str = "\
.text
.globl _RNvNtCsijGGhcV3kWo_6faulty4life6begins, never_returns
_RNvNtCsijGGhcV3kWo_6faulty4life6begins:
nop
nop
nop
never_returns:
nop
nop
";
const KERNEL: &str = "\
.text
.globl kernel_faults, el1h_64_irq, end
kernel_faults:
nop
nop
nop
nop
el1h_64_irq:
nop
nop
end:
nop
";

/// A module and a kernel of that source; with them, what the text becomes.
fn decoded(triple: &str, log: &str) -> (Vec<String>, String) {
    let dir = tempfile::tempdir().unwrap();
    let object = |name: &str, source: &str| {
        let path = dir.path().join(format!("{name}.s"));
        fs::write(&path, source).unwrap();
        let object = dir.path().join(format!("{name}.ko"));
        let mut clang = Command::new("clang-14");
        clang
            .arg(format!("--target={triple}"))
            .args(["-g", "-c", "-o"]);
        let status = clang.arg(&object).arg(&path).status().unwrap();
        assert!(status.success());
        object
    };
    let module = object("faulty", FAULTY);
    let kernel = object("kernel", KERNEL);
    let vmlinux = dir.path().join("vmlinux");
    let mut linker = Command::new("ld.lld-14");
    linker.args(["--entry=end", "-Ttext=0xffffffc008010000", "-o"]);
    assert!(linker
        .arg(&vmlinux)
        .arg(&kernel)
        .status()
        .unwrap()
        .success());
    let log = format!("{CHECKOUT}/lab/tests/decode/{log}");
    let kdir = dir.path().to_str().unwrap();
    let output = decode(&["--kdir", kdir, "--module", module.to_str().unwrap(), &log]);
    let said = text(&output.stderr).to_owned();
    assert_eq!(output.status.code(), Some(0), "{said}");
    let lines = text(&output.stdout).replace(&format!("{kdir}/"), "");
    (lines.lines().map(str::to_owned).collect(), said)
}

/// Compares with a text in which `+` begins the lines that are added, each with the space in front of it.
fn assert_decoded(lines: &[String], log: &str, expected: &[(&str, &str)]) {
    let log = fs::read_to_string(format!("{CHECKOUT}/lab/tests/decode/{log}")).unwrap();
    let mut lines = lines.iter();
    let mut expected = expected.iter();
    for line in log.lines() {
        let readable = line.replace(
            "_RNvNtCsijGGhcV3kWo_6faulty4life6begins",
            "faulty::life::begins",
        );
        assert_eq!(lines.next(), Some(&readable));
        if line.contains("+0x") {
            let (part, at) = expected.next().expect("one for each place");
            assert!(line.contains(part), "{line}: {part}");
            if !at.is_empty() {
                assert_eq!(lines.next().unwrap().trim_start(), *at, "{line}");
            }
        }
    }
    assert_eq!((lines.next(), expected.next()), (None, None));
}

#[test]
fn every_form_of_arm64_is_decoded_and_the_rest_stays_as_it_is() {
    let (lines, said) = decoded("aarch64-linux-gnu", "arm64.txt");
    let begins = |line| format!("at faulty.s:{line} in faulty::life::begins");
    assert_decoded(
        &lines,
        "arm64.txt",
        &[
            // Where it is, and where the call was that returns there.
            ("pc : ", "at kernel.s:5 in kernel_faults"),
            ("lr : ", &begins(5)),
            ("kernel_faults", "at kernel.s:5 in kernel_faults"),
            ("begins", &begins(5)),
            // What never returns is called by the function before.
            ("never_returns", "at faulty.s:6 in never_returns"),
            ("el1h_64_irq", "at kernel.s:9 in el1h_64_irq"),
            // It was interrupted there.
            ("begins", &begins(6)),
            ("of_another", ""),
            // Of another kernel.
            ("0x20", ""),
            ("nobody_knows", ""),
            ("KASAN", &begins(5)),
            ("#0", &begins(4)),
        ],
    );
    assert!(said.contains("that ran: another;"), "{said}");
}

#[test]
fn every_form_of_x86_64_is_decoded_and_the_rest_stays_as_it_is() {
    let (lines, said) = decoded("x86_64-linux-gnu", "x86_64.txt");
    assert_decoded(
        &lines,
        "x86_64.txt",
        &[
            ("RIP", "at faulty.s:5 in faulty::life::begins"),
            ("never_returns", "at faulty.s:8 in never_returns"),
            ("kernel_faults", "at kernel.s:5 in kernel_faults"),
            ("entry_SYSCALL_64", ""),
        ],
    );
    assert_eq!(said, "");
}

#[test]
fn stdin_is_a_log_too_and_bytes_that_are_no_text_stay() {
    let mut echo = Command::new("printf")
        .arg(r"a\377b+0x1/0x2 [x]\r\n\0c d+0x1/0x2 [gone]")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lab = lab();
    let output = lab.arg("decode").stdin(echo.stdout.take().unwrap());
    let output = output.output().unwrap();
    assert!(echo.wait().unwrap().success());
    assert_eq!(output.stdout, b"a\xffb+0x1/0x2 [x]\r\n\0c d+0x1/0x2 [gone]");
    assert!(text(&output.stderr).contains("that ran: gone;"));
}

#[test]
fn what_cannot_be_read_is_said() {
    for args in [
        &["/nonexistent"][..],
        &["--module", "/nonexistent", "/dev/null"],
    ] {
        let output = decode(args);
        let said = text(&output.stderr);
        assert_eq!((output.status.code(), said.lines().count()), (Some(120), 1));
        assert!(said.contains("/nonexistent"), "{said}");
    }
}
