//! What the `inspect` commands share: indented JSON, `--format`, errors at the end.

use super::prelude::*;
use super::shapes::Struct;
use bottleship_gotmpl::{MissingKey, Template, Value};

/// An object found: its document, and its Go type where it has one here.
pub type Found = (Vec<u8>, Option<&'static Struct>);

/// Inspects each reference, printing what was found and then what was not.
pub async fn inspect(
    cli: &Cli<'_>,
    format: &str,
    references: &[String],
    find: impl AsyncFn(&str) -> Result<Found, ApiFailure>,
) -> Result<(), Failure> {
    let template = match format {
        "" | "json" => None,
        f => Some(
            Template::parse("", f)
                .map_err(|e| Failure::new(format!("template parsing error: {e}")).with_code(64))?,
        ),
    };
    let (mut errors, mut out, mut raws) = (Vec::new(), String::new(), Vec::new());
    for r in references {
        let (raw, shape) = match find(r).await {
            Ok(found) => found,
            Err(e) => {
                errors.push(e.to_string());
                continue;
            }
        };
        match &template {
            None => raws.push(raw),
            Some(t) => match execute(t, &raw, shape) {
                Ok(text) => {
                    out.push_str(&text);
                    out.push('\n');
                }
                Err(e) => errors.push(e),
            },
        }
    }
    if template.is_some() {
        cli.out(if out.is_empty() { "\n" } else { &out }).await;
    } else if raws.is_empty() {
        cli.out("[]\n").await;
    } else {
        let mut all = b"[".to_vec();
        for (i, raw) in raws.iter().enumerate() {
            if i > 0 {
                all.push(b',');
            }
            all.extend_from_slice(raw.trim_ascii());
        }
        all.push(b']');
        let text = if format == "json" {
            compact(&all)
        } else {
            indent(&all)
        };
        cli.out_bytes(&text).await;
        cli.out("\n").await;
    }
    if errors.is_empty() {
        Ok(())
    } else {
        Err(Failure::new(errors.join("\n")))
    }
}

fn execute(t: &Template, raw: &[u8], shape: Option<&'static Struct>) -> Result<String, String> {
    let doc: J =
        serde_json::from_slice(raw).map_err(|e| format!("unable to read inspect data: {e}"))?;
    if let Some(s) = shape
        && let Ok(text) = t.execute(&s.value(&doc), MissingKey::Invalid)
    {
        return Ok(text);
    }
    // What the Go type does not have, the document may.
    t.execute(&Value::from(&doc), MissingKey::Error)
        .map_err(|e| format!("template parsing error: {e}"))
}

/// `json.Indent` with four blanks: the text's own spelling of values is kept.
pub fn indent(json: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(json.len() * 2);
    let (mut depth, mut in_string, mut escaped, mut fresh) = (0usize, false, false, false);
    let line = |out: &mut Vec<u8>, depth: usize| {
        out.push(b'\n');
        out.extend(std::iter::repeat_n(b' ', 4 * depth.min(1000)));
    };
    for &b in json {
        if in_string {
            out.push(b);
            match b {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_string = false,
                _ => {}
            }
            continue;
        }
        if b.is_ascii_whitespace() {
            continue;
        }
        if fresh && !matches!(b, b'}' | b']') {
            fresh = false;
            depth += 1;
            line(&mut out, depth);
        }
        match b {
            b'{' | b'[' => {
                fresh = true;
                out.push(b);
            }
            b'}' | b']' => {
                if fresh {
                    fresh = false;
                } else {
                    depth = depth.saturating_sub(1);
                    line(&mut out, depth);
                }
                out.push(b);
            }
            b',' => {
                out.push(b);
                line(&mut out, depth);
            }
            b':' => out.extend_from_slice(b": "),
            b => {
                in_string = b == b'"';
                out.push(b);
            }
        }
    }
    out
}

fn compact(json: &[u8]) -> Vec<u8> {
    let (mut in_string, mut escaped) = (false, false);
    json.iter()
        .copied()
        .filter(|&b| {
            if in_string {
                match b {
                    _ if escaped => escaped = false,
                    b'\\' => escaped = true,
                    b'"' => in_string = false,
                    _ => {}
                }
                return true;
            }
            in_string = b == b'"';
            !b.is_ascii_whitespace()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indents_as_go_does() {
        let text = indent(br#"[{"a":{},"b":[],"c":[1,"x{,\"y"],"d":{"e":null}}]"#);
        assert_eq!(
            String::from_utf8(text).unwrap(),
            "[\n    {\n        \"a\": {},\n        \"b\": [],\n        \"c\": [\n            1,\n            \"x{,\\\"y\"\n        ],\n        \"d\": {\n            \"e\": null\n        }\n    }\n]"
        );
        assert_eq!(indent(b"[]"), b"[]");
    }
}
