//! A module that is loaded for the length of a test.

use std::env;
use std::ffi::CString;
use std::fs::{self, File};
use std::path::PathBuf;
use std::sync::MutexGuard;
use std::thread;

use nix::errno::Errno;
use nix::kmod::{delete_module, finit_module, DeleteModuleFlags, ModuleInitFlags};

use crate::errno::errno;
use crate::kmsg::Record;
use crate::lockdep;
use crate::turn::{self, Turn};
use crate::wait::holds_in_time;
use crate::watchdog::Watchdog;

/// Where the guest keeps the module: /modules, or what RLKM_MODULES says.
pub fn path_of(name: &str) -> PathBuf {
    let folder = env::var_os("RLKM_MODULES").filter(|folder| !folder.is_empty());
    let folder = folder.unwrap_or_else(|| "/modules".into());
    PathBuf::from(folder).join(format!("{name}.ko"))
}

/// A module's file and its parameters, as finit_module(2) takes them.
pub struct Insertion {
    file: File,
    parameters: CString,
}

/// A loaded module. Dropping it unloads it and fails the test if the kernel has complained since
/// it was loaded, or if lockdep is found to be off; a test that takes longer than its time ends the
/// whole program, by name. Of what the kernel says later, see [`turn`].
pub struct Module {
    name: &'static str,
    c_name: CString,
    loaded: bool,
    watchdog: Watchdog,
    // The last field, so the last to be dropped.
    turn: MutexGuard<'static, Turn>,
}

impl Module {
    /// Loads `name`, as insmod does with these parameters.
    ///
    /// # Errors
    ///
    /// What finit_module(2) said. Another test's turn may then have begun: who looks at what was
    /// left behind begins with [`Module::unloaded`].
    pub fn load(name: &'static str, parameters: &[&str]) -> Result<Module, Errno> {
        let mut module = Module::unloaded(name);
        module.insert(parameters)?;
        Ok(module)
    }

    /// A module that no test has loaded, nor will while this lives.
    pub fn unloaded(name: &'static str) -> Module {
        let turn = turn::begin();
        Module {
            name,
            c_name: CString::new(name).expect("a module's name holds a NUL"),
            loaded: false,
            watchdog: Watchdog::start(),
            turn,
        }
    }

    /// Loads the module, which must not be loaded.
    ///
    /// # Errors
    ///
    /// What finit_module(2) said.
    pub fn insert(&mut self, parameters: &[&str]) -> Result<(), Errno> {
        self.insert_prepared(&self.prepare(parameters))
    }

    /// What [`Module::insert`] gives to the kernel, so that the call is all that is left to do.
    pub fn prepare(&self, parameters: &[&str]) -> Insertion {
        let path = path_of(self.name);
        let file = File::open(&path).unwrap_or_else(|error| {
            panic!(
                "{}: {error}; build the modules, or set RLKM_MODULES",
                path.display()
            )
        });
        let parameters = CString::new(parameters.join(" ")).expect("a parameter holds a NUL");
        Insertion { file, parameters }
    }

    /// One finit_module(2), and nothing else.
    pub fn insert_prepared(&mut self, insertion: &Insertion) -> Result<(), Errno> {
        let Insertion { file, parameters } = insertion;
        finit_module(file, parameters, ModuleInitFlags::empty())?;
        self.loaded = true;
        Ok(())
    }

    /// Unloads the module, as rmmod does; the guard stays for the log and for loading again.
    ///
    /// # Errors
    ///
    /// What delete_module(2) said.
    pub fn remove(&mut self) -> Result<(), Errno> {
        delete_module(&self.c_name, DeleteModuleFlags::O_NONBLOCK)?;
        self.loaded = false;
        Ok(())
    }

    /// Starts the test's time anew: for a test of many rounds, each of which has an end. If the
    /// time runs out, `last_words` are said of this one.
    pub fn watch(&mut self, last_words: impl FnOnce() -> String + Send + 'static) {
        self.watchdog = Watchdog::with_last_words(last_words);
    }

    /// What the kernel has complained of, if it has.
    pub fn complaint(&mut self) -> Option<String> {
        self.turn.log().complaint()
    }

    /// Unloads the module and loads it again.
    #[track_caller]
    pub fn reload(&mut self, parameters: &[&str]) {
        if let Err(error) = self.remove() {
            panic!("{}: cannot be unloaded: {error}", self.name);
        }
        if let Err(error) = self.insert(parameters) {
            panic!(
                "{}: does not load again with {parameters:?}: {error}",
                self.name
            );
        }
    }

    /// Unloads the module and says what it and the kernel have logged since it was loaded.
    pub fn unload(mut self) -> Vec<Record> {
        if let Err(error) = self.remove() {
            panic!("{}: cannot be unloaded: {error}", self.name);
        }
        self.records()
    }

    /// What the kernel has logged since the module was loaded.
    pub fn records(&mut self) -> Vec<Record> {
        self.turn.log().records().to_vec()
    }

    /// Takes what the kernel has complained of for what the test wanted to see: it must be there,
    /// and each complaint must have `text` in it. What comes later is a failure again. Returns the
    /// first.
    #[track_caller]
    pub fn expect_complaint(&mut self, text: &str) -> String {
        self.expect_complaint_beside(text, |_| false)
    }

