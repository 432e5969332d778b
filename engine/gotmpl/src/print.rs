//! Go's `fmt`: `Sprint`, `Sprintln`, `Sprintf`, `strconv.Quote`.

use crate::value::Value;
use std::fmt::Write;

/// Go's fmt refuses widths and precisions beyond this.
const MAX_WIDTH: usize = 1_000_000;
/// Deeper values print as `...`; JSON documents of that depth are refused earlier.
const MAX_DEPTH: usize = 200;

/// `strconv.Quote`.
pub fn quote(s: &str) -> String {
    quote_with(s, '"', false)
}

fn quote_with(s: &str, q: char, ascii: bool) -> String {
    let mut out = String::with_capacity(s.len() + 2);
    out.push(q);
    for c in s.chars() {
        match c {
            c if c == q => {
                out.push('\\');
                out.push(c);
            }
            '\\' => out.push_str("\\\\"),
            '\x07' => out.push_str("\\a"),
            '\x08' => out.push_str("\\b"),
            '\x0c' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\x0b' => out.push_str("\\v"),
            c if (c as u32) < 0x20 || c as u32 == 0x7f => {
                let _ = write!(out, "\\x{:02x}", c as u32);
            }
            c if !printable(c) || (ascii && !c.is_ascii()) => {
                let _ = if (c as u32) < 0x10000 {
                    write!(out, "\\u{:04x}", c as u32)
                } else {
                    write!(out, "\\U{:08x}", c as u32)
                };
            }
            c => out.push(c),
        }
    }
    out.push(q);
    out
}

/// Go's `unicode.IsPrint`, as nearly as the standard library's tables tell.
fn printable(c: char) -> bool {
    match c {
        ' ' => true,
        '\u{a0}' | '\u{ad}' | '\u{feff}' | '\u{e000}'..='\u{f8ff}' => false,
        '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' => false,
        c => !c.is_control() && !c.is_whitespace(),
    }
}

/// `strconv.FormatFloat(v, fmt, prec, 64)` for `e`, `f` and `g`; no precision means the shortest text.
pub fn float(v: f64, verb: char, prec: Option<usize>) -> String {
    if v.is_nan() {
        return "NaN".into();
    }
    if v.is_infinite() {
        return if v > 0.0 { "+Inf" } else { "-Inf" }.into();
    }
    match verb {
        'f' | 'F' => match prec {
            Some(p) => format!("{v:.p$}"),
            None => format!("{v}"),
        },
        'e' | 'E' => {
            let s = match prec {
                Some(p) => format!("{v:.p$e}"),
                None => format!("{v:e}"),
            };
            let (m, e) = s.split_once('e').unwrap_or((&s, "0"));
            let (sign, digits) = match e.strip_prefix('-') {
                Some(d) => ('-', d),
                None => ('+', e),
            };
            let s = format!("{m}e{sign}{digits:0>2}");
            if verb == 'E' { s.to_uppercase() } else { s }
        }
        _ => {
            let p = prec.map(|p| p.max(1));
            let sci = match p {
                Some(p) => format!("{v:.*e}", p - 1),
                None => format!("{v:e}"),
            };
            let exp: i32 = sci
                .split_once('e')
                .and_then(|(_, e)| e.parse().ok())
                .unwrap_or(0);
            let mantissa_digits = sci
                .chars()
                .take_while(|c| *c != 'e')
                .filter(char::is_ascii_digit)
                .count();
            let mut eprec = p.map_or(6, |p| p as i32);
            if p.is_some() && eprec > mantissa_digits as i32 && mantissa_digits as i32 > exp {
                eprec = mantissa_digits as i32;
            }
            if p.is_none() {
                eprec = 6;
            }
            let trim = |s: &str| -> String {
                if s.contains('.') {
                    s.trim_end_matches('0').trim_end_matches('.').to_string()
                } else {
                    s.to_string()
                }
            };
            if exp < -4 || exp >= eprec {
                let (m, e) = sci.split_once('e').unwrap_or((&sci, "0"));
                let (sign, digits) = match e.strip_prefix('-') {
                    Some(d) => ('-', d),
                    None => ('+', e),
                };
                let e = if verb == 'G' { 'E' } else { 'e' };
                format!("{}{e}{sign}{digits:0>2}", trim(m))
            } else {
                match p {
                    Some(p) => trim(&format!("{v:.*}", (p as i32 - 1 - exp).max(0) as usize)),
                    None => format!("{v}"),
                }
            }
        }
    }
}

