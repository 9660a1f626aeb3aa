//! `lab sweep` and `lab suites` by GNU parallel and by Slurm, whose daemons are started for it on this
//! machine, and are of the same user.

mod test_programs;

use nix::sys::signal::{kill, Signal};
use nix::unistd::Pid;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use test_programs::Suites;

/// A Slurm with one node.
struct Cluster {
    dir: tempfile::TempDir,
    daemons: Vec<Child>,
}

impl Cluster {
    fn new() -> Cluster {
        let mut cluster = Cluster {
            dir: tempfile::tempdir().unwrap(),
            daemons: Vec::new(),
        };
        let file = |name: &str| cluster.dir.path().join(name);
        let mut key = vec![0; 64];
        nix::unistd::read(
            std::os::unix::io::AsRawFd::as_raw_fd(&fs::File::open("/dev/urandom").unwrap()),
            &mut key,
        )
        .unwrap();
        fs::write(file("key"), key).unwrap();
        let key = fs::File::open(file("key")).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        key.set_permissions(mode).unwrap();
        // Others are to reach munge's socket.
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(cluster.dir.path(), mode).unwrap();
        fs::create_dir(file("state")).unwrap();
        fs::create_dir(file("spool")).unwrap();

        let output = |program: &str, word: &str| {
            let output = Command::new(program).arg(word).output().unwrap();
            String::from_utf8(output.stdout).unwrap().trim().to_owned()
        };
        let [controller, daemon] = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let [controller, daemon] = [controller, daemon].map(|l| l.local_addr().unwrap().port());
        let (host, user) = (output("hostname", "-s"), output("id", "-un"));
        let (dir, cpus) = (cluster.dir.path().display(), output("nproc", "--all"));
        let text = format!(
            "ClusterName=lab\n\
             SlurmctldHost={host}(127.0.0.1)\n\
             SlurmUser={user}\n\
             SlurmdUser={user}\n\
             PluginDir=/usr/lib/x86_64-linux-gnu/slurm-wlm\n\
             AuthType=auth/munge\n\
             CredType=cred/munge\n\
             AuthInfo=socket={dir}/munge.sock\n\
             CommunicationParameters=NoInAddrAny,NoCtldInAddrAny\n\
             SlurmctldPort={controller}\n\
             SlurmdPort={daemon}\n\
             StateSaveLocation={dir}/state\n\
             SlurmdSpoolDir={dir}/spool\n\
             SlurmctldPidFile={dir}/slurmctld.pid\n\
             SlurmdPidFile={dir}/slurmd.pid\n\
             ProctrackType=proctrack/linuxproc\n\
             TaskPlugin=task/none\n\
             SelectType=select/cons_tres\n\
             SelectTypeParameters=CR_Core\n\
             JobAcctGatherType=jobacct_gather/none\n\
             AccountingStorageType=accounting_storage/none\n\
             JobCompType=jobcomp/none\n\
             MpiDefault=none\n\
             SchedulerParameters=sched_interval=1\n\
             NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} State=UNKNOWN\n\
             PartitionName=lab Nodes=ALL Default=YES State=UP\n"
        );
        fs::write(file("slurm.conf"), text).unwrap();

        let [key, socket, pid] = ["key", "munge.sock", "munge.pid"].map(file);
        let [log, seed] = ["munge.log", "munge.seed"].map(file);
        let mut munged = cluster.program("munged");
        munged
            .args(["--foreground", "--force", "--key-file"])
            .arg(key);
        munged
            .arg("--socket")
            .arg(&socket)
            .arg("--pid-file")
            .arg(pid);
        munged
            .arg("--log-file")
            .arg(log)
            .arg("--seed-file")
            .arg(seed);
        cluster.start(munged);
        eventually("munged has no socket", || socket.exists());
        for daemon in ["slurmctld", "slurmd"] {
            let mut daemon = cluster.program(daemon);
            daemon.arg("-D");
            cluster.start(daemon);
        }
        eventually("the node is not idle", || {
            cluster.says("sinfo", &["--noheader", "--format=%t"]) == "idle\n"
        });
        cluster
    }

    /// One that knows this cluster.
    fn program(&self, name: &str) -> Command {
        let mut program = Command::new(name);
        program.env("SLURM_CONF", self.dir.path().join("slurm.conf"));
        program.env(
            "PATH",
            format!("{}:/usr/sbin", std::env::var("PATH").unwrap()),
        );
        program.stdin(Stdio::null());
        program
    }

