//! What ran, instruction by instruction, and in which functions.

use super::size;
use anyhow::{bail, ensure, Context, Result};
use object::{Object, ObjectSection, ObjectSymbol, SymbolKind};
use std::collections::BTreeMap;
use std::io::BufRead;
use std::ops::Range;
use std::path::Path;

/// Where exceptions begin, from the kernel's `vectors`: those of userland, system calls among them,
/// and interrupts of the kernel.
const EL0_SYNC: u64 = 0x400;
const EL1_IRQ: u64 = 0x280;

/// What the guest's program calls before its work and after it.
const MARK: &str = "__arm64_sys_getppid";

/// How lines of the log begin that say that the instruction before did not happen, and comes once
/// more: something is due first, or it is one that is for a device.
const UNDONE: [&str; 2] = ["Stopped execution ", "cpu_io_recompile: rewound "];

/// The addresses in QEMU's log, where each instruction is a line.
pub fn addresses(mut log: impl BufRead) -> Result<Vec<u64>> {
    let mut addresses = Vec::new();
    let mut line = String::new();
    while log.read_line(&mut line)? > 0 {
        // Trace CPU: WHERE [BASE/ADDRESS/FLAGS/FLAGS] SYMBOL
        let address = line.find('/').and_then(|at| line.get(at + 1..at + 17));
        let address = address.and_then(|address| u64::from_str_radix(address, 16).ok());
        match address {
            Some(address) if line.starts_with("Trace ") => addresses.push(address),
            _ if UNDONE.iter().any(|undone| line.starts_with(undone)) => {
                addresses.pop();
            }
            _ => bail!("QEMU logs what is no instruction: {}", line.trim_end()),
        }
        line.clear();
    }
    Ok(addresses)
}

fn demangle(name: &str) -> String {
    format!("{:#}", rustc_demangle::demangle(name))
}

fn is_kernel(address: u64) -> bool {
    address >> 63 == 1
}

/// Some code, and what is in it.
pub struct Code {
    ranges: Vec<Range<u64>>,
    /// Each reaches to the next.
    functions: BTreeMap<u64, String>,
}

impl Code {
    /// A module's, whose sections the guest has put there.
    pub fn module(path: &Path, sections: &BTreeMap<String, u64>) -> Result<Code> {
        let module = path.file_stem().unwrap_or_default().to_string_lossy();
        let bytes = size::read(path)?;
        let file = size::parse(&bytes, path)?;
        let (mut ranges, mut functions) = (Vec::new(), BTreeMap::new());
        for section in file.sections().filter(size::is_code) {
            let name = section.name()?;
            let start = sections.get(name);
            let start = *start.with_context(|| format!("the guest's {module} has no {name}"))?;
            ranges.push(start..start + section.size());
            functions.insert(start, format!("{name} [{module}]"));
            let index = Some(section.index());
            for symbol in file.symbols().filter(|it| it.section_index() == index) {
                if symbol.kind() == SymbolKind::Text {
                    let name = format!("{} [{module}]", demangle(symbol.name()?));
                    functions.insert(start + symbol.address(), name);
                }
            }
        }
        Ok(Code { ranges, functions })
    }

    fn has(&self, address: u64) -> bool {
        self.ranges.iter().any(|range| range.contains(&address))
    }

    fn function(&self, address: u64) -> Option<&str> {
        let (_, name) = self.functions.range(..=address).next_back()?;
        self.has(address).then(|| name.as_str())
    }
}

/// The kernel, as its System.map has it.
pub struct Kernel {
    code: Code,
    addresses: BTreeMap<String, u64>,
}

impl Kernel {
    pub fn parse(map: &str) -> Result<Kernel> {
        let mut addresses = BTreeMap::new();
        let mut functions: BTreeMap<u64, String> = BTreeMap::new();
        for line in map.lines() {
            let words: Vec<&str> = line.split(' ').collect();
            if let [address, "t" | "T" | "w" | "W", name] = words[..] {
                let address = u64::from_str_radix(address, 16)?;
                let name = demangle(name);
                // Of several names, the one that is least internal.
                let internal = |name: &str| name.len() - name.trim_start_matches('_').len();
                let first = functions.entry(address).or_insert_with(|| name.clone());
                if internal(&name) < internal(first) {
                    *first = name.clone();
                }
                addresses.insert(name, address);
            }
        }
        let mut kernel = Kernel {
            code: Code {
                ranges: Vec::new(),
                functions,
            },
            addresses,
        };
        kernel.code.ranges = vec![kernel.address("_stext")?..kernel.address("_etext")?];
        Ok(kernel)
    }