/// `fmt.Sprint`.
pub fn sprint(args: &[Value]) -> String {
    let mut out = String::new();
    let mut prev_str = false;
    for (i, a) in args.iter().enumerate() {
        let is_str = matches!(a, Value::Str(_));
        if i > 0 && !is_str && !prev_str {
            out.push(' ');
        }
        plain(&mut out, a);
        prev_str = is_str;
    }
    out
}

/// `fmt.Sprintln`.
pub fn sprintln(args: &[Value]) -> String {
    let mut out = String::new();
    for (i, a) in args.iter().enumerate() {
        if i > 0 {
            out.push(' ');
        }
        plain(&mut out, a);
    }
    out.push('\n');
    out
}

/// `%v`.
pub fn plain(out: &mut String, v: &Value) {
    value(out, v, &Spec::default(), 'v', 0);
}

#[derive(Clone, Default)]
struct Spec {
    width: Option<usize>,
    prec: Option<usize>,
    minus: bool,
    plus: bool,
    sharp: bool,
    space: bool,
    zero: bool,
}

/// Appends `s`, padded to the width, counted in characters.
fn pad(out: &mut String, s: &str, spec: &Spec) {
    let n = s.chars().count();
    let fill = spec.width.unwrap_or(0).saturating_sub(n);
    if spec.minus {
        out.push_str(s);
        out.extend(std::iter::repeat_n(' ', fill));
    } else if spec.zero && fill > 0 {
        let (sign, rest) = match s.strip_prefix(['-', '+']) {
            Some(r) if s.len() > 1 => (&s[..1], r),
            _ => ("", s),
        };
        out.push_str(sign);
        out.extend(std::iter::repeat_n('0', fill));
        out.push_str(rest);
    } else {
        out.extend(std::iter::repeat_n(' ', fill));
        out.push_str(s);
    }
}

fn bad_verb(out: &mut String, v: &Value, verb: char) {
    if matches!(v, Value::Nil) {
        let _ = write!(out, "%!{verb}(<nil>)");
        return;
    }
    let _ = write!(out, "%!{verb}({}=", v.type_name());
    plain(out, v);
    out.push(')');
}

fn integer(out: &mut String, v: &Value, neg: bool, abs: u64, spec: &Spec, verb: char) {
    let mut s = match verb {
        'v' | 'd' => abs.to_string(),
        'b' => format!("{abs:b}"),
        'o' => format!("{}{abs:o}", if spec.sharp { "0" } else { "" }),
        'O' => format!("0o{abs:o}"),
        'x' => format!("{}{abs:x}", if spec.sharp { "0x" } else { "" }),
        'X' => format!("{}{abs:X}", if spec.sharp { "0X" } else { "" }),
        'c' | 'q' | 'U' => {
            let c = u32::try_from(abs)
                .ok()
                .filter(|_| !neg)
                .and_then(char::from_u32);
            let c = c.unwrap_or('\u{fffd}');
            let s = match verb {
                'c' => c.to_string(),
                'q' => quote_with(&c.to_string(), '\'', spec.plus),
                _ if spec.sharp && printable(c) => format!("U+{abs:04X} '{c}'"),
                _ => format!("U+{abs:04X}"),
            };
            return pad(
                out,
                &s,
                &Spec {
                    zero: false,
                    ..spec.clone()
                },
            );
        }
        'e' | 'E' | 'f' | 'F' | 'g' | 'G' | 's' | 't' | 'p' => return bad_verb(out, v, verb),
        _ => return bad_verb(out, v, verb),
    };
    if let Some(p) = spec.prec {
        let n = s.len();
        if n < p {
            s.insert_str(0, &"0".repeat(p - n));
        }
        if p == 0 && abs == 0 {
            s.clear();
        }
    }
    if neg {
        s.insert(0, '-');
    } else if spec.plus {
        s.insert(0, '+');
    } else if spec.space {
        s.insert(0, ' ');
    }
    let spec = Spec {
        zero: spec.zero && spec.prec.is_none(),
        ..spec.clone()
    };
    pad(out, &s, &spec);
}

