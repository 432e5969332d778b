//! Capabilities: Docker's default set, `--cap-add`, `--cap-drop`, `--privileged`.

use crate::api::ApiError;

/// Linux's capabilities by number, without `CAP_`.
pub const ALL: [&str; 41] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
];
const DEFAULT: [&str; 14] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "FSETID",
    "FOWNER",
    "MKNOD",
    "NET_RAW",
    "SETGID",
    "SETUID",
    "SETFCAP",
    "SETPCAP",
    "NET_BIND_SERVICE",
    "SYS_CHROOT",
    "KILL",
    "AUDIT_WRITE",
];

/// The name as Docker stores it: `CAP_CHOWN`, or `ALL`.
pub fn normalize(name: &str) -> Result<String, ApiError> {
    let upper = name.to_ascii_uppercase();
    if upper == "ALL" {
        return Ok(upper);
    }
    let bare = upper.strip_prefix("CAP_").unwrap_or(&upper);
    if ALL.contains(&bare) {
        return Ok(format!("CAP_{bare}"));
    }
    Err(ApiError::invalid(format!(
        "unknown capability: \"CAP_{bare}\""
    )))
}

/// The capabilities a container's processes may have.
pub fn effective(
    add: &[String],
    drop: &[String],
    privileged: bool,
) -> Result<Vec<String>, ApiError> {
    let prefixed = |names: &[&str]| {
        names
            .iter()
            .map(|name| format!("CAP_{name}"))
            .collect::<Vec<_>>()
    };
    if privileged {
        return Ok(prefixed(&ALL));
    }
    let add = add
        .iter()
        .map(|name| normalize(name))
        .collect::<Result<Vec<_>, _>>()?;
    let drop = drop
        .iter()
        .map(|name| normalize(name))
        .collect::<Result<Vec<_>, _>>()?;
    let has_all = |list: &[String]| list.iter().any(|name| name == "ALL");
    let mut capabilities = match (has_all(&add), has_all(&drop)) {
        (true, _) => prefixed(&ALL)
            .into_iter()
            .filter(|cap| !drop.contains(cap))
            .collect(),
        (false, true) => Vec::new(),
        (false, false) => prefixed(&DEFAULT)
            .into_iter()
            .filter(|cap| !drop.contains(cap))
            .collect(),
    };
    for capability in add {
        if capability != "ALL" && !capabilities.contains(&capability) {
            capabilities.push(capability);
        }
    }
    Ok(capabilities)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caps(add: &[&str], drop: &[&str]) -> Vec<String> {
        let own = |list: &[&str]| list.iter().map(|s| s.to_string()).collect::<Vec<_>>();
        effective(&own(add), &own(drop), false).unwrap_or_default()
    }

    #[test]
    fn capabilities_combine_as_docker_combines_them() {
        assert_eq!(caps(&[], &[]).len(), 14);
        assert_eq!(caps(&[], &["ALL"]), Vec::<String>::new());
        assert_eq!(caps(&["chown"], &["all"]), ["CAP_CHOWN"]);
        assert!(!caps(&[], &["CHOWN"]).contains(&"CAP_CHOWN".to_string()));
        assert_eq!(caps(&["ALL"], &["SYS_ADMIN"]).len(), 40);
        assert_eq!(
            normalize("bogus").map_err(|e| e.message),
            Err("unknown capability: \"CAP_BOGUS\"".into())
        );
    }
}
