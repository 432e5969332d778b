//! Functions: Go's builtins and docker's; number and string literals.

use crate::node::Number;
use crate::print::{sprint, sprintf, sprintln};
use crate::value::{Param, Value};
use crate::{Functions, json};

/// A function's parameters: the fixed ones and, when variadic, the type of the rest.
pub struct Signature {
    pub fixed: &'static [Param],
    pub rest: Option<Param>,
}

const ANY: Param = Param::Any;
const STR: Param = Param::Str;
const INT: Param = Param::Int;

/// The signature of a function, `None` when there is no such function.
pub fn signature(name: &str, functions: Functions) -> Option<Signature> {
    let (fixed, rest): (&'static [Param], Option<Param>) = match name {
        "and" | "or" | "eq" | "index" | "slice" | "call" => (&[ANY], Some(ANY)),
        "not" | "len" => (&[ANY], None),
        "ne" | "lt" | "le" | "gt" | "ge" => (&[ANY, ANY], None),
        "html" | "js" | "urlquery" | "print" | "println" => (&[], Some(ANY)),
        "printf" => (&[STR], Some(ANY)),
        "json" if functions == Functions::Docker => (&[ANY], None),
        "json" | "title" | "lower" | "upper" => (&[STR], None),
        "split" => (&[STR, STR], None),
        "join" if functions == Functions::Docker => (&[Param::Strings, STR], None),
        "join" => (&[STR, STR], None),
        "pad" => (&[STR, INT, INT], None),
        "truncate" => (&[STR, INT], None),
        _ => return None,
    };
    Some(Signature { fixed, rest })
}

/// Whether a function of that name exists, for the parser.
pub fn exists(name: &str) -> bool {
    signature(name, Functions::Docker).is_some()
}

/// Calls `name` with arguments already of the types its signature names.
/// `and` and `or` are the executor's, which evaluates their arguments one by one.
pub fn call(name: &str, args: &[Value], functions: Functions) -> Result<Value, String> {
    let arg = |i: usize| args.get(i).cloned().unwrap_or_default();
    let text = |i: usize| match args.get(i) {
        Some(Value::Str(s)) => s.to_string(),
        _ => String::new(),
    };
    let int = |i: usize| match args.get(i) {
        Some(Value::Int(n)) => *n,
        _ => 0,
    };
    if functions == Functions::Header
        && matches!(
            name,
            "json" | "split" | "join" | "title" | "lower" | "upper" | "truncate"
        )
    {
        return Ok(arg(0));
    }
    Ok(match name {
        "not" => (!arg(0).truth()).into(),
        "len" => len(arg(0))?,
        "index" => index(arg(0), args.get(1..).unwrap_or(&[]))?,
        "slice" => slice(arg(0), args.get(1..).unwrap_or(&[]))?,
        "eq" => {
            if args.len() < 2 {
                return Err("missing argument for comparison".into());
            }
            let mut any = false;
            for b in &args[1..] {
                if equal(&args[0], b)? {
                    any = true;
                    break;
                }
            }
            any.into()
        }
        "ne" => (!equal(&arg(0), &arg(1))?).into(),
        "lt" => less(&arg(0), &arg(1))?.into(),
        "le" => (less(&arg(0), &arg(1))? || equal(&arg(0), &arg(1))?).into(),
        "gt" => (!(less(&arg(0), &arg(1))? || equal(&arg(0), &arg(1))?)).into(),
        "ge" => (!less(&arg(0), &arg(1))?).into(),
        "print" => sprint(args).into(),
        "println" => sprintln(args).into(),
        "printf" => sprintf(&text(0), args.get(1..).unwrap_or(&[])).into(),
        "html" => html(&sprint(args)).into(),
        "js" => js(&sprint(args)).into(),
        "urlquery" => url_query(&sprint(args)).into(),
        "json" => json::to_json(&arg(0), false).into(),
        "split" => split(&text(0), &text(1)),
        "join" => match arg(0) {
            Value::List(l) => {
                let parts: Vec<&str> = l
                    .items
                    .iter()
                    .map(|v| match v {
                        Value::Str(s) => &**s,
                        _ => "",
                    })
                    .collect();
                parts.join(&text(1)).into()
            }
            _ => "".into(),
        },
        "title" => title(&text(0)).into(),
        "lower" => text(0).to_lowercase().into(),
        "upper" => text(0).to_uppercase().into(),
        "pad" => pad(&text(0), int(1), int(2))?.into(),
        "truncate" => truncate(&text(0), int(1))?.into(),
        _ => return Err(format!("{name} is not a function")),
    })
}

fn split(s: &str, sep: &str) -> Value {
    if sep.is_empty() {
        return Value::strings(s.chars().map(|c| c.to_string()));
    }
    Value::strings(s.split(sep))
}

