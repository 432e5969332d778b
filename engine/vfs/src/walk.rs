//! Path resolution (`path_resolution(7)`).

use crate::{Access, Creds, Errno, NAME_MAX, PATH_MAX, Path, Result, permission};

/// Symbolic links followed in one resolution.
const MAX_LINKS: u32 = 40;

bitflags::bitflags! {
    /// How to resolve a path name.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct ResolveFlags: u32 {
        /// Follow a symbolic link in the last component.
        const FOLLOW = 1;
        /// `ENOTDIR` unless the result is a directory.
        const DIRECTORY = 2;
        /// `ELOOP` at any symbolic link (`RESOLVE_NO_SYMLINKS`).
        const NO_SYMLINKS = 4;
        /// `ELOOP` at magic links of procfs (`RESOLVE_NO_MAGICLINKS`).
        const NO_MAGICLINKS = 8;
        /// `EXDEV` on leaving the starting directory (`RESOLVE_BENEATH`).
        const BENEATH = 16;
        /// `EXDEV` on crossing a mount (`RESOLVE_NO_XDEV`).
        const NO_XDEV = 32;
    }
}

/// Where path names start, and as whom they are resolved. For the `*at` system calls `cwd` is the
/// directory descriptor's path; for `RESOLVE_IN_ROOT` both are.
#[derive(Clone, Copy)]
pub struct Walk<'a> {
    /// The root that `/` and `..` stop at.
    pub root: &'a Path,
    /// Where relative names start.
    pub cwd: &'a Path,
    /// Who asks.
    pub creds: &'a Creds,
}

/// The last component of a path name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Last {
    /// A name.
    Name(Vec<u8>),
    /// `.`
    Dot,
    /// `..`
    DotDot,
    /// The path was `/` alone.
    Root,
}

/// A directory and the last component to do something with in it.
#[derive(Clone, Debug)]
pub struct Parent {
    /// The directory.
    pub dir: Path,
    /// The component.
    pub last: Last,
    /// The name was followed by a `/`.
    pub trailing_slash: bool,
}

impl Parent {
    /// The name, or the error for what is not one.
    pub(crate) fn name(&self, not_a_name: Errno) -> Result<&[u8]> {
        match &self.last {
            Last::Name(name) => Ok(name),
            _ => Err(not_a_name),
        }
    }
}

/// A resolution under way.
struct State<'a> {
    walk: Walk<'a>,
    flags: ResolveFlags,
    at: Path,
    /// What is left of the path, and how far it was used.
    rest: Vec<u8>,
    used: usize,
    links: u32,
}

impl<'a> Walk<'a> {
    /// The file a path name refers to.
    pub fn resolve(&self, path: &[u8], flags: ResolveFlags) -> Result<Path> {
        let mut state = self.start(path, flags)?;
        while let Some(name) = state.next() {
            let last = state.at_end();
            let must_be_dir = state.trailing_slash();
            state.step(
                &name,
                !last || must_be_dir || flags.contains(ResolveFlags::FOLLOW),
            )?;
            if last && must_be_dir && state.at_end() && !state.at.attr()?.is_dir() {
                return Err(Errno::ENOTDIR);
            }
        }
        let path = state.at;
        if flags.contains(ResolveFlags::DIRECTORY) && !path.attr()?.is_dir() {
            return Err(Errno::ENOTDIR);
        }
        Ok(path)
    }

    /// The directory of a path name's last component, which need not exist.
    pub fn resolve_parent(&self, path: &[u8]) -> Result<Parent> {
        self.parent_state(path, ResolveFlags::empty())?.finish()
    }

    fn parent_state(&self, path: &[u8], flags: ResolveFlags) -> Result<State<'a>> {
        let mut state = self.start(path, flags)?;
        state.go_to_parent()?;
        Ok(state)
    }

    /// Like [`Walk::resolve_parent`], but while the last component is a symbolic link, follows it
    /// (`open` with `O_CREAT`). Also gives the file when it exists.
    pub(crate) fn resolve_for_create(
        &self,
        path: &[u8],
        follow: bool,
        flags: ResolveFlags,
    ) -> Result<(Parent, Option<Path>)> {
        let mut state = self.parent_state(path, flags)?;
        loop {
            let parent = state.parent()?;
            let Last::Name(name) = &parent.last else {
                let at = match parent.last {
                    Last::DotDot => state.dotdot()?,
                    _ => parent.dir.clone(),
                };
                return Ok((parent, Some(at)));
            };
            if parent.trailing_slash {
                return Err(Errno::EISDIR);
            }
            permission(&parent.dir.attr()?, self.creds, Access::EXEC)?;
            let found = match parent.dir.child(name) {
                Ok(found) => found,
                Err(Errno::ENOENT) => return Ok((parent, None)),
                Err(e) => return Err(e),
            };
            if !follow || !found.attr()?.is_symlink() {
                return Ok((parent, Some(found)));
            }
            state.used = state.rest.len();
            match state.follow(&found)? {
                Some(target) => return Ok((parent, Some(target))),
                None => state.go_to_parent()?,
            }
        }
    }

    fn start(&self, path: &[u8], flags: ResolveFlags) -> Result<State<'a>> {
        if path.is_empty() {
            return Err(Errno::ENOENT);
        }
        if path.len() >= PATH_MAX {
            return Err(Errno::ENAMETOOLONG);
        }
        let absolute = path.starts_with(b"/");
        if absolute && flags.contains(ResolveFlags::BENEATH) {
            return Err(Errno::EXDEV);
        }
        let at = if absolute { self.root } else { self.cwd };
        Ok(State {
            walk: *self,
            flags,
            at: at.clone(),
            rest: path.to_vec(),
            used: 0,
            links: 0,
        })
    }
}

