//! Credentials: user, groups and capabilities (`credentials(7)`, `capabilities(7)`).

use std::rc::Rc;

bitflags::bitflags! {
    /// A set of capabilities, bit n being capability number n.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct CapSet: u64 {
        const CHOWN = 1 << 0;
        const DAC_OVERRIDE = 1 << 1;
        const DAC_READ_SEARCH = 1 << 2;
        const FOWNER = 1 << 3;
        const FSETID = 1 << 4;
        const KILL = 1 << 5;
        const SETGID = 1 << 6;
        const SETUID = 1 << 7;
        const SETPCAP = 1 << 8;
        const LINUX_IMMUTABLE = 1 << 9;
        const NET_BIND_SERVICE = 1 << 10;
        const NET_BROADCAST = 1 << 11;
        const NET_ADMIN = 1 << 12;
        const NET_RAW = 1 << 13;
        const IPC_LOCK = 1 << 14;
        const IPC_OWNER = 1 << 15;
        const SYS_MODULE = 1 << 16;
        const SYS_RAWIO = 1 << 17;
        const SYS_CHROOT = 1 << 18;
        const SYS_PTRACE = 1 << 19;
        const SYS_PACCT = 1 << 20;
        const SYS_ADMIN = 1 << 21;
        const SYS_BOOT = 1 << 22;
        const SYS_NICE = 1 << 23;
        const SYS_RESOURCE = 1 << 24;
        const SYS_TIME = 1 << 25;
        const SYS_TTY_CONFIG = 1 << 26;
        const MKNOD = 1 << 27;
        const LEASE = 1 << 28;
        const AUDIT_WRITE = 1 << 29;
        const AUDIT_CONTROL = 1 << 30;
        const SETFCAP = 1 << 31;
        const MAC_OVERRIDE = 1 << 32;
        const MAC_ADMIN = 1 << 33;
        const SYSLOG = 1 << 34;
        const WAKE_ALARM = 1 << 35;
        const BLOCK_SUSPEND = 1 << 36;
        const AUDIT_READ = 1 << 37;
        const PERFMON = 1 << 38;
        const BPF = 1 << 39;
        const CHECKPOINT_RESTORE = 1 << 40;
    }
}

impl CapSet {
    /// What Docker gives a container unless told otherwise.
    pub const DOCKER_DEFAULT: CapSet = CapSet::CHOWN
        .union(CapSet::DAC_OVERRIDE)
        .union(CapSet::FSETID)
        .union(CapSet::FOWNER)
        .union(CapSet::MKNOD)
        .union(CapSet::NET_RAW)
        .union(CapSet::SETGID)
        .union(CapSet::SETUID)
        .union(CapSet::SETFCAP)
        .union(CapSet::SETPCAP)
        .union(CapSet::NET_BIND_SERVICE)
        .union(CapSet::SYS_CHROOT)
        .union(CapSet::KILL)
        .union(CapSet::AUDIT_WRITE);
}

/// The five capability sets of a process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Caps {
    /// What checks look at.
    pub effective: CapSet,
    /// What may be made effective.
    pub permitted: CapSet,
    /// What survives exec of a file that asks for it.
    pub inheritable: CapSet,
    /// What can ever be gained.
    pub bounding: CapSet,
    /// What survives exec of an ordinary file.
    pub ambient: CapSet,
}

/// Who a process is. File permission checks use `fsuid`, `fsgid`, `groups` and the effective set.
#[derive(Clone, Debug)]
pub struct Creds {
    /// Real user.
    pub uid: u32,
    /// Real group.
    pub gid: u32,
    /// Effective user.
    pub euid: u32,
    /// Effective group.
    pub egid: u32,
    /// Saved user.
    pub suid: u32,
    /// Saved group.
    pub sgid: u32,
    /// The user that files are accessed as; follows `euid`.
    pub fsuid: u32,
    /// The group that files are accessed as; follows `egid`.
    pub fsgid: u32,
    /// Supplementary groups.
    pub groups: Rc<[u32]>,
    /// Capabilities.
    pub caps: Caps,
}

impl Creds {
    /// Root with every capability.
    pub fn root() -> Creds {
        let all = CapSet::all();
        Creds::user(0, 0).with_caps(Caps {
            effective: all,
            permitted: all,
            inheritable: CapSet::empty(),
            bounding: all,
            ambient: CapSet::empty(),
        })
    }

    /// A user without capabilities or supplementary groups.
    pub fn user(uid: u32, gid: u32) -> Creds {
        Creds {
            uid,
            gid,
            euid: uid,
            egid: gid,
            suid: uid,
            sgid: gid,
            fsuid: uid,
            fsgid: gid,
            groups: Rc::from([]),
            caps: Caps::default(),
        }
    }

    /// The same user with other capabilities.
    pub fn with_caps(self, caps: Caps) -> Creds {
        Creds { caps, ..self }
    }

    /// Whether the effective set holds the capability.
    pub fn capable(&self, cap: CapSet) -> bool {
        self.caps.effective.contains(cap)
    }

    /// Whether the file-system group or a supplementary group is `gid`.
    pub fn in_group(&self, gid: u32) -> bool {
        self.fsgid == gid || self.groups.contains(&gid)
    }
}
