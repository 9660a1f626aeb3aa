//! The kernel's own menu of options, and what of a choice there differs from what a tree has.

use super::build::HOST_TOOLS;
use super::fragment;
use super::tree::Plan;
use super::SETUP;
use crate::cache::{self, find_program, Lock};
use crate::guest::qemu;
use crate::steps::Steps;
use anyhow::{bail, Context, Result};
use cli::Waiter;
use console::Term;
use nix::sys::signal::Signal;
use std::fs;
use std::process::{Command, Stdio};

/// The least that the menu runs in: lines and columns.
const LEAST: (u16, u16) = (19, 80);

impl Plan {
    /// Opens the menu with this plan's options and those of `own`, a fragment. What the user has saved
    /// is given as a fragment to be put behind this plan's; nothing, if he has changed nothing.
    pub fn choose(&self, own: &str) -> Result<Option<String>> {
        self.need_menu()?;
        let folder = cache::dir()?.join("menu");
        let name = format!("menu-{}", self.name);
        let _lock = Lock::take(&name, &format!("the menu of the {} kernel", self.name))?;
        let steps = Steps::new(cache::dir()?.join("log").join(format!("{name}.log")))?;
        self.unpack(&steps, true)?;
        let dir = folder.join(&self.name);
        cache::start_over(&dir)?;
        let base = self.configure(&steps, &dir, &self.wishes)?;
        let opened = match own.is_empty() {
            true => base.clone(),
            false => {
                let wishes = fragment::merge(&[self.wishes.clone(), own.to_owned()]);
                self.configure(&steps, &dir, &wishes)?
            }
        };
        steps.run("building the menu", self.make(&dir).arg("build_menuconfig"))?;

        let mut menu = self.make(&dir);
        menu.args(["-s", "menuconfig"]);
        qemu::end_with_lab(&mut menu, Signal::SIGTERM);
        // At Ctrl-C the menu asks whether to save, and has the terminal until it is told.
        let waiter = Waiter::of(&[Signal::SIGINT])?;
        let status = menu.status().context("cannot run make")?;
        let path = dir.join(".config");
        let saved =
            fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        fs::remove_dir_all(&dir).with_context(|| format!("cannot remove {}", dir.display()))?;
        if saved == opened {
            waiter.unblock()?;
            if !status.success() {
                bail!("the menu ended with {status}, and has saved nothing");
            }
            return Ok(None);
        }
        Ok(Some(fragment::difference(&base, &saved)))
    }

    /// What the menu takes that a build does not, and what both take.
    fn need_menu(&self) -> Result<()> {
        let (terminal, out) = (console::user_attended(), Term::stdout());
        let is_terminal = nix::unistd::isatty(0).unwrap_or(false);
        if !terminal || !is_terminal {
            bail!("--menuconfig needs a terminal on stdin and stdout; for scripts there is --set");
        }
        if let Some((lines, columns)) = out.size_checked() {
            // 0: it does not know.
            if lines * columns != 0 && (lines < LEAST.0 || columns < LEAST.1) {
                bail!(
                    "the menu needs {} lines of {} columns, and this terminal has {lines} of {columns}; make it larger",
                    LEAST.0,
                    LEAST.1
                );
            }
        }
        for tool in HOST_TOOLS {
            find_program(tool).with_context(|| format!("no {tool} on PATH; {SETUP}"))?;
        }
        // As the kernel's scripts/kconfig/mconf-cfg.sh looks for it.
        let runs = |command: &mut Command| {
            let quiet = command.stdin(Stdio::null()).stdout(Stdio::null());
            matches!(quiet.stderr(Stdio::null()).status(), Ok(status) if status.success())
        };
        let has = |header: &str| {
            let mut clang = Command::new(&self.tools.clang);
            runs(clang.args(["-E", "-x", "c", "-include", header, "/dev/null"]))
        };
        let packaged = |name: &str| runs(Command::new("pkg-config").args(["--exists", name]));
        let there = ["ncursesw", "ncurses"].into_iter().any(packaged)
            || ["ncurses.h", "ncursesw/ncurses.h", "ncurses/ncurses.h"]
                .into_iter()
                .any(has);
        if !there {
            bail!("no ncurses.h, which the menu is built with (package libncurses-dev); {SETUP}");
        }
        Ok(())
    }
}