/// Go's `strings.Title`.
fn title(s: &str) -> String {
    let mut out = String::new();
    let mut prev = ' ';
    for c in s.chars() {
        if prev.is_alphanumeric() || prev == '_' || (prev.is_ascii() && !is_separator(prev)) {
            out.push(c);
        } else {
            out.extend(c.to_uppercase());
        }
        prev = c;
    }
    out
}

fn is_separator(c: char) -> bool {
    if c.is_ascii() {
        !(c.is_ascii_alphanumeric() || c == '_')
    } else {
        c.is_whitespace()
    }
}

fn pad(s: &str, prefix: i64, suffix: i64) -> Result<String, String> {
    const MAX: i64 = 1_000_000;
    if s.is_empty() {
        return Ok(String::new());
    }
    let blanks = |n: i64| match n {
        n if n < 0 => Err("strings: negative Repeat count".to_string()),
        n if n > MAX => Err(format!("padding of {n} is more than {MAX}")),
        n => Ok(" ".repeat(n as usize)),
    };
    Ok(format!("{}{s}{}", blanks(prefix)?, blanks(suffix)?))
}

fn truncate(s: &str, n: i64) -> Result<String, String> {
    let Ok(n) = usize::try_from(n) else {
        return Err(format!("runtime error: slice bounds out of range [:{n}]"));
    };
    if s.len() < n {
        return Ok(s.into());
    }
    // Go cuts bytes; a character cut in the middle shows as U+FFFD.
    Ok(String::from_utf8_lossy(&s.as_bytes()[..n]).into_owned())
}

fn len(v: Value) -> Result<Value, String> {
    let (v, nil) = v.indirect();
    if nil {
        return Err("len of nil pointer".into());
    }
    let n = match &v {
        Value::Nil => return Err("reflect: call of reflect.Value.Type on zero Value".into()),
        Value::Str(s) | Value::Number(s) => s.len(),
        Value::List(l) => l.items.len(),
        Value::Map(m) => m.entries.len(),
        v => return Err(format!("len of type {}", v.type_name())),
    };
    Ok(Value::Int(n as i64))
}

fn index_int(v: &Value, cap: usize) -> Result<usize, String> {
    let n = match v {
        Value::Int(n) => *n,
        Value::Uint(n) => i64::try_from(*n).unwrap_or(-1),
        Value::Nil => return Err("cannot index slice/array with nil".into()),
        v => {
            return Err(format!(
                "cannot index slice/array with type {}",
                v.type_name()
            ));
        }
    };
    match usize::try_from(n) {
        Ok(i) if i < cap => Ok(i),
        _ => Err(format!("index out of range: {n}")),
    }
}

fn index(item: Value, indexes: &[Value]) -> Result<Value, String> {
    if matches!(item, Value::Nil) {
        return Err("index of untyped nil".into());
    }
    let mut item = item;
    for i in indexes {
        let (v, nil) = item.indirect();
        if nil {
            return Err("index of nil pointer".into());
        }
        item = match &v {
            Value::List(l) => l.items[index_int(i, l.items.len())?].clone(),
            Value::Str(s) | Value::Number(s) => {
                Value::Int(s.as_bytes()[index_int(i, s.len())?].into())
            }
            Value::Map(m) => match i {
                Value::Str(k) => m
                    .entries
                    .get(k)
                    .cloned()
                    .unwrap_or_else(|| Value::zero(&m.elem)),
                Value::Nil => return Err("value is nil; should be of type string".into()),
                other => {
                    return Err(format!(
                        "value has type {}; should be string",
                        other.type_name()
                    ));
                }
            },
            Value::Nil => return Err("index of nil pointer".into()),
            v => return Err(format!("can't index item of type {}", v.type_name())),
        };
    }
    Ok(item)
}

fn slice(item: Value, indexes: &[Value]) -> Result<Value, String> {
    let (item, _) = item.indirect();
    let cap = match &item {
        Value::Nil => return Err("slice of untyped nil".into()),
        _ if indexes.len() > 3 => return Err(format!("too many slice indexes: {}", indexes.len())),
        Value::Str(_) if indexes.len() == 3 => return Err("cannot 3-index slice a string".into()),
        Value::Str(s) => s.len(),
        Value::List(l) => l.items.len(),
        v => return Err(format!("can't slice item of type {}", v.type_name())),
    };
    let at = |i: usize, default: usize| match indexes.get(i) {
        Some(v) => index_int(v, cap + 1),
        None => Ok(default),
    };
    let (from, to, max) = (at(0, 0)?, at(1, cap)?, at(2, cap)?);
    if from > to {
        return Err(format!("invalid slice index: {from} > {to}"));
    }
    if to > max {
        return Err(format!("invalid slice index: {to} > {max}"));
    }
    Ok(match &item {
        Value::Str(s) => String::from_utf8_lossy(&s.as_bytes()[from..to])
            .into_owned()
            .into(),
        Value::List(l) => Value::list(l.elem.clone(), l.items[from..to].to_vec()),
        _ => Value::Nil,
    })
}

