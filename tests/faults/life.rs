//! Loading and unloading, whichever module it is.

use std::fs;
use std::path::Path;

use nix::errno::Errno::{self, EFAULT, EINVAL, ENOMEM};
use tests::{ExpeditedGracePeriods, Module};

use crate::calls::EITHER;
use crate::injection::Task;
use crate::table::Column;
use crate::trial::Trials;

/// A module that is loaded with these parameters.
pub struct Subject {
    pub name: &'static str,
    pub parameters: &'static [&'static str],
    /// Those with which init refuses to go on, at once, if there are any. The loader's way to there is
    /// the same for all modules; with these it need not be gone for this one.
    pub refused: Option<&'static [&'static str]>,
    /// Its node, if it has one.
    pub node: Option<&'static str>,
    /// Fails unless the module, just loaded, is whole.
    pub works: fn(&mut Module),
}

impl Subject {
    #[track_caller]
    pub fn load(&self) -> Module {
        Module::load(self.name, self.parameters)
            .unwrap_or_else(|error| panic!("{}: {error}", self.name))
    }

    /// Has insmod and rmmod fail.
    pub fn comes_and_goes(&self, trials: &mut Trials) {
        let _quick = ExpeditedGracePeriods::new();
        let mut module = self.load();
        let this_thread = Task::this_thread();
        match self.refused {
            Some(refused) => {
                let first = self.first_point_of_init(refused, &mut module);
                self.insmod(first, &this_thread, &[ENOMEM], trials, &mut module);
            }
            None => self.insmod(1, &this_thread, EITHER, trials, &mut module),
        }
        trials.each(Column::Rmmod, |fault| {
            module.watch(String::new);
            if fault.hits(&[EFAULT], || module.remove()).is_err() {
                (self.works)(&mut module);
                module.remove().expect("no fault any more");
            }
            self.assert_gone();
            self.check_log(&mut module);
            self.insert(&mut module);
        });
    }

    /// About where init begins, but not behind that.
    fn first_point_of_init(&self, refused: &[&str], module: &mut Module) -> u32 {
        // Whether a slab has room is up to chance.
        const SLABS: u32 = 10;
        let refused = module.prepare(refused);
        module.remove().expect("nobody uses it");
        let mut inserted = Ok(());
        let points = Task::this_thread().points_of(|| inserted = module.insert_prepared(&refused));
        assert_eq!(inserted, Err(EINVAL));
        self.insert(module);
        points.saturating_sub(SLABS).max(1)
    }

    /// Has insmod fail, with `errors`, for the fault points of a task that works for it, from the first
    /// one given.
    pub fn insmod(
        &self,
        first: u32,
        task: &Task,
        errors: &[Errno],
        trials: &mut Trials,
        module: &mut Module,
    ) {
        let insertion = module.prepare(self.parameters);
        module.remove().expect("nobody uses it");
        trials.each_from(first, task, Column::Insmod, |fault| {
            module.watch(String::new);
            if fault
                .hits(errors, || module.insert_prepared(&insertion))
                .is_err()
            {
                self.assert_gone();
                self.insert(module);
            }
            (self.works)(module);
            module.remove().expect("nobody uses it");
            self.check_log(module);
        });
        self.insert(module);
    }

    #[track_caller]
    fn insert(&self, module: &mut Module) {
        let inserted = module.insert(self.parameters);
        assert_eq!(inserted, Ok(()), "{} does not load again", self.name);
    }

    /// Fails if anything is left of the module.
    #[track_caller]
    fn assert_gone(&self) {
        let name = self.name;
        let mut left = vec![
            format!("/sys/module/{name}"),
            format!("/sys/class/misc/{name}"),
        ];
        left.extend(self.node.map(str::to_owned));
        left.retain(|path| Path::new(path).exists());
        assert!(left.is_empty(), "left behind: {left:?}");
        let states = fs::read_to_string("/sys/devices/system/cpu/hotplug/states").unwrap();
        assert!(!states.contains(name), "left behind: {states}");
    }

    /// Fails if the kernel has complained. It may of its own: memory that the loader of modules or a
    /// new thread wanted from vmalloc, with a stack dump.
    #[track_caller]
    fn check_log(&self, module: &mut Module) {
        let code = format!("[{}]", self.name);
        module.check_log(|complaint| {
            let mut stack = complaint.lines().take(10);
            stack.any(|line| line.trim_start().starts_with("warn_alloc+"))
                && !complaint.contains(&code)
        });
    }
}
