//! The image config while it is made.

use super::platform::Platform;
use crate::goform;
use crate::image::{Config, Healthcheck, History, Image, RootFs};

/// The comment BuildKit leaves in history.
pub const HISTORY_COMMENT: &str = "buildkit.dockerfile.v0";

/// PATH of images that set none.
pub(super) const DEFAULT_PATH: &str =
    "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What `FROM scratch` starts from.
pub(super) fn empty(platform: &Platform) -> Image {
    Image {
        architecture: platform.architecture.clone(),
        os: platform.os.clone(),
        variant: platform.variant.clone(),
        rootfs: RootFs::default(),
        config: Config {
            env: vec![format!("PATH={DEFAULT_PATH}")],
            working_dir: "/".into(),
            ..Config::default()
        },
        ..Image::default()
    }
}

/// Adds a row of history.
pub(super) fn commit(image: &mut Image, message: String, layer: bool, epoch: Option<i64>) {
    image.history.push(History {
        created: epoch.map(goform::rfc3339),
        created_by: message,
        comment: HISTORY_COMMENT.into(),
        empty_layer: !layer,
        ..History::default()
    });
}

/// The same for a step that is run: BuildKit marks those.
pub(super) fn commit_step(image: &mut Image, message: String, epoch: Option<i64>) {
    commit(image, format!("{message} # buildkit"), true, epoch);
}

/// Sets a variable, in place when it is already there.
pub(super) fn set_env(env: &mut Vec<String>, key: &str, value: &str) {
    let entry = format!("{key}={value}");
    let same = |e: &&mut String| e.split('=').next() == Some(key);
    match env.iter_mut().find(same) {
        Some(slot) => *slot = entry,
        None => env.push(entry),
    }
}

/// Shell form as argv.
pub(super) fn with_shell(image: &Image, args: &[String]) -> Vec<String> {
    let mut out = if !image.config.shell.is_empty() {
        image.config.shell.clone()
    } else if image.os == "windows" {
        vec!["cmd".into(), "/S".into(), "/C".into()]
    } else {
        vec!["/bin/sh".into(), "-c".into()]
    };
    out.push(args.join(" "));
    out
}

/// Go's `%+v` of a health check.
pub(super) fn show_healthcheck(h: &Healthcheck) -> String {
    format!(
        "{{Test:{} Interval:{} Timeout:{} StartPeriod:{} StartInterval:{} Retries:{}}}",
        goform::list(&h.test),
        goform::duration(h.interval),
        goform::duration(h.timeout),
        goform::duration(h.start_period),
        goform::duration(h.start_interval),
        h.retries
    )
}

/// Whether a signal's name or number is one of Linux's.
pub fn is_signal(text: &str) -> bool {
    if let Ok(number) = text.parse::<i32>() {
        return number != 0;
    }
    let upper = text.to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    const NAMES: [&str; 35] = [
        "ABRT", "ALRM", "BUS", "CHLD", "CLD", "CONT", "FPE", "HUP", "ILL", "INT", "IO", "IOT",
        "KILL", "PIPE", "POLL", "PROF", "PWR", "QUIT", "SEGV", "STKFLT", "STOP", "SYS", "TERM",
        "TRAP", "TSTP", "TTIN", "TTOU", "URG", "USR1", "USR2", "VTALRM", "WINCH", "XCPU", "XFSZ",
        "RTMIN",
    ];
    let real_time = |prefix: &str, max: u8| {
        name.strip_prefix(prefix)
            .and_then(|n| n.parse::<u8>().ok())
            .is_some_and(|n| (1..=max).contains(&n))
    };
    NAMES.contains(&name) || name == "RTMAX" || real_time("RTMIN+", 15) || real_time("RTMAX-", 14)
}
