//! The values a template sees.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;

/// A Go type's name, as error texts give it.
pub type TypeName = Cow<'static, str>;

/// The name of Go's empty interface.
pub const INTERFACE: &str = "interface {}";

/// A value. Cloning is cheap: composite values are shared.
#[derive(Clone, Debug, Default)]
pub enum Value {
    /// A nil interface, or no value at all.
    #[default]
    Nil,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Float(f64),
    Str(Rc<str>),
    /// `json.Number`: a number kept as its text.
    Number(Rc<str>),
    List(Rc<List>),
    Map(Rc<Map>),
    Struct(Rc<Struct>),
    Ptr(Rc<Ptr>),
    /// A value with a `String` method, such as `time.Time`.
    Text(Rc<Text>),
    /// A method.
    Func(Func),
}

/// A slice.
#[derive(Debug)]
pub struct List {
    /// The element's type; `interface {}` for decoded JSON.
    pub elem: TypeName,
    pub items: Vec<Value>,
    /// A nil slice: `null` in JSON.
    pub nil: bool,
}

/// A map with string keys.
#[derive(Debug)]
pub struct Map {
    /// The type, when it has a name of its own; otherwise `map[string]ELEM`.
    pub name: Option<TypeName>,
    pub elem: TypeName,
    pub entries: BTreeMap<Rc<str>, Value>,
    pub nil: bool,
}

/// A struct, or a pointer to one with methods for fields.
pub struct Struct {
    pub name: TypeName,
    pub fields: Vec<Field>,
    /// Marshal as docker's formatter rows do: keys sorted, HTML characters escaped.
    pub row: bool,
}

/// A field of a struct.
pub struct Field {
    /// The Go name, which templates use.
    pub name: Cow<'static, str>,
    /// The name in JSON; empty when the field is not marshalled.
    pub json: Cow<'static, str>,
    pub omit_empty: bool,
    pub value: Value,
}

/// A pointer inside a composite value.
#[derive(Debug)]
pub struct Ptr {
    /// The type of what it points to.
    pub elem: TypeName,
    pub to: Option<Value>,
    /// The pointee's fields, so that a nil pointer can tell a missing field from a nil one.
    pub fields: Vec<Cow<'static, str>>,
}

/// A value that prints itself.
#[derive(Debug)]
pub struct Text {
    pub name: TypeName,
    pub text: String,
    /// Its JSON form, already encoded.
    pub json: String,
}

/// The parameter types a method may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Param {
    Any,
    Str,
    Int,
    /// `[]string`
    Strings,
}

type MethodBody = Rc<dyn Fn(&[Value]) -> Result<Value, String>>;

/// A method with arguments.
#[derive(Clone)]
pub struct Func {
    pub params: Rc<[Param]>,
    pub body: MethodBody,
}

impl fmt::Debug for Func {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Func{:?}", self.params)
    }
}

impl fmt::Debug for Struct {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut d = f.debug_struct(&self.name);
        for field in &self.fields {
            d.field(&field.name, &field.value);
        }
        d.finish()
    }
}

impl From<&str> for Value {
    fn from(s: &str) -> Value {
        Value::Str(s.into())
    }
}

impl From<String> for Value {
    fn from(s: String) -> Value {
        Value::Str(s.into())
    }
}

impl From<bool> for Value {
    fn from(b: bool) -> Value {
        Value::Bool(b)
    }
}

impl From<i64> for Value {
    fn from(n: i64) -> Value {
        Value::Int(n)
    }
}

impl From<&serde_json::Value> for Value {
    /// What Go's `json.Decoder` with `UseNumber` makes of a document decoded into `interface {}`.
    fn from(v: &serde_json::Value) -> Value {
        use serde_json::Value as J;
        match v {
            J::Null => Value::Nil,
            J::Bool(b) => Value::Bool(*b),
            J::Number(n) => Value::Number(n.to_string().into()),
            J::String(s) => Value::Str(s.as_str().into()),
            J::Array(a) => Value::list(INTERFACE, a.iter().map(Value::from).collect()),
            J::Object(o) => Value::map(
                INTERFACE,
                o.iter()
                    .map(|(k, v)| (k.as_str().into(), Value::from(v)))
                    .collect(),
            ),
        }
    }
}

