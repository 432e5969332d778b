//! `--platform`: containerd's `OS[(VERSION)]/ARCHITECTURE[/VARIANT]`.

use super::prelude::*;
use bottleship_dockerfile::convert::Platform;

/// Checks a platform; the error is containerd's (platforms.Parse).
pub fn parse(text: &str) -> Result<Platform, String> {
    let first = text.split('/').next().unwrap_or("");
    let word = |s: &str, more: &str| {
        s.chars()
            .all(|c| c.is_ascii_alphanumeric() || "_-".contains(c) || more.contains(c))
    };
    let (os, version) = match first.split_once('(') {
        Some((os, rest)) => (os, rest.strip_suffix(')')),
        None => (first, Some("")),
    };
    if os.is_empty() || !word(os, "") || version.is_none_or(|v| !word(v, ".")) {
        return Err(format!(
            "{} is an invalid OS component of {}: OSAndVersion specifier component must match \"^([A-Za-z0-9_-]+)(?:\\\\(([A-Za-z0-9_.-]*)\\\\))?$\": invalid argument",
            quote(first),
            quote(text)
        ));
    }
    let plain = format!("{os}{}", &text[first.len()..]);
    Platform::parse(&plain, &Platform::new("linux", "amd64")).map_err(|e| e.to_string())
}

/// `platform` as API 1.48 and later take it.
pub fn param(params: Params, text: &str) -> Result<Params, String> {
    if text.is_empty() {
        return Ok(params);
    }
    let platform = parse(text)?;
    let mut p = json!({"os": platform.os, "architecture": platform.architecture});
    if !platform.variant.is_empty() {
        p["variant"] = platform.variant.into();
    }
    Ok(params.add("platform", p.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn platforms_are_checked_as_containerd_checks_them() {
        assert!(parse("linux/arm64/v8").is_ok());
        assert!(parse("windows(10.0.17763)/amd64").is_ok());
        assert_eq!(
            parse("-1"),
            Err("\"-1\": unknown operating system or architecture: invalid argument".into())
        );
        assert_eq!(
            parse("a:b"),
            Err("\"a:b\" is an invalid OS component of \"a:b\": OSAndVersion specifier component must match \"^([A-Za-z0-9_-]+)(?:\\\\(([A-Za-z0-9_.-]*)\\\\))?$\": invalid argument".into())
        );
    }
}
