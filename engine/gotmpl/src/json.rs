//! Go's `encoding/json`: a compact document per value.

use crate::print::float;
use crate::value::{Field, Value};
use std::fmt::Write;

/// Go's encoder refuses cycles; values here cannot have any, but JSON input may nest.
const MAX_DEPTH: usize = 500;

/// Encodes `v`; `html` escapes `<`, `>` and `&` as Go's `json.Marshal` does.
pub fn to_json(v: &Value, html: bool) -> String {
    let mut out = String::new();
    encode(&mut out, v, html, 0);
    out
}

/// Re-encodes parsed JSON in Go's style, keeping the key order.
pub fn compact(v: &serde_json::Value, html: bool) -> String {
    let mut out = String::new();
    raw(&mut out, v, html, 0);
    out
}

fn raw(out: &mut String, v: &serde_json::Value, html: bool, depth: usize) {
    use serde_json::Value as J;
    if depth > MAX_DEPTH {
        out.push_str("null");
        return;
    }
    match v {
        J::String(s) => write_string(out, s, html),
        J::Array(a) => {
            out.push('[');
            for (i, e) in a.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                raw(out, e, html, depth + 1);
            }
            out.push(']');
        }
        J::Object(o) => {
            out.push('{');
            for (i, (k, e)) in o.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                write_string(out, k, html);
                out.push(':');
                raw(out, e, html, depth + 1);
            }
            out.push('}');
        }
        other => {
            let _ = write!(out, "{other}");
        }
    }
}

/// Appends `s` as a JSON string.
pub fn write_string(out: &mut String, s: &str, html: bool) {
    out.push('"');
    for c in s.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\x08' => out.push_str("\\b"),
            '\x0c' => out.push_str("\\f"),
            '<' | '>' | '&' if html => {
                let _ = write!(out, "\\u{:04x}", c as u32);
            }
            '\u{2028}' | '\u{2029}' => {
                let _ = write!(out, "\\u{:04x}", c as u32);
            }
            c if (c as u32) < 0x20 => {
                let _ = write!(out, "\\u{:04x}", c as u32);
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

fn number(n: f64) -> String {
    let a = n.abs();
    if a != 0.0 && !(1e-6..1e21).contains(&a) {
        let s = float(n, 'e', None);
        // e-09 becomes e-9
        match s.split_once("e-0") {
            Some((m, e)) => format!("{m}e-{e}"),
            None => s,
        }
    } else {
        float(n, 'f', None)
    }
}

fn is_empty(v: &Value) -> bool {
    !matches!(v, Value::Struct(_) | Value::Text(_)) && !v.truth()
}

fn encode(out: &mut String, v: &Value, html: bool, depth: usize) {
    if depth > MAX_DEPTH {
        out.push_str("null");
        return;
    }
    match v {
        Value::Nil | Value::Func(_) => out.push_str("null"),
        Value::Bool(b) => {
            let _ = write!(out, "{b}");
        }
        Value::Int(n) => {
            let _ = write!(out, "{n}");
        }
        Value::Uint(n) => {
            let _ = write!(out, "{n}");
        }
        Value::Float(n) => out.push_str(&number(*n)),
        Value::Str(s) => write_string(out, s, html),
        Value::Number(n) => out.push_str(if n.is_empty() { "0" } else { n }),
        Value::Text(t) => out.push_str(&t.json),
        Value::Ptr(p) => match &p.to {
            Some(to) => encode(out, to, html, depth + 1),
            None => out.push_str("null"),
        },
        Value::List(l) if l.nil => out.push_str("null"),
        Value::List(l) => {
            out.push('[');
            for (i, e) in l.items.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                encode(out, e, html, depth + 1);
            }
            out.push(']');
        }
        Value::Map(m) if m.nil => out.push_str("null"),
        Value::Map(m) => {
            out.push('{');
            for (i, (k, e)) in m.entries.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                write_string(out, k, html);
                out.push(':');
                encode(out, e, html, depth + 1);
            }
            out.push('}');
        }
        Value::Struct(s) => {
            let html = html || s.row;
            let mut fields: Vec<&Field> = s
                .fields
                .iter()
                .filter(|f| !(f.json.is_empty() || f.omit_empty && is_empty(&f.value)))
                .collect();
            if s.row {
                fields.sort_by(|a, b| a.json.cmp(&b.json));
            }
            out.push('{');
            for (i, f) in fields.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                write_string(out, &f.json, html);
                out.push(':');
                encode(out, &f.value, html, depth + 1);
            }
            out.push('}');
        }
    }
}