    /// [`Module::expect_complaint`] of `lkm`, which does not sleep: a debug kernel has been asked
    /// before, and may have said so, too, or that the thread that an interrupt found, or a
    /// condition's caller, is not as one that sleeps has to be.
    #[track_caller]
    pub fn expect_refusal(&mut self, text: &str) -> String {
        let mut is_excused_once = false;
        let said = self.expect_complaint_beside(text, |complaint| {
            let mut lines = complaint.lines();
            let place = lines.next().unwrap_or_default();
            if place.starts_with("BUG: sleeping function called") {
                return place.contains("/lkm/helpers/");
            }
            // Asked for by whom? Rust asks by helpers of lkm's alone, which may be inlined there.
            let what = lines.next().unwrap_or_default();
            let caller = lines.find(|line| line.starts_with(" __might_sleep+"));
            let caller = caller.and_then(|_| lines.next()).unwrap_or_default();
            let is_excused = what.starts_with("do not call blocking ops when !TASK_RUNNING")
                && [" lkm_", " __rust_", " _R"]
                    .iter()
                    .any(|name| caller.starts_with(name));
            is_excused_once |= is_excused;
            is_excused
        });
        if is_excused_once {
            // What the kernel says once is to be said of others, too.
            let again = "/sys/kernel/debug/clear_warn_once";
            fs::write(again, "1").unwrap_or_else(|error| panic!("{again}: {error}"));
        }
        said
    }

    /// [`Module::expect_complaint`], with others that are excused.
    #[track_caller]
    fn expect_complaint_beside(
        &mut self,
        text: &str,
        mut excused: impl FnMut(&str) -> bool,
    ) -> String {
        // Another CPU may be about to say it, beside what is excused.
        holds_in_time(|| {
            let mut records = self.turn.log().records().iter();
            records.any(|record| record.text.contains(text))
        });
        let mut first = None;
        let other = self.turn.log().complaint_but(|complaint| {
            let expected = complaint.contains(text);
            if expected && first.is_none() {
                first = Some(complaint.to_owned());
            }
            expected || excused(complaint)
        });
        match (first, other) {
            (Some(first), None) => first,
            (_, Some(other)) => panic!("{other}\nwhere no more than {text:?} was expected"),
            (None, None) => panic!("the kernel was expected to complain of {text:?}"),
        }
    }

    /// Fails the test at once if the kernel has complained by now, but for complaints that are
    /// `excused`. What was logged until now is not looked at again.
    #[track_caller]
    pub fn check_log(&mut self, excused: impl FnMut(&str) -> bool) {
        if let Some(complaint) = self.turn.log().complaint_but(excused) {
            panic!("{complaint}");
        }
    }

    /// [`Module::expect_complaint`], of lockdep, which is off from then on, until the next boot.
    #[track_caller]
    pub fn expect_lockdep_report(&mut self, text: &str) -> String {
        let report = self.expect_complaint(text);
        lockdep::expect_off();
        report
    }

    /// What the module itself has logged since it was loaded: not the kernel, which speaks in its
    /// name once, for the first module from outside of the tree.
    pub fn lines(&mut self) -> Vec<Record> {
        let prefix = format!("{}: ", self.name);
        let mut records = self.records();
        records.retain(|record| {
            // What the kernel says of a module that is not its own, or has no signature.
            let taint = [" taints kernel.", " - tainting kernel"];
            record.text.starts_with(&prefix)
                && !taint.iter().any(|taint| record.text.ends_with(taint))
        });
        records
    }

    /// A parameter's value, as /sys shows it.
    pub fn parameter(&self, parameter: &str) -> String {
        let path = self.parameter_path(parameter);
        let value =
            fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        value.strip_suffix('\n').unwrap_or(&value).to_owned()
    }

    /// Changes a parameter through /sys.
    pub fn set_parameter(&self, parameter: &str, value: &str) -> Result<(), Errno> {
        errno(fs::write(self.parameter_path(parameter), value))
    }

    /// The file of a parameter in /sys.
    pub fn parameter_path(&self, parameter: &str) -> PathBuf {
        PathBuf::from(format!("/sys/module/{}/parameters/{parameter}", self.name))
    }

    /// How many descriptors and other modules hold this one.
    pub fn references(&self) -> u32 {
        let path = format!("/sys/module/{}/refcnt", self.name);
        let count = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        count
            .trim()
            .parse()
            .unwrap_or_else(|error| panic!("{path}: {error}"))
    }
}

impl Drop for Module {
    fn drop(&mut self) {
        let mut failures = Vec::new();
        if self.loaded {
            let mut last = Ok(());
            // A thread or child of a failed test may be about to let go of the node.
            let unloaded = if thread::panicking() {
                holds_in_time(|| {
                    last = self.remove();
                    last.is_ok()
                })
            } else {
                last = self.remove();
                last.is_ok()
            };
            if !unloaded {
                failures.push(format!("{}: cannot be unloaded: {last:?}", self.name));
            }
        }
        // Without one the log goes on as it is: nothing is missed until the next turn.
        if let Some(complaint) = self.turn.log().complaint() {
            self.turn.forget_log();
            failures.push(complaint);
        }
        failures.extend(lockdep::complaint());
        if failures.is_empty() {
            return;
        }
        let failures = failures.join("\n");
        if thread::panicking() {
            eprintln!("{failures}");
        } else {
            panic!("{failures}");
        }
    }
}