const INCOMPATIBLE: &str = "incompatible types for comparison";
const BAD_TYPE: &str = "invalid type for comparison";

fn equal(a: &Value, b: &Value) -> Result<bool, String> {
    use Value::*;
    let basic = |v: &Value| {
        matches!(
            v,
            Bool(_) | Int(_) | Uint(_) | Float(_) | Str(_) | Number(_)
        )
    };
    Ok(match (a, b) {
        (Bool(a), Bool(b)) => a == b,
        (Int(a), Int(b)) => a == b,
        (Uint(a), Uint(b)) => a == b,
        (Int(a), Uint(b)) | (Uint(b), Int(a)) => u64::try_from(*a) == Ok(*b),
        (Float(a), Float(b)) => a == b,
        (Str(a) | Number(a), Str(b) | Number(b)) => a == b,
        (Nil, Nil) => true,
        (Nil, Ptr(p)) | (Ptr(p), Nil) => p.to.is_none(),
        (Nil, List(l)) | (List(l), Nil) => l.nil,
        (Nil, Map(m)) | (Map(m), Nil) => m.nil,
        (Nil, _) | (_, Nil) => false,
        (Text(a), Text(b)) if a.name == b.name => a.text == b.text,
        (Ptr(a), Ptr(b)) => match (&a.to, &b.to) {
            (None, None) => true,
            (Some(_), Some(_)) => std::rc::Rc::ptr_eq(a, b),
            _ => false,
        },
        (a, b) if basic(a) || basic(b) => return Err(INCOMPATIBLE.into()),
        (Struct(x), Struct(y)) if x.name == y.name => {
            for (f, g) in x.fields.iter().zip(&y.fields) {
                if !equal(&f.value, &g.value)? {
                    return Ok(false);
                }
            }
            true
        }
        (a, b) if a.type_name() != b.type_name() => {
            return Err(format!(
                "non-comparable types {}: {}, {}: {}",
                sprintf("%s", std::slice::from_ref(a)),
                a.type_name(),
                b.type_name(),
                sprint(std::slice::from_ref(b))
            ));
        }
        (a, _) => {
            return Err(format!(
                "non-comparable type {}: {}",
                sprintf("%s", std::slice::from_ref(a)),
                a.type_name()
            ));
        }
    })
}

fn less(a: &Value, b: &Value) -> Result<bool, String> {
    use Value::*;
    let basic = |v: &Value| {
        matches!(
            v,
            Bool(_) | Int(_) | Uint(_) | Float(_) | Str(_) | Number(_)
        )
    };
    if !basic(a) || !basic(b) {
        return Err(BAD_TYPE.into());
    }
    Ok(match (a, b) {
        (Int(a), Int(b)) => a < b,
        (Uint(a), Uint(b)) => a < b,
        (Int(a), Uint(b)) => *a < 0 || (*a as u64) < *b,
        (Uint(a), Int(b)) => *b >= 0 && *a < *b as u64,
        (Float(a), Float(b)) => a < b,
        (Str(a) | Number(a), Str(b) | Number(b)) => a < b,
        (Bool(_), Bool(_)) => return Err(BAD_TYPE.into()),
        _ => return Err(INCOMPATIBLE.into()),
    })
}

