//! Who a process runs as: `--user` against the container's own `/etc/passwd` and `/etc/group` (runc's
//! libcontainer/user, whose error texts dockerd passes on).

use std::rc::Rc;

use bottleship_vfs::{CapSet, Caps, Creds, Path, ResolveFlags, Walk};

use crate::runtime::RuntimeError;

/// Bytes of a passwd or group file that are looked at: it is a stranger's.
const FILE_LIMIT: u64 = 1 << 20;
/// The largest id, runc's.
const MAX_ID: u32 = i32::MAX as u32;

/// A user with its groups.
pub struct User {
    /// User id.
    pub uid: u32,
    /// Primary group.
    pub gid: u32,
    /// Further groups.
    pub groups: Vec<u32>,
    /// Home directory; `/` for numbers without an entry.
    pub home: String,
}

impl User {
    /// As dockerd: the primary group is one of the further groups, too.
    pub fn all_groups(&self) -> Vec<u32> {
        let mut groups = vec![self.gid];
        groups.extend(self.groups.iter().filter(|group| **group != self.gid));
        groups
    }

    /// The user with these capabilities: all of them for root, only the bounding set for others, as after `execve`.
    pub fn credentials(&self, names: &[String]) -> Creds {
        let bounding = names
            .iter()
            .filter_map(|name| capability(name))
            .collect::<CapSet>();
        let held = if self.uid == 0 {
            bounding
        } else {
            CapSet::empty()
        };
        let mut creds = Creds::user(self.uid, self.gid).with_caps(Caps {
            effective: held,
            permitted: held,
            inheritable: CapSet::empty(),
            bounding,
            ambient: CapSet::empty(),
        });
        let groups = self.all_groups();
        creds.groups = Rc::from(groups);
        creds
    }
}

fn capability(name: &str) -> Option<CapSet> {
    CapSet::from_name(name.strip_prefix("CAP_").unwrap_or(name))
}

fn no_user(text: String) -> RuntimeError {
    RuntimeError::User(text)
}

/// A number in the range of ids. `Ok(None)` when it isn't a number.
fn number(text: &str) -> Result<Option<u32>, RuntimeError> {
    let is_number = text
        .strip_prefix('-')
        .unwrap_or(text)
        .bytes()
        .all(|byte| byte.is_ascii_digit());
    if text.is_empty() || text == "-" || !is_number {
        return Ok(None);
    }
    match text.parse::<u32>() {
        Ok(id) if id <= MAX_ID => Ok(Some(id)),
        _ => Err(no_user(
            "uids and gids must be in range 0-2147483647".into(),
        )),
    }
}

/// The file's lines, split at colons; none when there is no such regular file.
fn rows(root: &Path, path: &str) -> Vec<Vec<String>> {
    let creds = Creds::root();
    let walk = Walk {
        root,
        cwd: root,
        creds: &creds,
    };
    let Ok(file) = walk.resolve(
        path.as_bytes(),
        ResolveFlags::FOLLOW | ResolveFlags::NO_MAGICLINKS,
    ) else {
        return Vec::new();
    };
    let Ok(attr) = file.attr() else {
        return Vec::new();
    };
    if !attr.is_file() || attr.size > FILE_LIMIT {
        return Vec::new();
    }
    let mut bytes = vec![0; usize::try_from(attr.size).unwrap_or(0)];
    let read = file.inode().read_at(0, &mut bytes).unwrap_or(0);
    String::from_utf8_lossy(&bytes[..read])
        .lines()
        .filter(|line| !line.trim().is_empty() && !line.starts_with('#'))
        .map(|line| line.split(':').map(str::to_owned).collect())
        .collect()
}

fn field(row: &[String], index: usize) -> &str {
    row.get(index).map_or("", String::as_str)
}

/// `user`, `uid`, `user:group`, `uid:gid`, with further groups by name or number; empty is root.
pub fn look_up(root: &Path, user: &str, more: &[String]) -> Result<User, RuntimeError> {
    let (user, group) = match user.split_once(':') {
        Some((user, group)) => (user, Some(group).filter(|group| !group.is_empty())),
        None => (user, None),
    };
    let passwd = rows(root, "/etc/passwd");
    let groups = rows(root, "/etc/group");
    let wanted = if user.is_empty() {
        Some(0)
    } else {
        number(user)?
    };
    let entry = passwd.iter().find(|row| match wanted {
        // A name of digits is a name first.
        Some(uid) => field(row, 0) == user || field(row, 2).parse() == Ok(uid),
        None => field(row, 0) == user,
    });
    let mut found = match (entry, wanted) {
        (Some(row), _) => User {
            uid: number(field(row, 2))?.unwrap_or(0),
            gid: number(field(row, 3))?.unwrap_or(0),
            groups: Vec::new(),
            home: Some(field(row, 5))
                .filter(|home| !home.is_empty())
                .unwrap_or("/")
                .to_owned(),
        },
        (None, Some(uid)) => User {
            uid,
            gid: 0,
            groups: Vec::new(),
            home: "/".into(),
        },
        (None, None) => {
            return Err(no_user(format!(
                "unable to find user {user}: no matching entries in passwd file"
            )));
        }
    };
    match group {
        Some(group) => found.gid = group_id(&groups, group)?,
        None => {
            // Without a group of its own, the user's further groups count.
            let name = entry.map(|row| field(row, 0));
            let member = |row: &&Vec<String>| {
                name.is_some_and(|name| field(row, 3).split(',').any(|member| member == name))
            };
            found.groups = groups
                .iter()
                .filter(member)
                .filter_map(|row| field(row, 2).parse().ok())
                .collect();
        }
    }
    for group in more {
        let id = group_id(&groups, group)?;
        if !found.groups.contains(&id) {
            found.groups.push(id);
        }
    }
    Ok(found)
}

