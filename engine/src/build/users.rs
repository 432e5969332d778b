//! Users and groups by name, from an image's own files.

use bottleship_dockerfile::convert::{Owner, Principal};
use bottleship_vfs::InodeRef;

use super::tree;

/// `/etc/passwd` and `/etc/group` may be this large.
const LIMIT: usize = 1 << 20;

fn table(root: &InodeRef, path: &str) -> String {
    // A missing or broken file has no names in it.
    let data = tree::read(root, path, LIMIT).ok().flatten();
    String::from_utf8_lossy(&data.unwrap_or_default()).into_owned()
}

/// The fields of the line that starts with `name:`.
fn entry(table: &str, name: &str) -> Option<Vec<String>> {
    let line = table
        .lines()
        .find(|line| line.split(':').next() == Some(name))?;
    Some(line.split(':').map(str::to_owned).collect())
}

fn user(root: &InodeRef, name: &str) -> Option<(u32, u32)> {
    let fields = entry(&table(root, "/etc/passwd"), name)?;
    Some((fields.get(2)?.parse().ok()?, fields.get(3)?.parse().ok()?))
}

fn group(root: &InodeRef, name: &str) -> Option<u32> {
    let fields = entry(&table(root, "/etc/group"), name)?;
    fields.get(2)?.parse().ok()
}

/// Ids of a classic `--chown`: without a group, the user's word is the group's too.
///
/// # Errors
/// Docker's text.
pub fn chown(root: &InodeRef, text: &str) -> Result<(u32, u32), String> {
    let parts: Vec<&str> = text.split(':').collect();
    if parts.len() > 2 {
        return Err(format!("invalid chown string format: {text}"));
    }
    let user_word = parts[0];
    let group_word = parts.get(1).copied().unwrap_or(user_word);
    let uid = match user_word.parse() {
        Ok(id) => id,
        Err(_) => {
            user(root, user_word)
                .ok_or_else(|| {
                    format!("can't find uid for user {user_word}: no such user: {user_word}")
                })?
                .0
        }
    };
    let gid = match group_word.parse() {
        Ok(id) => id,
        Err(_) => group(root, group_word).ok_or_else(|| {
            format!("can't find gid for group {group_word}: no such group: {group_word}")
        })?,
    };
    Ok((uid, gid))
}

/// Ids of a BuildKit owner.
///
/// # Errors
/// BuildKit's text.
pub fn owner(root: &InodeRef, owner: &Owner) -> Result<(u32, u32), String> {
    let (uid, own_gid) = match &owner.user {
        Principal::Id(id) => (*id, *id),
        Principal::Name(name) => {
            user(root, name).ok_or_else(|| format!("invalid user index: {name}: no such user"))?
        }
    };
    let gid = match &owner.group {
        None => own_gid,
        Some(Principal::Id(id)) => *id,
        Some(Principal::Name(name)) => group(root, name)
            .ok_or_else(|| format!("invalid group index: {name}: no such group"))?,
    };
    Ok((uid, gid))
}
