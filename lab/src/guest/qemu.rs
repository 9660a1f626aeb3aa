//! QEMU's command line, and how QEMU is kept from outliving the lab.

use crate::kernels::arch::Arch;
use nix::sys::signal::Signal;
use std::ffi::{OsStr, OsString};
use std::os::unix::io::{AsRawFd, RawFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The machine that a guest gets.
pub struct Machine<'a> {
    pub arch: &'static Arch,
    pub kvm: bool,
    /// A nanosecond of the guest's time is one instruction, and idle time passes at once.
    pub icount: bool,
    pub cpus: u32,
    pub memory: String,
    pub kernel: &'a Path,
    pub initramfs: PathBuf,
    /// Added to the kernel's command line.
    pub append: String,
    pub console_log: PathBuf,
    pub console: Console<'a>,
    /// Where QEMU's monitor is.
    pub qmp: Option<Qmp<'a>>,
    /// It waits at this socket for a debugger, which then has it begin.
    pub gdb: Option<PathBuf>,
    /// This inherited file is the state in which the guest is from the beginning: that of another
    /// such machine.
    pub state: Option<RawFd>,
}

/// A socket for the monitor.
#[derive(Clone, Copy)]
pub enum Qmp<'a> {
    /// Which somebody else listens at.
    Path(&'a Path),
    /// An inherited one.
    Fd(RawFd),
}

/// Who gets the guest's console.
pub enum Console<'a> {
    /// The log, and whoever connects where this inherited socket listens, if there is one; these carry
    /// the ports, in their order.
    Ports(&'a [(&'a str, RawFd)], Option<RawFd>),
    /// The terminal, and the log as well.
    Terminal,
}

/// The most bytes that a kernel takes of its command line; what is longer, it cuts off.
pub const LONGEST_LINE: usize = 2047;

/// The most bytes of a socket's path: sun_path, and a NUL is behind it.
pub const LONGEST_SOCKET: usize = 107;

impl Machine<'_> {
    /// The kernel's command line.
    pub fn kernel_line(&self) -> String {
        // panic=-1 reboots at once, which -no-reboot turns into the end of QEMU.
        let line = format!(
            "console={} panic=-1 oops=panic random.trust_cpu=on {}",
            self.arch.console,
            self.append.trim()
        );
        line.trim_end().to_owned()
    }

    /// The whole command line, the program first.
    pub fn command_line(&self) -> Vec<OsString> {
        let arch = self.arch;
        let mut line: Vec<OsString> = vec![arch.qemu.into()];
        let mut add = |words: &[&OsStr]| line.extend(words.iter().map(|&word| word.to_owned()));
        let os = OsStr::new;
        let (accel, cpu) = if self.kvm {
            ("kvm", "host")
        } else {
            ("tcg", arch.cpu)
        };
        add(&[
            os("-machine"),
            os(arch.machine),
            os("-accel"),
            os(accel),
            os("-cpu"),
            os(cpu),
        ]);
        if self.icount {
            add(&[os("-icount"), os("shift=0,sleep=off")]);
        }
        add(&[
            os("-smp"),
            os(&self.cpus.to_string()),
            os("-m"),
            os(&self.memory),
        ]);
        add(&[
            "-nodefaults",
            "-no-user-config",
            "-display",
            "none",
            "-no-reboot",
        ]
        .map(os));
        add(&[
            os("-kernel"),
            self.kernel.as_os_str(),
            os("-initrd"),
            self.initramfs.as_os_str(),
        ]);
        add(&[os("-append"), os(&self.kernel_line())]);

        let mut chardev = OsString::from(match self.console {
            // append=on: what the guest said before it came into its state is there already.
            Console::Ports(_, None) => "file,id=console,append=on,path=".to_owned(),
            Console::Ports(_, Some(fd)) => {
                format!("socket,id=console,fd={fd},server=on,wait=off,logappend=on,logfile=")
            }
            // signal=off: Ctrl-C is the guest's. mux=on: Ctrl-A x ends QEMU.
            Console::Terminal => "stdio,id=console,signal=off,mux=on,logfile=".to_owned(),
        });
        chardev.push(double_commas(&self.console_log));
        add(&[
            os("-chardev"),
            &chardev,
            os("-serial"),
            os("chardev:console"),
        ]);
        match self.console {
            Console::Terminal => add(&["-mon", "chardev=console"].map(os)),
            Console::Ports(ports, _) => {
                add(&[os("-device"), os(arch.virtio_serial)]);
                for (i, (name, fd)) in ports.iter().enumerate() {
                    let chardev = format!("socket,id={name},fd={fd}");
                    let device =
                        format!("virtserialport,chardev={name},name=lab.{name},nr={}", i + 1);
                    add(&[os("-chardev"), os(&chardev), os("-device"), os(&device)]);
                }
            }
        }
        if let Some(socket) = self.qmp {
            let mut chardev = OsString::from("socket,id=qmp,");
            match socket {
                Qmp::Path(path) => {
                    chardev.push("path=");
                    chardev.push(double_commas(path));
                }
                Qmp::Fd(fd) => chardev.push(format!("fd={fd}")),
            }
            add(&[os("-chardev"), &chardev]);
            add(&["-mon", "chardev=qmp,mode=control"].map(os));
        }
        if let Some(socket) = &self.gdb {
            let mut chardev = OsString::from("socket,id=gdb,server=on,wait=off,path=");
            chardev.push(double_commas(socket));
            add(&[os("-chardev"), &chardev]);
            add(&["-gdb", "chardev:gdb", "-S"].map(os));
        }
        if let Some(fd) = self.state {
            add(&[os("-incoming"), os(&format!("fd:{fd}"))]);
        }
        line
    }
}