impl State<'_> {
    /// The next component.
    fn next(&mut self) -> Option<Vec<u8>> {
        let rest = &self.rest[self.used..];
        let skip = rest.iter().take_while(|b| **b == b'/').count();
        let rest = &rest[skip..];
        if rest.is_empty() {
            return None;
        }
        let len = rest.iter().position(|b| *b == b'/').unwrap_or(rest.len());
        let name = rest[..len].to_vec();
        self.used += skip + len;
        Some(name)
    }

    /// Whether no component is left.
    fn at_end(&self) -> bool {
        self.rest[self.used..].iter().all(|b| *b == b'/')
    }

    /// Whether slashes are all that is left, and there are some.
    fn trailing_slash(&self) -> bool {
        self.used < self.rest.len() && self.at_end()
    }

    fn step(&mut self, name: &[u8], follow: bool) -> Result<()> {
        let attr = self.at.attr()?;
        if !attr.is_dir() {
            return Err(Errno::ENOTDIR);
        }
        permission(&attr, self.walk.creds, Access::EXEC)?;
        match name {
            b"." => Ok(()),
            b".." => {
                let up = self.dotdot()?;
                self.go(up)
            }
            _ if name.len() > NAME_MAX => Err(Errno::ENAMETOOLONG),
            _ => {
                let child = self.at.child(name)?;
                if !child.attr()?.is_symlink() {
                    return self.go(child);
                }
                if self.flags.contains(ResolveFlags::NO_SYMLINKS) {
                    return Err(Errno::ELOOP);
                }
                if !follow {
                    return self.go(child);
                }
                match self.follow(&child)? {
                    Some(target) => self.go(target),
                    None => Ok(()),
                }
            }
        }
    }

    fn go(&mut self, to: Path) -> Result<()> {
        if self.flags.contains(ResolveFlags::NO_XDEV) && to.mount.id() != self.at.mount.id() {
            return Err(Errno::EXDEV);
        }
        self.at = to;
        Ok(())
    }

    fn dotdot(&self) -> Result<Path> {
        if self.flags.contains(ResolveFlags::BENEATH) && self.at == *self.walk.cwd {
            return Err(Errno::EXDEV);
        }
        Ok(self.at.parent(self.walk.root))
    }

    /// Puts a link's target in front of what is left, or gives where a magic link leads.
    fn follow(&mut self, link: &Path) -> Result<Option<Path>> {
        self.links += 1;
        if self.links > MAX_LINKS || self.flags.contains(ResolveFlags::NO_SYMLINKS) {
            return Err(Errno::ELOOP);
        }
        if let Some(target) = link.inode().magic_link() {
            if self.flags.contains(ResolveFlags::NO_MAGICLINKS) {
                return Err(Errno::ELOOP);
            }
            return match self.flags.contains(ResolveFlags::BENEATH) {
                true => Err(Errno::EXDEV),
                false => target.map(Some),
            };
        }
        let mut target = link.inode().readlink()?;
        if target.is_empty() {
            return Err(Errno::ENOENT);
        }
        if target.starts_with(b"/") {
            if self.flags.contains(ResolveFlags::BENEATH) {
                return Err(Errno::EXDEV);
            }
            self.go(self.walk.root.clone())?;
        }
        target.extend_from_slice(&self.rest[self.used..]);
        self.rest = target;
        self.used = 0;
        Ok(None)
    }

    /// Goes on until the last component is the next one.
    fn go_to_parent(&mut self) -> Result<()> {
        loop {
            let before = self.used;
            let Some(name) = self.next() else {
                return Ok(());
            };
            if self.at_end() {
                self.used = before;
                return Ok(());
            }
            self.step(&name, true)?;
        }
    }

    /// The directory reached and the component that comes next.
    fn parent(&mut self) -> Result<Parent> {
        let before = self.used;
        let next = self.next();
        let trailing_slash = self.trailing_slash();
        self.used = before;
        let last = match next.as_deref() {
            None => Last::Root,
            Some(b".") => Last::Dot,
            Some(b"..") => Last::DotDot,
            Some(name) if name.len() > NAME_MAX => return Err(Errno::ENAMETOOLONG),
            Some(name) => Last::Name(name.to_vec()),
        };
        if last != Last::Root && !self.at.attr()?.is_dir() {
            return Err(Errno::ENOTDIR);
        }
        Ok(Parent {
            dir: self.at.clone(),
            last,
            trailing_slash,
        })
    }

    fn finish(mut self) -> Result<Parent> {
        let parent = self.parent()?;
        permission(&parent.dir.attr()?, self.walk.creds, Access::EXEC)?;
        Ok(parent)
    }
}