    fn address(&self, name: &str) -> Result<u64> {
        let address = self.addresses.get(name);
        Ok(*address.with_context(|| format!("this kernel has no {name}"))?)
    }

    fn between_marks<'a>(&self, trace: &'a [u64]) -> Result<&'a [u64]> {
        let mark = self.address(MARK)?;
        let marks: Vec<usize> = (0..trace.len()).filter(|&i| trace[i] == mark).collect();
        match marks[..] {
            [begin, end] => Ok(&trace[begin..end]),
            _ => bail!(
                "{} calls of getppid(2) around the work, not two",
                marks.len()
            ),
        }
    }

    /// The system calls that come through this function and into the module, each from the
    /// exception on, and none that an interrupt came into.
    fn calls<'a>(&self, through: &str, module: &Code, trace: &'a [u64]) -> Result<Vec<&'a [u64]>> {
        let vectors = self.address("vectors")?;
        let through = self.address(through)?;
        Ok(trace
            .split(|&address| !is_kernel(address))
            .filter(|call| call.first() == Some(&(vectors + EL0_SYNC)))
            .filter(|call| call.contains(&through) && call.iter().any(|&at| module.has(at)))
            .filter(|call| !call.contains(&(vectors + EL1_IRQ)))
            .collect())
    }
}

/// What is counted of a trace.
#[derive(Clone, Copy)]
pub enum What {
    /// The system calls through this function.
    Calls(&'static str),
    /// All that the kernel does, which is for as many calls, bytes, or whatever it is.
    All(u64),
}

/// The instructions of each function, in all calls together.
pub struct Counts {
    pub calls: u64,
    pub functions: BTreeMap<String, u64>,
}

impl Counts {
    pub fn of(trace: &[u64], what: What, kernel: &Kernel, module: &Code) -> Result<Counts> {
        let trace = kernel.between_marks(trace)?;
        let (calls, stretches) = match what {
            What::All(calls) => (calls, vec![trace]),
            What::Calls(through) => {
                let calls = kernel.calls(through, module, trace)?;
                (calls.len() as u64, calls)
            }
        };
        ensure!(calls > 0, "not one call that no interrupt came into");
        let mut addresses: BTreeMap<u64, u64> = BTreeMap::new();
        for &address in stretches.into_iter().flatten() {
            *addresses.entry(address).or_default() += 1;
        }
        let mut functions: BTreeMap<String, u64> = BTreeMap::new();
        for (address, count) in addresses.into_iter().filter(|&(it, _)| is_kernel(it)) {
            let name = module.function(address);
            let name = name.or_else(|| kernel.code.function(address));
            let name = name.unwrap_or("(no function)").to_owned();
            *functions.entry(name).or_default() += count;
        }
        Ok(Counts { calls, functions })
    }

    /// Of each call, in this function.
    pub fn each(&self, function: &str) -> f64 {
        self.functions.get(function).map_or(0, |&count| count) as f64 / self.calls as f64
    }

