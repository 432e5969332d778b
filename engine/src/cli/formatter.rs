//! `--format`: tables, templates and JSON over rows.

use super::{Failure, tabwriter};
use bottleship_gotmpl::{Func, Functions, MissingKey, Param, Template, Value};
use bottleship_oci::document::printable_lines;
use std::borrow::Cow;
use std::rc::Rc;

/// Rows to print, under their headings.
pub struct Rows {
    /// Fields and the headings they have in tables.
    pub headers: &'static [(&'static str, &'static str)],
    /// The rows.
    pub rows: Vec<Value>,
}

/// A row: docker's formatter context of this name, its fields, and methods with arguments.
pub fn row(
    name: &'static str,
    fields: Vec<(&'static str, Value)>,
    methods: Vec<(&'static str, Func)>,
) -> Value {
    Value::row(
        name,
        fields.into_iter().map(|(n, v)| (Cow::Borrowed(n), v)),
        methods,
    )
}

/// A method of one text argument, such as `.Label "name"`.
pub fn text_method(f: impl Fn(&str) -> String + 'static) -> Func {
    Func {
        params: Rc::new([Param::Str]),
        body: Rc::new(move |args| match args.first() {
            Some(Value::Str(s)) => Ok(f(s).into()),
            _ => Ok("".into()),
        }),
    }
}

/// Whether the format makes a table.
pub fn is_table(format: &str) -> bool {
    format.is_empty() || format.starts_with("table")
}

fn failure(e: bottleship_gotmpl::Error) -> Failure {
    Failure::new(format!("template parsing error: {e}"))
}

/// Parses a `--format`, with docker's treatment of blanks and escapes.
pub fn template(format: &str, default_table: &str) -> Result<(Template, bool), Failure> {
    let table = is_table(format);
    let text = match format {
        "" | "table" => default_table.strip_prefix("table").unwrap_or(default_table),
        "json" => "{{json .}}",
        f => f.strip_prefix("table").unwrap_or(f),
    };
    let text = text
        .trim_matches(' ')
        .replace("\\t", "\t")
        .replace("\\n", "\n");
    Ok((Template::parse("", &text).map_err(failure)?, table))
}

/// Renders rows in `format`; an empty one or `table` stands for `default_table`.
pub fn render(format: &str, default_table: &str, rows: &Rows) -> Result<String, Failure> {
    let (template, table) = template(format, default_table)?;
    let mut body = String::new();
    for r in &rows.rows {
        template
            .execute_to(&mut body, r, MissingKey::Invalid, Functions::Docker)
            .map_err(failure)?;
        body.push('\n');
    }
    if !table {
        return Ok(body);
    }
    let mut header: std::collections::BTreeMap<Rc<str>, Value> = rows
        .headers
        .iter()
        .map(|(f, h)| (Rc::from(*f), Value::from(*h)))
        .collect();
    header.insert("Label".into(), Value::Func(text_method(label_heading)));
    let header = Value::map("string", header);
    let mut text = String::new();
    // As in docker, a template the header cannot follow leaves it cut short.
    let _ = template.execute_to(&mut text, &header, MissingKey::Invalid, Functions::Header);
    text.push('\n');
    // Images come from strangers: what they say of themselves must not drive a terminal.
    text.push_str(&printable_lines(&body));
    Ok(tabwriter::table(&text))
}

/// The heading of a column of labels: the last part of the label's name.
fn label_heading(name: &str) -> String {
    name.rsplit('.')
        .next()
        .unwrap_or(name)
        .replace(['-', '_'], " ")
}

/// Executes a `--format` over one value, without a line feed.
pub fn one(format: &str, value: &Value) -> Result<String, Failure> {
    let text = if format == "json" {
        "{{json .}}"
    } else {
        format
    };
    let t = Template::parse("", text).map_err(failure)?;
    t.execute(value, MissingKey::Invalid).map_err(failure)
}