fn string(out: &mut String, v: &Value, s: &str, spec: &Spec, verb: char) {
    let cut: String;
    let s = match spec.prec {
        Some(p) if verb != 'x' && verb != 'X' => {
            cut = s.chars().take(p).collect();
            &cut
        }
        _ => s,
    };
    match verb {
        'v' if spec.sharp => pad(out, &quote(s), spec),
        'v' | 's' => pad(out, s, spec),
        'q' if spec.sharp && !s.contains('`') => pad(out, &format!("`{s}`"), spec),
        'q' => pad(out, &quote_with(s, '"', spec.plus), spec),
        'x' | 'X' => {
            let bytes = s.as_bytes();
            let bytes = &bytes[..spec.prec.unwrap_or(bytes.len()).min(bytes.len())];
            let mut hex = String::new();
            for (i, b) in bytes.iter().enumerate() {
                if i > 0 && spec.space {
                    hex.push(' ');
                }
                if spec.sharp && (i == 0 || spec.space) {
                    hex.push_str(if verb == 'x' { "0x" } else { "0X" });
                }
                let _ = if verb == 'x' {
                    write!(hex, "{b:02x}")
                } else {
                    write!(hex, "{b:02X}")
                };
            }
            pad(out, &hex, spec);
        }
        _ => bad_verb(out, v, verb),
    }
}

/// An address in the style Go prints: stable within a run, meaningless otherwise.
const ADDRESS: &str = "0xc000012345";

fn value(out: &mut String, v: &Value, spec: &Spec, verb: char, depth: usize) {
    if depth > MAX_DEPTH {
        out.push_str("...");
        return;
    }
    match v {
        Value::Nil => match verb {
            'v' if depth > 0 && spec.sharp => out.push_str("interface {}(nil)"),
            'v' => pad(out, "<nil>", spec),
            'T' => pad(out, "<nil>", spec),
            _ => bad_verb(out, v, verb),
        },
        Value::Bool(b) => match verb {
            'v' | 't' => pad(out, if *b { "true" } else { "false" }, spec),
            _ => bad_verb(out, v, verb),
        },
        Value::Int(n) => integer(out, v, *n < 0, n.unsigned_abs(), spec, verb),
        Value::Uint(n) => integer(out, v, false, *n, spec, verb),
        Value::Float(n) => {
            let s = match verb {
                'v' | 'g' => float(*n, 'g', spec.prec),
                'G' => float(*n, 'G', spec.prec),
                'e' | 'E' | 'f' | 'F' => float(*n, verb, Some(spec.prec.unwrap_or(6))),
                _ => return bad_verb(out, v, verb),
            };
            let s = if *n >= 0.0 && spec.plus {
                format!("+{}", s.trim_start_matches('+'))
            } else if *n >= 0.0 && spec.space {
                format!(" {s}")
            } else {
                s
            };
            pad(out, &s, spec);
        }
        Value::Str(s) | Value::Number(s) => string(out, v, s, spec, verb),
        Value::Text(t) => string(out, v, &t.text, spec, verb),
        Value::List(l) => {
            if verb == 'v' && spec.sharp {
                let _ = write!(out, "{}", v.type_name());
            }
            out.push(if spec.sharp && verb == 'v' { '{' } else { '[' });
            for (i, e) in l.items.iter().enumerate() {
                if i > 0 {
                    out.push_str(if spec.sharp && verb == 'v' { ", " } else { " " });
                }
                value(out, e, spec, verb, depth + 1);
            }
            out.push(if spec.sharp && verb == 'v' { '}' } else { ']' });
        }
        Value::Map(m) => {
            let sharp = spec.sharp && verb == 'v';
            if sharp {
                let _ = write!(out, "{}{{", v.type_name());
            } else {
                out.push_str("map[");
            }
            for (i, (k, e)) in m.entries.iter().enumerate() {
                if i > 0 {
                    out.push_str(if sharp { ", " } else { " " });
                }
                value(out, &Value::Str(k.clone()), spec, verb, depth + 1);
                out.push(':');
                value(out, e, spec, verb, depth + 1);
            }
            out.push(if sharp { '}' } else { ']' });
        }
        Value::Struct(s) => {
            let sharp = spec.sharp && verb == 'v';
            if sharp {
                let _ = write!(out, "{}", s.name);
            }
            out.push('{');
            let fields = s
                .fields
                .iter()
                .filter(|f| !matches!(f.value, Value::Func(_)));
            for (i, f) in fields.enumerate() {
                if i > 0 {
                    out.push_str(if sharp { ", " } else { " " });
                }
                if spec.plus || sharp {
                    let _ = write!(out, "{}:", f.name);
                }
                value(out, &f.value, spec, verb, depth + 1);
            }
            out.push('}');
        }
        Value::Ptr(p) => match &p.to {
            None => pad(out, "<nil>", spec),
            Some(to)
                if depth == 0
                    && matches!(to, Value::Struct(_) | Value::Map(_) | Value::List(_)) =>
            {
                out.push('&');
                value(out, to, spec, verb, depth + 1);
            }
            Some(_) => pad(out, ADDRESS, spec),
        },
        Value::Func(_) => pad(out, ADDRESS, spec),
    }
}