    /// Of each call, in all functions.
    pub fn all(&self) -> f64 {
        self.functions.values().sum::<u64>() as f64 / self.calls as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const USER: u64 = 0x40_0000;
    const VECTORS: u64 = 0xffff_0000_0000_1000;
    const READ: u64 = VECTORS + 0x800;
    const GETPPID: u64 = VECTORS + 0x900;
    const OURS: u64 = 0xfffe_0000_0000_0000;

    fn kernel() -> Kernel {
        Kernel::parse(&format!(
            "{VECTORS:x} T _stext\n{VECTORS:x} T vectors\n{READ:x} T __vfs_read\n\
             {READ:x} T vfs_read\n{GETPPID:x} T __arm64_sys_getppid\n{:x} D jiffies\n\
             {:x} T _etext\n",
            GETPPID + 8,
            GETPPID + 0x100
        ))
        .unwrap()
    }

    fn module() -> Code {
        Code {
            ranges: vec![OURS..OURS + 0x20],
            functions: [(OURS, "read [ours]".to_owned())].into(),
        }
    }

    fn count(trace: &[u64], what: What) -> Result<Counts> {
        Counts::of(trace, what, &kernel(), &module())
    }

    fn marked(work: &[u64]) -> Vec<u64> {
        let entry = VECTORS + EL0_SYNC;
        let mark = [USER, entry, GETPPID, GETPPID + 4, USER];
        [&mark, work, &mark].concat()
    }

    #[test]
    fn each_line_of_the_log_is_an_address_unless_it_did_not_happen() {
        let log = "Trace 0: 0x7f3c [00000000/ffffffc008011c00/00000051/ff000201] \n\
                   Trace 0: 0x7f3d [00000000/0000000000400004/00000051/ff000201] main\n\
                   Stopped execution of TB chain before 0x7f3d [0000000000400004] main\n\
                   Trace 0: 0x7f3e [00000000/ffffffc008011c04/00000051/ff000201] \n\
                   cpu_io_recompile: rewound execution of TB to ffffffc008011c04\n\
                   Trace 0: 0x7f3f [00000000/ffffffc008011c04/00000051/ff000201] \n";
        let addresses = |log: &str| super::addresses(log.as_bytes());
        let expected = [0xffff_ffc0_0801_1c00, 0xffff_ffc0_0801_1c04];
        assert_eq!(addresses(log).unwrap(), expected);
        let error = addresses("Linking TBs\n").unwrap_err().to_string();
        assert!(error.contains("Linking"), "{error}");
    }

    #[test]
    fn only_undisturbed_calls_into_the_module_count() {
        let (entry, irq) = (VECTORS + EL0_SYNC, VECTORS + EL1_IRQ);
        let call = [entry, READ, OURS, OURS + 4, READ + 4, USER, USER];
        let elsewhere = [entry, READ, READ + 4, USER];
        let other_call = [entry, OURS, USER];
        let interrupted = [entry, READ, OURS, irq, OURS + 4, READ + 4, USER];
        let interrupt_before = [VECTORS + 0x480, READ, OURS, USER];
        let parts = [
            &call[..],
            &elsewhere,
            &other_call,
            &interrupted,
            &interrupt_before,
            &call,
        ];
        let counts = count(&marked(&parts.concat()), What::Calls("vfs_read")).unwrap();
        assert_eq!(counts.calls, 2);
        assert_eq!(counts.all(), 5.0);
        assert_eq!(counts.each("read [ours]"), 2.0);
        assert_eq!(counts.each("vfs_read"), 2.0);
        assert_eq!(counts.each("vectors"), 1.0);
        assert_eq!(counts.each("__vfs_read"), 0.0);
        let none = count(&marked(&interrupted), What::Calls("vfs_read"));
        assert!(none.err().unwrap().to_string().contains("interrupt"));
    }

    #[test]
    fn all_is_what_the_kernel_does_between_the_marks() {
        let outside = OURS + 0x20;
        let work = [USER, VECTORS + 0x480, OURS, OURS + 4, outside, USER];
        let counts = count(&marked(&work), What::All(2)).unwrap();
        assert_eq!(counts.each("read [ours]"), 1.0);
        assert_eq!(counts.each("(no function)"), 0.5);
        // The first mark's own, and the way into the second.
        assert_eq!(counts.each(MARK), 1.0);
        assert_eq!(counts.each("vectors"), 1.0);
        let unmarked = count(&work, What::All(2)).err().unwrap().to_string();
        assert!(unmarked.starts_with("0 calls of getppid(2)"), "{unmarked}");
    }

    #[test]
    fn a_module_is_where_the_guest_has_put_it() {
        // Not a module, but it has functions.
        let path = std::env::current_exe().unwrap();
        let error = Code::module(&path, &BTreeMap::new()).err().unwrap();
        assert!(error.to_string().contains("has no ."), "{error}");
        assert_eq!(module().function(OURS + 0x1c), Some("read [ours]"));
        assert_eq!(module().function(OURS + 0x20), None);
        assert!(Kernel::parse("10 T vectors\n").is_err());
    }
}
