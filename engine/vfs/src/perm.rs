//! Who may do what: owner, group, others, and the capabilities that override them.

use bottleship_abi::mode::{S_ISGID, S_ISVTX};

use crate::{Attr, CapSet, Creds, Errno, Result};

bitflags::bitflags! {
    /// What is asked for, with the values of `access(2)`.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct Access: u32 {
        const EXEC = 1;
        const WRITE = 2;
        const READ = 4;
    }
}

/// Whether the permission bits and capabilities allow the access; `EACCES` when not
/// (`generic_permission` in Linux).
pub fn permission(attr: &Attr, creds: &Creds, access: Access) -> Result<()> {
    let shift = if creds.fsuid == attr.uid {
        6
    } else if creds.in_group(attr.gid) {
        3
    } else {
        0
    };
    let granted = Access::from_bits_truncate((attr.mode >> shift) & 7);
    if granted.contains(access) {
        return Ok(());
    }
    let search_only = !access.contains(Access::WRITE);
    let allowed = if attr.is_dir() {
        (search_only && creds.capable(CapSet::DAC_READ_SEARCH))
            || creds.capable(CapSet::DAC_OVERRIDE)
    } else {
        // Nobody may execute what has no execute bit at all.
        let exec = !access.contains(Access::EXEC) || attr.mode & 0o111 != 0;
        (access == Access::READ && creds.capable(CapSet::DAC_READ_SEARCH))
            || (exec && creds.capable(CapSet::DAC_OVERRIDE))
    };
    if allowed { Ok(()) } else { Err(Errno::EACCES) }
}

/// Whether the user owns the file or may act as if (`CAP_FOWNER`).
pub(crate) fn owner_or_capable(attr: &Attr, creds: &Creds) -> bool {
    creds.fsuid == attr.uid || creds.capable(CapSet::FOWNER)
}

/// Whether the sticky bit of a directory forbids removing this entry of it.
pub(crate) fn sticky_forbids(dir: &Attr, victim: &Attr, creds: &Creds) -> bool {
    dir.mode & S_ISVTX != 0
        && creds.fsuid != victim.uid
        && creds.fsuid != dir.uid
        && !creds.capable(CapSet::FOWNER)
}

/// The mode after a write or a change of owner by someone without `CAP_FSETID`: set-user-id goes,
/// set-group-id goes when the group may execute.
pub(crate) fn without_suid(mode: u32) -> u32 {
    let mode = mode & !bottleship_abi::mode::S_ISUID;
    if mode & 0o010 != 0 {
        mode & !S_ISGID
    } else {
        mode
    }
}
