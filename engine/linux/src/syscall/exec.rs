//! `execve`.

use bottleship_abi::Errno;
use bottleship_abi::fs::{AT_EMPTY_PATH, AT_FDCWD, AT_SYMLINK_NOFOLLOW};
use bottleship_vfs::ResolveFlags;

use super::{Args, At, Cx, Stop, SysResult};
use crate::loader::{self, read_strings};

pub(super) fn execve(cx: &Cx, a: &Args) -> SysResult {
    exec(cx, AT_FDCWD, a[0], a[1], a[2], 0)
}

pub(super) fn execveat(cx: &Cx, a: &Args) -> SysResult {
    exec(cx, a[0] as i32, a[1], a[2], a[3], a[4] as u32)
}

fn exec(cx: &Cx, dirfd: i32, path: u64, argv: u64, envp: u64, flags: u32) -> SysResult {
    let name = cx.read_path(path)?;
    let mut argv = read_strings(cx, argv)?;
    let envp = read_strings(cx, envp)?;
    let found = At::from(
        cx,
        dirfd,
        &name,
        flags & (AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW),
    )?;
    if flags & AT_SYMLINK_NOFOLLOW != 0 && found.attr()?.is_symlink() {
        return Err(Errno::ELOOP.into());
    }
    if argv.is_empty() {
        argv.push(Vec::new());
    }
    let shown = match (dirfd, name.is_empty(), name.starts_with(b"/")) {
        (AT_FDCWD, ..) | (_, _, true) => name.clone(),
        (fd, true, _) => format!("/dev/fd/{fd}").into_bytes(),
        (fd, ..) => [format!("/dev/fd/{fd}/").as_bytes(), name.as_slice()].concat(),
    };
    let resolve = |path: &[u8]| {
        cx.walk(AT_FDCWD, path, |walk| {
            walk.resolve(path, ResolveFlags::FOLLOW)
        })
    };
    let file = loader::find(cx.k, &cx.creds(), found, &shown, argv, &resolve)?;
    loader::exec(cx.k, cx.t, file, envp)?;
    Err(Stop::NoReturn)
}