impl Value {
    /// A slice of `elem`.
    pub fn list(elem: impl Into<TypeName>, items: Vec<Value>) -> Value {
        Value::List(Rc::new(List {
            elem: elem.into(),
            items,
            nil: false,
        }))
    }

    /// A `[]string`.
    pub fn strings<S: AsRef<str>>(items: impl IntoIterator<Item = S>) -> Value {
        Value::list(
            "string",
            items.into_iter().map(|s| s.as_ref().into()).collect(),
        )
    }

    /// A `map[string]elem`.
    pub fn map(elem: impl Into<TypeName>, entries: BTreeMap<Rc<str>, Value>) -> Value {
        Value::Map(Rc::new(Map {
            name: None,
            elem: elem.into(),
            entries,
            nil: false,
        }))
    }

    /// One of docker's formatter rows: `fields` are its methods without arguments, `methods` those with.
    pub fn row(
        name: impl Into<TypeName>,
        fields: impl IntoIterator<Item = (Cow<'static, str>, Value)>,
        methods: impl IntoIterator<Item = (&'static str, Func)>,
    ) -> Value {
        let mut all: Vec<Field> = fields
            .into_iter()
            .map(|(name, value)| Field {
                json: name.clone(),
                name,
                omit_empty: false,
                value,
            })
            .collect();
        all.extend(methods.into_iter().map(|(name, f)| Field {
            name: name.into(),
            json: "".into(),
            omit_empty: false,
            value: Value::Func(f),
        }));
        Value::Struct(Rc::new(Struct {
            name: name.into(),
            fields: all,
            row: true,
        }))
    }

    /// Go's name of the value's type (`reflect.Type.String`).
    pub fn type_name(&self) -> String {
        match self {
            Value::Nil => "<nil>".into(),
            Value::Bool(_) => "bool".into(),
            Value::Int(_) => "int".into(),
            Value::Uint(_) => "uint64".into(),
            Value::Float(_) => "float64".into(),
            Value::Str(_) => "string".into(),
            Value::Number(_) => "json.Number".into(),
            Value::List(l) => format!("[]{}", l.elem),
            Value::Map(m) => match &m.name {
                Some(n) => n.to_string(),
                None => format!("map[string]{}", m.elem),
            },
            Value::Struct(s) => s.name.to_string(),
            Value::Ptr(p) => format!("*{}", p.elem),
            Value::Text(t) => t.name.to_string(),
            Value::Func(_) => "func".into(),
        }
    }

    /// Go's truth: false for zero values and empty composites.
    pub fn truth(&self) -> bool {
        match self {
            Value::Nil => false,
            Value::Bool(b) => *b,
            Value::Int(n) => *n != 0,
            Value::Uint(n) => *n != 0,
            Value::Float(n) => *n != 0.0,
            Value::Str(s) | Value::Number(s) => !s.is_empty(),
            Value::List(l) => !l.items.is_empty(),
            Value::Map(m) => !m.entries.is_empty(),
            Value::Ptr(p) => p.to.is_some(),
            Value::Struct(_) | Value::Text(_) | Value::Func(_) => true,
        }
    }

    /// The zero value of a type, as far as the name tells; used for missing map entries.
    pub(crate) fn zero(type_name: &str) -> Value {
        match type_name {
            "string" => "".into(),
            "bool" => false.into(),
            "int" | "int64" => 0.into(),
            t if t.starts_with("[]") => Value::List(Rc::new(List {
                elem: t[2..].to_string().into(),
                items: Vec::new(),
                nil: true,
            })),
            _ => Value::Nil,
        }
    }

    /// The pointee of a pointer, the value itself otherwise; `true` when the pointer is nil.
    pub(crate) fn indirect(self) -> (Value, bool) {
        let mut v = self;
        // Pointers to pointers do not occur in docker's types; the loop is bounded by the value's depth.
        while let Value::Ptr(p) = &v {
            match &p.to {
                Some(to) => v = to.clone(),
                None => return (v, true),
            }
        }
        (v, false)
    }
}
