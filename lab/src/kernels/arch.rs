//! What the lab knows of each architecture: one row of data per architecture, no branches elsewhere.

use std::fmt;
use std::str::FromStr;

/// One architecture that a guest can have.
#[derive(Debug, PartialEq, Eq)]
pub struct Arch {
    /// The kernel's `ARCH=`.
    pub name: &'static str,
    /// Rust's target for guest programs.
    pub triple: &'static str,
    /// Debian's name, for packages that go into the guest.
    pub debian: &'static str,
    /// `e_machine` of its ELF files.
    pub elf_machine: u16,
    /// Where the kernel build leaves the image that QEMU boots, below the tree.
    pub image: &'static str,
    /// The kernel's make target for that image.
    pub image_target: &'static str,
    /// About how many lines a kernel build with the suite's options prints: the bar's total until
    /// a build here has counted them.
    pub build_steps: u64,
    pub qemu: &'static str,
    pub machine: &'static str,
    /// The CPU model under TCG; KVM gets `host`.
    pub cpu: &'static str,
    /// The console that the kernel is told to use.
    pub console: &'static str,
    /// The device that carries the virtio serial ports.
    pub virtio_serial: &'static str,
    /// The drivers of that device and its ports, where they are modules, in the order of their needs.
    pub drivers: &'static [&'static str],
    /// The machine code of a program that has the kernel draw its random numbers from new ones: its
    /// status is what ioctl(0, RNDRESEEDCRNG) returns, and its stdin has to be /dev/random.
    pub reseed: &'static [u8],
}

pub static ARCHES: [Arch; 2] = [
    Arch {
        name: "arm64",
        triple: "aarch64-unknown-linux-gnu",
        debian: "arm64",
        elf_machine: 183,
        image: "arch/arm64/boot/Image",
        image_target: "Image",
        build_steps: 1002,
        qemu: "qemu-system-aarch64",
        machine: "virt,gic-version=3",
        cpu: "max,pauth-impdef=on",
        console: "ttyAMA0",
        virtio_serial: "virtio-serial-device",
        drivers: &["virtio_ring", "virtio", "virtio_mmio", "virtio_console"],
        // mov x0, #0; mov w1, #0x5207; mov x8, #29 (ioctl); svc #0; mov x8, #93 (exit); svc #0
        reseed: &[
            0x00, 0x00, 0x80, 0xd2, 0xe1, 0x40, 0x8a, 0x52, 0xa8, 0x03, 0x80, 0xd2, 0x01, 0x00,
            0x00, 0xd4, 0xa8, 0x0b, 0x80, 0xd2, 0x01, 0x00, 0x00, 0xd4,
        ],
    },
    Arch {
        name: "x86_64",
        triple: "x86_64-unknown-linux-gnu",
        debian: "amd64",
        elf_machine: 62,
        image: "arch/x86/boot/bzImage",
        image_target: "bzImage",
        build_steps: 1397,
        qemu: "qemu-system-x86_64",
        machine: "q35",
        cpu: "max",
        console: "ttyS0",
        virtio_serial: "virtio-serial-pci",
        drivers: &[
            "virtio_ring",
            "virtio",
            "virtio_pci_legacy_dev",
            "virtio_pci_modern_dev",
            "virtio_pci",
            "virtio_console",
        ],
        // xor edi, edi; mov esi, 0x5207; mov eax, 16 (ioctl); syscall; mov edi, eax;
        // mov eax, 60 (exit); syscall
        reseed: &[
            0x31, 0xff, 0xbe, 0x07, 0x52, 0x00, 0x00, 0xb8, 0x10, 0x00, 0x00, 0x00, 0x0f, 0x05,
            0x89, 0xc7, 0xb8, 0x3c, 0x00, 0x00, 0x00, 0x0f, 0x05,
        ],
    },
];

impl Arch {
    /// The architecture whose ELF files say `machine`.
    pub fn of_elf(machine: u16) -> Option<&'static Arch> {
        ARCHES.iter().find(|arch| arch.elf_machine == machine)
    }

    /// Whether this machine is of that architecture, so that KVM could run the guest.
    pub fn is_host(&self) -> bool {
        self.triple.split('-').next() == Some(std::env::consts::ARCH)
    }
}

/// An architecture as an option names it.
#[derive(Clone, Copy, Debug)]
pub struct Named(pub &'static Arch);

impl FromStr for Named {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        ARCHES
            .iter()
            .find(|arch| arch.name == name)
            .map(Named)
            .ok_or_else(|| {
                let names: Vec<_> = ARCHES.iter().map(|arch| arch.name).collect();
                format!("no such architecture; there are: {}", names.join(", "))
            })
    }
}

impl fmt::Display for Arch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_architecture_is_found_by_its_name_and_by_its_elf_machine() {
        for arch in &ARCHES {
            assert_eq!(arch.name.parse::<Named>().unwrap().0, arch);
            assert_eq!(Arch::of_elf(arch.elf_machine), Some(arch));
        }
    }

    #[test]
    fn an_unknown_architecture_is_refused_with_the_list_of_the_known() {
        let error = "riscv".parse::<Named>().unwrap_err();
        assert_eq!(error, "no such architecture; there are: arm64, x86_64");
        assert_eq!(Arch::of_elf(243), None);
    }
}