/// Does something with a file of a folder by a path that is short enough for a socket.
pub fn in_folder<T>(
    folder: &Path,
    name: &str,
    work: impl FnOnce(&Path) -> std::io::Result<T>,
) -> std::io::Result<T> {
    let folder = std::fs::File::open(folder)?;
    work(&PathBuf::from(format!(
        "/proc/self/fd/{}/{name}",
        folder.as_raw_fd()
    )))
}

/// A path inside one of QEMU's comma-separated options.
fn double_commas(path: &Path) -> OsString {
    use std::os::unix::ffi::{OsStrExt, OsStringExt};
    let mut doubled = Vec::new();
    for &byte in path.as_os_str().as_bytes() {
        doubled.push(byte);
        if byte == b',' {
            doubled.push(byte);
        }
    }
    OsString::from_vec(doubled)
}

/// Has the kernel send `signal` to the command's process when the lab's main thread ends, however
/// it ends. To be spawned from the main thread.
pub fn end_with_lab(command: &mut Command, signal: Signal) {
    let lab = nix::unistd::getpid();
    // SAFETY: between fork and exec the closure makes system calls only and allocates nothing.
    unsafe {
        command.pre_exec(move || {
            if nix::libc::prctl(nix::libc::PR_SET_PDEATHSIG, signal as nix::libc::c_ulong) != 0 {
                return Err(std::io::Error::last_os_error());
            }
            // The lab may have ended before the line above.
            if nix::unistd::getppid() != lab {
                return Err(std::io::Error::from_raw_os_error(nix::libc::ESRCH));
            }
            Ok(())
        });
    }
}

/// Has a signal of the terminal, as Ctrl-C's, not reach the command.
pub fn keep_from_terminal(command: &mut Command) {
    // SAFETY: between fork and exec the closure makes one system call and allocates nothing.
    unsafe {
        command.pre_exec(|| {
            let this = nix::unistd::Pid::from_raw(0);
            Ok(nix::unistd::setpgid(this, this)?)
        });
    }
}

/// Lets the command inherit these descriptors, which close on exec otherwise.
pub fn inherit(command: &mut Command, fds: Vec<RawFd>) {
    // SAFETY: between fork and exec the closure makes system calls only and allocates nothing.
    unsafe {
        command.pre_exec(move || {
            for &fd in &fds {
                nix::fcntl::fcntl(
                    fd,
                    nix::fcntl::FcntlArg::F_SETFD(nix::fcntl::FdFlag::empty()),
                )?;
            }
            Ok(())
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::arch::ARCHES;

    fn line(console: Console, kvm: bool) -> Vec<String> {
        let machine = Machine {
            arch: &ARCHES[0],
            kvm,
            icount: !kvm,
            cpus: 4,
            memory: "64M".into(),
            kernel: Path::new("/k"),
            initramfs: "/i".into(),
            append: "quiet".into(),
            console_log: "/a,b/log".into(),
            console,
            qmp: Some(Qmp::Path(Path::new("/c,d/qmp"))),
            gdb: Some("/e,f/gdb".into()),
            state: None,
        };
        machine
            .command_line()
            .into_iter()
            .map(|word| word.into_string().unwrap())
            .collect()
    }

    fn after<'a>(line: &'a [String], option: &str) -> Vec<&'a str> {
        line.windows(2)
            .filter(|pair| pair[0] == option)
            .map(|pair| pair[1].as_str())
            .collect()
    }

    #[test]
    fn the_options_reach_qemu() {
        let line = line(
            Console::Ports(&[("stdin", 7), ("status", 9)], Some(8)),
            false,
        );
        assert_eq!(line[0], "qemu-system-aarch64");
        assert_eq!(after(&line, "-smp"), ["4"]);
        assert_eq!(after(&line, "-m"), ["64M"]);
        assert_eq!(after(&line, "-accel"), ["tcg"]);
        assert_eq!(after(&line, "-icount"), ["shift=0,sleep=off"]);
        assert!(after(&line, "-append")[0].starts_with("console=ttyAMA0 panic=-1 oops=panic"));
        assert!(after(&line, "-append")[0].ends_with(" quiet"));
        assert_eq!(
            after(&line, "-chardev"),
            [
                "socket,id=console,fd=8,server=on,wait=off,logappend=on,logfile=/a,,b/log",
                "socket,id=stdin,fd=7",
                "socket,id=status,fd=9",
                "socket,id=qmp,path=/c,,d/qmp",
                "socket,id=gdb,server=on,wait=off,path=/e,,f/gdb"
            ]
        );
        assert!(line.contains(&"virtserialport,chardev=status,name=lab.status,nr=2".to_owned()));
    }

    #[test]
    fn a_shell_has_the_terminal_and_no_ports() {
        let line = line(Console::Terminal, true);
        assert!(after(&line, "-chardev")[0].starts_with("stdio,"));
        assert!(after(&line, "-device").is_empty());
        assert_eq!(after(&line, "-cpu"), ["host"]);
        assert!(after(&line, "-icount").is_empty());
    }
}