fn group_id(groups: &[Vec<String>], wanted: &str) -> Result<u32, RuntimeError> {
    if let Some(row) = groups.iter().find(|row| field(row, 0) == wanted) {
        return Ok(number(field(row, 2))?.unwrap_or(0));
    }
    number(wanted)?.ok_or_else(|| {
        no_user(format!(
            "unable to find group {wanted}: no matching entries in group file"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use bottleship_vfs::{
        Clock, CreatePerm, FileSystem, MountFlags, MountNs, NewNode, Quota, Tmpfs,
    };

    const PASSWD: &str =
        "root:x:0:0:root:/root:/bin/sh\nwww:x:33:33::/var/www:/bin/false\n7:x:1007:7::/seven:\n";
    const GROUP: &str = "root:x:0:\nwww:x:33:\nvideo:x:44:www,root\n";

    fn root() -> Path {
        let fs = Tmpfs::new(&Clock::new(), Quota::unlimited()).unwrap();
        let perm = CreatePerm {
            mode: 0o755,
            uid: 0,
            gid: 0,
        };
        let etc = fs.root().create(b"etc", NewNode::Dir, perm).unwrap();
        for (name, text) in [("passwd", PASSWD), ("group", GROUP)] {
            etc.create(name.as_bytes(), NewNode::File, perm)
                .unwrap()
                .write_at(0, text.as_bytes())
                .unwrap();
        }
        MountNs::new(fs, "overlay", MountFlags::empty()).root()
    }

    fn ids(user: &str, more: &[&str]) -> Result<(u32, u32, Vec<u32>, String), String> {
        let more: Vec<String> = more.iter().map(|group| (*group).to_owned()).collect();
        look_up(&root(), user, &more)
            .map(|user| (user.uid, user.gid, user.groups, user.home))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn users_are_found_by_name_and_number() {
        assert_eq!(ids("", &[]), Ok((0, 0, vec![44], "/root".into())));
        assert_eq!(ids("www", &[]), Ok((33, 33, vec![44], "/var/www".into())));
        assert_eq!(ids("33", &[]), Ok((33, 33, vec![44], "/var/www".into())));
        assert_eq!(ids("7", &[]), Ok((1007, 7, vec![], "/seven".into())));
        assert_eq!(ids("1234", &[]), Ok((1234, 0, vec![], "/".into())));
        assert_eq!(
            ids("www:video", &["0", "www"]),
            Ok((33, 44, vec![0, 33], "/var/www".into()))
        );
        assert_eq!(ids("1:2", &[]), Ok((1, 2, vec![], "/".into())));
    }

    #[test]
    fn what_is_no_user_is_refused_and_never_becomes_root() {
        for bad in ["4294967296", "-1", "2147483648:0", "1:99999999999"] {
            assert_eq!(
                ids(bad, &[]),
                Err("uids and gids must be in range 0-2147483647".into()),
                "{bad}"
            );
        }
        for bad in ["nosuch", "0x0", "root\n", "1000 0", "-"] {
            let text = format!("unable to find user {bad}: no matching entries in passwd file");
            assert_eq!(ids(bad, &[]), Err(text), "{bad}");
        }
        assert_eq!(
            ids("0:nosuch", &[]),
            Err("unable to find group nosuch: no matching entries in group file".into())
        );
    }

    #[test]
    fn only_root_starts_with_capabilities() {
        let names = vec!["CAP_CHOWN".to_owned(), "CAP_KILL".to_owned()];
        let user = |uid| User {
            uid,
            gid: 0,
            groups: vec![],
            home: String::new(),
        };
        assert_eq!(
            user(0).credentials(&names).caps.effective,
            CapSet::CHOWN | CapSet::KILL
        );
        assert_eq!(user(1).credentials(&names).caps.effective, CapSet::empty());
        assert_eq!(
            user(1).credentials(&names).caps.bounding,
            CapSet::CHOWN | CapSet::KILL
        );
    }
}