fn html(s: &str) -> String {
    let mut out = String::with_capacity(s.len());
    for c in s.chars() {
        match c {
            '"' => out.push_str("&#34;"),
            '\'' => out.push_str("&#39;"),
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\0' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

fn js(s: &str) -> String {
    use std::fmt::Write;
    let mut out = String::with_capacity(s.len());
    for c in s.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\'' => out.push_str("\\'"),
            '"' => out.push_str("\\\""),
            '<' | '>' | '&' | '=' => {
                let _ = write!(out, "\\u{:04X}", c as u32);
            }
            c if (c as u32) < 0x20 => {
                let _ = write!(out, "\\u{:04X}", c as u32);
            }
            c => out.push(c),
        }
    }
    out
}

fn url_query(s: &str) -> String {
    use std::fmt::Write;
    let mut out = String::with_capacity(s.len());
    for b in s.bytes() {
        match b {
            b' ' => out.push('+'),
            b if b.is_ascii_alphanumeric() || b"-_.~".contains(&b) => out.push(b as char),
            b => {
                let _ = write!(out, "%{b:02X}");
            }
        }
    }
    out
}

/// `strconv.Unquote` for the string literals the lexer lets through.
pub fn unquote(s: &str) -> Option<String> {
    if let Some(raw) = s.strip_prefix('`') {
        return Some(raw.strip_suffix('`')?.replace('\r', ""));
    }
    let inner = s.strip_prefix('"')?.strip_suffix('"')?;
    unescape(inner, '"')
}

fn unescape(s: &str, quote: char) -> Option<String> {
    let mut out: Vec<u8> = Vec::with_capacity(s.len());
    let mut chars = s.chars();
    let mut buf = [0; 4];
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.extend(c.encode_utf8(&mut buf).as_bytes());
            continue;
        }
        let hex = |chars: &mut std::str::Chars<'_>, n: usize, radix: u32| -> Option<u32> {
            let mut v = 0u32;
            for _ in 0..n {
                v = v
                    .checked_mul(radix)?
                    .checked_add(chars.next()?.to_digit(radix)?)?;
            }
            Some(v)
        };
        match chars.next()? {
            'a' => out.push(7),
            'b' => out.push(8),
            'f' => out.push(12),
            'n' => out.push(b'\n'),
            'r' => out.push(b'\r'),
            't' => out.push(b'\t'),
            'v' => out.push(11),
            '\\' => out.push(b'\\'),
            'x' => out.push(hex(&mut chars, 2, 16)? as u8),
            'u' => out.extend(
                char::from_u32(hex(&mut chars, 4, 16)?)?
                    .encode_utf8(&mut buf)
                    .as_bytes(),
            ),
            'U' => out.extend(
                char::from_u32(hex(&mut chars, 8, 16)?)?
                    .encode_utf8(&mut buf)
                    .as_bytes(),
            ),
            d @ '0'..='7' => {
                let v = d.to_digit(8)? * 64 + hex(&mut chars, 2, 8)?;
                out.push(u8::try_from(v).ok()?);
            }
            q if q == quote => out.push(q as u8),
            _ => return None,
        }
    }
    Some(String::from_utf8_lossy(&out).into_owned())
}

/// A character constant.
pub fn parse_char(s: &str) -> Result<Number, String> {
    let bad = || format!("malformed character constant: {s}");
    let inner = s
        .strip_prefix('\'')
        .and_then(|s| s.strip_suffix('\''))
        .ok_or_else(bad)?;
    if inner.is_empty() {
        return Err("invalid syntax".into());
    }
    let text = unescape(inner, '\'').ok_or_else(bad)?;
    let mut chars = text.chars();
    match (chars.next(), chars.next()) {
        (Some(c), None) => Ok(Number {
            int: Some(i64::from(c as u32)),
            uint: Some(u64::from(c as u32)),
            float: Some(f64::from(c as u32)),
            is_float_text: false,
        }),
        _ => Err(bad()),
    }
}

/// A number literal, with Go's prefixes and underscores.
pub fn parse_number(s: &str) -> Result<Number, String> {
    let bad = || format!("illegal number syntax: {}", crate::print::quote(s));
    let (neg, body) = match s.strip_prefix('-') {
        Some(b) => (true, b),
        None => (false, s.strip_prefix('+').unwrap_or(s)),
    };
    let lower = body.to_ascii_lowercase();
    let (radix, digits) = if let Some(d) = lower.strip_prefix("0x") {
        (16, d)
    } else if let Some(d) = lower.strip_prefix("0b") {
        (2, d)
    } else if let Some(d) = lower.strip_prefix("0o") {
        (8, d)
    } else if lower.len() > 1
        && lower.starts_with('0')
        && lower.chars().all(|c| c.is_ascii_digit() || c == '_')
    {
        (8, &lower[1..])
    } else {
        (10, &lower[..])
    };
    if digits.ends_with('_') || digits.contains("__") {
        return Err(bad());
    }
    let digits = digits.replace('_', "");
    let mut n = Number::default();
    if let Ok(v) = u64::from_str_radix(&digits, radix) {
        if !neg {
            n.uint = Some(v);
        }
        n.int = if neg {
            0i64.checked_sub_unsigned(v)
        } else {
            i64::try_from(v).ok()
        };
        if n.int.is_none() && n.uint.is_none() {
            return Err(format!("integer overflow: {}", crate::print::quote(s)));
        }
        n.float = Some(if neg { -(v as f64) } else { v as f64 });
        return Ok(n);
    }
    if radix == 10
        && digits.chars().any(|c| c.is_ascii_digit())
        && let Ok(f) = digits.parse::<f64>()
    {
        if !digits.contains(['.', 'e']) {
            return Err(format!("integer overflow: {}", crate::print::quote(s)));
        }
        if f.is_infinite() {
            return Err(bad());
        }
        let f = if neg { -f } else { f };
        n.float = Some(f);
        n.is_float_text = true;
        // A floating point constant with an integral value also serves as an integer argument.
        if f.fract() == 0.0 && f.abs() < 9.0e18 {
            n.int = Some(f as i64);
            if f >= 0.0 {
                n.uint = Some(f as u64);
            }
        }
        return Ok(n);
    }
    Err(bad())
}