    fn start(&mut self, mut daemon: Command) {
        let log = fs::File::create(self.dir.path().join("log")).unwrap();
        daemon.stdout(log.try_clone().unwrap()).stderr(log);
        self.daemons.push(daemon.spawn().unwrap());
    }

    fn says(&self, program: &str, args: &[&str]) -> String {
        let output = self.program(program).args(args).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    }

    fn jobs(&self) -> String {
        self.says("squeue", &["--noheader", "--format=%t"])
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // What a test that failed has left.
        let deadline = Instant::now() + Duration::from_secs(10);
        let _ = self.program("scancel").arg("--partition=lab").status();
        while !self.jobs().is_empty() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(50));
        }
        // The node before its controller, and that before who vouches for both.
        for mut daemon in self.daemons.drain(..).rev() {
            let _ = kill(Pid::from_raw(daemon.id() as i32), Signal::SIGTERM);
            let _ = daemon.wait();
        }
    }
}

/// Waits until it is so.
#[track_caller]
fn eventually(what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn sweep(lab: &mut Command, engine: &str, place: &Path, script: &str) {
    lab.args([
        "sweep", "--engine", engine, "--cpus", "1,2", "--format", "csv", "--output",
    ]);
    lab.arg(place).args(["--", "sh", "-c", script]);
    lab.env("RLKM_ARCH", "arm64");
}

/// Whether it does what the lab does by itself, a run that fails included.
#[track_caller]
fn collects_the_table(mut lab: Command, engine: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let script = "echo cpus=$(nproc); echo err >&2; [ $(nproc) = 2 ]";
    sweep(&mut lab, engine, dir.path(), script);
    let output = lab.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    let csv = String::from_utf8(output.stdout).unwrap();
    let rows: Vec<Vec<&str>> = csv.lines().map(|line| line.split(',').collect()).collect();
    let without_time = |row: &[&str]| [&row[..3], &row[4..]].concat().join(" ");
    let rows: Vec<String> = rows.iter().map(|row| without_time(row)).collect();
    assert_eq!(
        rows,
        ["kernel CPUs status cpus", "plain 1 1 1", "plain 2 0 2"],
        "{said}"
    );
    let err = fs::read_to_string(dir.path().join("runs/plain-1/stderr")).unwrap();
    assert_eq!(err, "err\n");
    dir
}

fn lab() -> PathBuf {
    env!("CARGO_BIN_EXE_lab").into()
}

#[test]
fn parallel_runs_a_sweep_and_suites() {
    let dir = collects_the_table(Command::new(lab()), "parallel");
    let log = fs::read_to_string(dir.path().join("parallel.log")).unwrap();
    assert_eq!(log.lines().count(), 3, "{log}");
    let output = Suites::new().run(&["--cpus", "2", "--engine", "parallel"]);
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn slurm_runs_a_sweep_and_suites_and_ends_them() {
    let cluster = Cluster::new();
    collects_the_table(cluster.program(lab().to_str().unwrap()), "slurm");

    let suites = Suites::new();
    let conf = cluster.dir.path().join("slurm.conf");
    let output = suites.run_with(
        &["--cpus", "2", "--engine", "slurm"],
        &[("SLURM_CONF", &conf)],
    );
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(cluster.jobs(), "");

    let dir = tempfile::tempdir().unwrap();
    let mut lab = cluster.program(lab().to_str().unwrap());
    sweep(&mut lab, "slurm", dir.path(), "sleep 1000");
    let mut lab = lab
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    eventually("Slurm runs nothing", || cluster.jobs().contains('R'));
    kill(Pid::from_raw(lab.id() as i32), Signal::SIGTERM).unwrap();
    assert!(!lab.wait().unwrap().success());
    eventually("Slurm's jobs go on", || cluster.jobs().is_empty());
}

#[test]
fn without_a_controller_slurm_takes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let conf = dir.path().join("slurm.conf");
    fs::write(&conf, "ClusterName=none\n").unwrap();
    let mut lab = Command::new(lab());
    lab.env("SLURM_CONF", conf);
    sweep(&mut lab, "slurm", &dir.path().join("sweep"), "true");
    let output = lab.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(120), "{said}");
    assert!(said.contains("sbatch did not take the runs"), "{said}");
}