/// `fmt.Sprintf`.
pub fn sprintf(format: &str, args: &[Value]) -> String {
    let mut out = String::new();
    let mut chars = format.chars().peekable();
    let mut used = 0;
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let mut spec = Spec::default();
        while let Some(f) = chars.peek() {
            match f {
                '-' => spec.minus = true,
                '+' => spec.plus = true,
                '#' => spec.sharp = true,
                ' ' => spec.space = true,
                '0' => spec.zero = true,
                _ => break,
            }
            chars.next();
        }
        let mut number = |chars: &mut std::iter::Peekable<std::str::Chars<'_>>,
                          out: &mut String,
                          minus: Option<&mut bool>,
                          bad: &str| {
            if chars.peek() == Some(&'*') {
                chars.next();
                let v = args.get(used);
                used += 1;
                return match v {
                    Some(Value::Int(n)) if n.unsigned_abs() as usize <= MAX_WIDTH => {
                        if *n < 0 {
                            match minus {
                                Some(m) => *m = true,
                                None => return None,
                            }
                        }
                        Some(n.unsigned_abs() as usize)
                    }
                    _ => {
                        out.push_str(bad);
                        None
                    }
                };
            }
            let mut n: Option<usize> = None;
            while let Some(d) = chars.peek().and_then(|c| c.to_digit(10)) {
                chars.next();
                n = Some(n.unwrap_or(0).saturating_mul(10).saturating_add(d as usize));
            }
            n.filter(|n| *n <= MAX_WIDTH)
        };
        spec.width = number(&mut chars, &mut out, Some(&mut spec.minus), "%!(BADWIDTH)");
        if chars.peek() == Some(&'.') {
            chars.next();
            spec.prec = Some(number(&mut chars, &mut out, None, "%!(BADPREC)").unwrap_or(0));
        }
        let Some(verb) = chars.next() else {
            out.push_str("%!(NOVERB)");
            break;
        };
        if verb == '%' {
            out.push('%');
            continue;
        }
        let Some(arg) = args.get(used) else {
            let _ = write!(out, "%!{verb}(MISSING)");
            continue;
        };
        used += 1;
        match verb {
            'T' => pad(&mut out, &arg.type_name(), &spec),
            'p' if !matches!(arg, Value::Ptr(_) | Value::Func(_)) => bad_verb(&mut out, arg, 'p'),
            _ => value(&mut out, arg, &spec, verb, 0),
        }
    }
    if used < args.len() {
        out.push_str("%!(EXTRA ");
        for (i, a) in args[used..].iter().enumerate() {
            if i > 0 {
                out.push_str(", ");
            }
            match a {
                Value::Nil => out.push_str("<nil>"),
                a => {
                    let _ = write!(out, "{}=", a.type_name());
                    plain(&mut out, a);
                }
            }
        }
        out.push(')');
    }
    out
}
