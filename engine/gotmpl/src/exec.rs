//! The executor: Go's `text/template/exec.go`.

mod args;

use crate::node::*;
use crate::print::{plain, quote};
use crate::value::{Func, INTERFACE, Value};
use crate::{Error, Functions, MissingKey, Template, funcs};

/// Templates that call themselves deeper than this stop with Go's text.
const MAX_TEMPLATES: usize = 40;
/// Nodes walked and functions called.
const MAX_STEPS: u64 = 20_000_000;
/// Bytes of output.
const MAX_OUTPUT: usize = 64 << 20;

type Result<T> = std::result::Result<T, Error>;

/// A value and whether its static type is `interface {}`, which error texts show.
#[derive(Clone, Default)]
struct Val {
    v: Value,
    iface: bool,
}

impl Val {
    fn of(v: Value) -> Val {
        Val { v, iface: false }
    }

    /// Go's `reflect.Value.IsValid`.
    fn valid(&self) -> bool {
        self.iface || !matches!(self.v, Value::Nil)
    }

    fn type_name(&self) -> String {
        if self.iface {
            INTERFACE.into()
        } else {
            self.v.type_name()
        }
    }
}

enum Flow {
    Next,
    Break,
    Continue,
}

struct State<'a> {
    template: &'a Template,
    name: String,
    out: &'a mut String,
    missing: MissingKey,
    functions: Functions,
    vars: Vec<(String, Val)>,
    depth: usize,
    steps: u64,
    /// The node errors name: its position and text, made only when an error needs it.
    at: (Pos, At<'a>),
}

#[derive(Clone, Copy)]
enum At<'a> {
    None,
    Pipe(&'a Pipe),
    Operand(&'a Operand),
    Command(&'a Command),
    Node(&'a Node),
}

pub fn execute(
    template: &Template,
    out: &mut String,
    dot: &Value,
    missing: MissingKey,
    functions: Functions,
) -> Result<()> {
    let mut s = State {
        template,
        name: template.name.clone(),
        out,
        missing,
        functions,
        vars: vec![("$".into(), Val::of(dot.clone()))],
        depth: 0,
        steps: 0,
        at: (0, At::None),
    };
    let Some(root) = template.trees.get(&template.name) else {
        return Err(Error(format!(
            "template: {}: {} is an incomplete or empty template",
            template.name,
            quote(&template.name)
        )));
    };
    s.list(&Val::of(dot.clone()), root).map(drop)
}

impl<'a> State<'a> {
    fn error<T>(&self, text: &str) -> Result<T> {
        let name = quote(&self.name);
        let (pos, node) = self.at;
        let shown = match node {
            At::None => return Err(Error(format!("template: {}: {text}", self.name))),
            At::Pipe(p) => p.to_string(),
            At::Operand(o) => o.to_string(),
            At::Command(c) => c.to_string(),
            At::Node(n) => n.to_string(),
        };
        let before = self.template.text.get(..pos).unwrap_or("");
        let line = 1 + before.matches('\n').count();
        let column = before.len() - before.rfind('\n').map_or(0, |i| i + 1);
        Err(Error(format!(
            "template: {}:{line}:{column}: executing {name} at <{shown}>: {text}",
            self.template.name
        )))
    }

    fn step(&mut self) -> Result<()> {
        self.steps += 1;
        if self.steps > MAX_STEPS {
            return self.error("the template runs for too long");
        }
        Ok(())
    }

    fn write(&mut self, text: &str) -> Result<()> {
        if self.out.len() + text.len() > MAX_OUTPUT {
            return self.error("the template's output is larger than 64 MiB");
        }
        self.out.push_str(text);
        Ok(())
    }

    fn list(&mut self, dot: &Val, list: &'a List) -> Result<Flow> {
        for n in &list.0 {
            match self.node(dot, n)? {
                Flow::Next => {}
                f => return Ok(f),
            }
        }
        Ok(Flow::Next)
    }

    fn node(&mut self, dot: &Val, node: &'a Node) -> Result<Flow> {
        self.step()?;
        match node {
            Node::Text(t) => self.write(t)?,
            Node::Action(p) => {
                let v = self.pipe(dot, p)?;
                if p.decl.is_empty() {
                    self.print(p, v)?;
                }
            }
            Node::If(b) => return self.branch(dot, b, false),
            Node::With(b) => return self.branch(dot, b, true),
            Node::Range(b) => {
                let mark = self.vars.len();
                let r = self.range(dot, b);
                self.vars.truncate(mark);
                r?;
            }
            Node::Template { pos, name, pipe } => {
                self.at = (*pos, At::Node(node));
                let Some(list) = self.template.trees.get(name) else {
                    return self.error(&format!("template {} not defined", quote(name)));
                };
                if self.depth >= MAX_TEMPLATES {
                    return self.error(&format!(
                        "exceeded maximum template depth ({MAX_TEMPLATES})"
                    ));
                }
                let dot = match pipe {
                    Some(p) => self.pipe(dot, p)?,
                    None => Val::default(),
                };
                self.depth += 1;
                let vars = std::mem::replace(&mut self.vars, vec![("$".into(), dot.clone())]);
                let outer = std::mem::replace(&mut self.name, name.clone());
                self.list(&dot, list)?;
                self.name = outer;
                self.vars = vars;
                self.depth -= 1;
            }
            Node::Break => return Ok(Flow::Break),
            Node::Continue => return Ok(Flow::Continue),
            Node::End | Node::Else => {}
        }
        Ok(Flow::Next)
    }

    fn print(&mut self, pipe: &'a Pipe, v: Val) -> Result<()> {
        let (v, nil) = v.v.indirect();
        if nil {
            return self.write("<nil>");
        }
        match &v {
            Value::Nil => self.write("<no value>"),
            Value::Func(_) => self.error(&format!("can't print {pipe} of type {}", v.type_name())),
            v => {
                let mut text = String::new();
                plain(&mut text, v);
                self.write(&text)
            }
        }
    }

    fn branch(&mut self, dot: &Val, b: &'a Branch, with: bool) -> Result<Flow> {
        let mark = self.vars.len();
        let v = self.pipe(dot, &b.pipe)?;
        let flow = if v.v.truth() {
            self.list(if with { &v } else { dot }, &b.list)
        } else if let Some(e) = &b.else_list {
            self.list(dot, e)
        } else {
            Ok(Flow::Next)
        };
        self.vars.truncate(mark);
        flow
    }

    fn range(&mut self, dot: &Val, b: &'a Branch) -> Result<()> {
        let v = self.pipe(dot, &b.pipe)?;
        let (v, _) = v.v.indirect();
        let mark = self.vars.len();
        let mut ran = false;
        macro_rules! iterate {
            ($index:expr, $elem:expr) => {{
                ran = true;
                let flow = self.iteration(b, Val::of($index), $elem);
                self.vars.truncate(mark);
                match flow? {
                    Flow::Break => break,
                    Flow::Next | Flow::Continue => {}
                }
            }};
        }
        match &v {
            Value::List(l) => {
                let iface = l.elem == INTERFACE;
                for (i, e) in l.items.iter().enumerate() {
                    iterate!(
                        Value::Int(i as i64),
                        Val {
                            v: e.clone(),
                            iface
                        }
                    );
                }
            }
            Value::Int(n) => {
                for i in 0..*n {
                    iterate!(Value::Int(i), Val::of(Value::Int(i)));
                }
            }
            Value::Map(m) => {
                let iface = m.elem == INTERFACE;
                for (k, e) in &m.entries {
                    iterate!(
                        Value::Str(k.clone()),
                        Val {
                            v: e.clone(),
                            iface
                        }
                    );
                }
            }
            Value::Nil => {}
            v => {
                let mut text = String::new();
                plain(&mut text, v);
                return self.error(&format!("range can't iterate over {text}"));
            }
        }
        if !ran && let Some(e) = &b.else_list {
            self.list(dot, e)?;
        }
        Ok(())
    }

    fn iteration(&mut self, b: &'a Branch, index: Val, elem: Val) -> Result<Flow> {
        self.step()?;
        let decl = &b.pipe.decl;
        if b.pipe.assign {
            match decl.as_slice() {
                [one] => self.assign(one, elem.clone())?,
                [i, e] => {
                    self.assign(i, index)?;
                    self.assign(e, elem.clone())?;
                }
                _ => {}
            }
        } else {
            match decl.as_slice() {
                [one] => self.vars.push((one.clone(), elem.clone())),
                [i, e] => {
                    self.vars.push((i.clone(), index));
                    self.vars.push((e.clone(), elem.clone()));
                }
                _ => {}
            }
        }
        self.list(&elem, &b.list)
    }

    fn assign(&mut self, name: &str, v: Val) -> Result<()> {
        match self.vars.iter_mut().rev().find(|(n, _)| n == name) {
            Some(slot) => {
                slot.1 = v;
                Ok(())
            }
            None => self.error(&format!("undefined variable: {name}")),
        }
    }

    fn pipe(&mut self, dot: &Val, pipe: &'a Pipe) -> Result<Val> {
        self.step()?;
        if let Some(c) = pipe.cmds.first() {
            self.at = (c.pos, At::Pipe(pipe));
        }
        let mut value: Option<Val> = None;
        for c in &pipe.cmds {
            let mut v = self.command(dot, c, value)?;
            v.iface = false;
            value = Some(v);
        }
        let value = value.unwrap_or_default();
        // A range's variables are set per element.
        for name in &pipe.decl {
            if pipe.assign {
                self.assign(name, value.clone())?;
            } else {
                self.vars.push((name.clone(), value.clone()));
            }
        }
        Ok(value)
    }

    fn command(&mut self, dot: &Val, cmd: &'a Command, last: Option<Val>) -> Result<Val> {
        let Some(first) = cmd.args.first() else {
            return self.error("empty command");
        };
        let rest = cmd.args.get(1..).unwrap_or(&[]);
        match &first.kind {
            Kind::Field(_) | Kind::Variable(_) | Kind::Chain(..) => {
                self.chain(dot, first, rest, last)
            }
            Kind::Identifier(name) => {
                self.at = (first.pos, At::Operand(first));
                self.function(dot, name, (cmd.pos, At::Command(cmd)), rest, last)
            }
            Kind::Pipe(p) => {
                self.no_args(first, rest, &last)?;
                self.pipe(dot, p)
            }
            kind => {
                self.at = (first.pos, At::Operand(first));
                self.no_args(first, rest, &last)?;
                match kind {
                    Kind::Dot => Ok(dot.clone()),
                    Kind::Nil => self.error("nil is not a command"),
                    Kind::Bool(b) => Ok(Val::of((*b).into())),
                    Kind::Str { text, .. } => Ok(Val::of(text.as_str().into())),
                    Kind::Number { value, text } => self.number(value, text).map(Val::of),
                    _ => self.error(&format!(
                        "can't evaluate command {}",
                        quote(&first.to_string())
                    )),
                }
            }
        }
    }

    fn no_args(&self, first: &Operand, rest: &[Operand], last: &Option<Val>) -> Result<()> {
        if rest.is_empty() && last.is_none() {
            return Ok(());
        }
        self.error(&format!("can't give argument to non-function {first}"))
    }

    fn number(&self, n: &Number, text: &str) -> Result<Value> {
        match (n.int, n.float) {
            _ if n.is_float_text => Ok(Value::Float(n.float.unwrap_or(0.0))),
            (Some(i), _) => Ok(Value::Int(i)),
            (None, _) if n.uint.is_some() => self.error(&format!("{text} overflows int")),
            (None, Some(f)) => Ok(Value::Float(f)),
            _ => self.error(&format!("{text} is not a number")),
        }
    }

    /// A field, variable or chain, its last name taking the arguments.
    fn chain(
        &mut self,
        dot: &Val,
        o: &'a Operand,
        args: &'a [Operand],
        last: Option<Val>,
    ) -> Result<Val> {
        self.at = (o.pos, At::Operand(o));
        let (mut v, names): (Val, &'a [String]) = match &o.kind {
            Kind::Field(names) => (dot.clone(), names),
            Kind::Variable(names) => {
                let Some((name, names)) = names.split_first() else {
                    return self.error("empty variable");
                };
                let found = self
                    .vars
                    .iter()
                    .rev()
                    .find(|(n, _)| n == name)
                    .map(|(_, v)| v.clone());
                let Some(v) = found else {
                    return self.error(&format!("undefined variable: {name}"));
                };
                if names.is_empty() {
                    self.no_args(o, args, &last)?;
                    return Ok(v);
                }
                (v, names)
            }
            Kind::Chain(node, names) => {
                if matches!(node.kind, Kind::Nil) {
                    return self.error(&format!("indirection through explicit nil in {o}"));
                }
                // Errors about the fields name the operand evaluated last, as in Go.
                (self.argument(dot, node)?, names)
            }
            _ => return self.error("not a chain"),
        };
        let Some((final_name, inner)) = names.split_last() else {
            return Ok(v);
        };
        for name in inner {
            v = self.field(dot, name, o, &[], None, v)?;
        }
        self.field(dot, final_name, o, args, last, v)
    }

    fn field(
        &mut self,
        dot: &Val,
        name: &str,
        o: &'a Operand,
        args: &'a [Operand],
        last: Option<Val>,
        receiver: Val,
    ) -> Result<Val> {
        let has_args = !args.is_empty() || last.is_some();
        if !receiver.valid() {
            if self.missing == MissingKey::Error {
                return self.error(&format!("nil data; no entry for key {}", quote(name)));
            }
            return Ok(Val::default());
        }
        let type_name = receiver.type_name();
        if receiver.iface && matches!(receiver.v, Value::Nil) {
            return self.error(&format!("nil pointer evaluating {type_name}.{name}"));
        }
        let (v, nil) = receiver.v.indirect();
        match &v {
            Value::Struct(s) => {
                if let Some(f) = s.fields.iter().find(|f| f.name == name) {
                    if let Value::Func(func) = &f.value {
                        let func = func.clone();
                        return self.method(dot, name, &func, o, args, last);
                    }
                    if has_args {
                        // Docker's rows have methods where other structs have fields.
                        if s.row {
                            let n = args.len() + usize::from(last.is_some());
                            return self.error(&format!(
                                "wrong number of args for {name}: want 0 got {n}"
                            ));
                        }
                        return self.error(&format!(
                            "{name} has arguments but cannot be invoked as function"
                        ));
                    }
                    return Ok(Val::of(f.value.clone()));
                }
            }
            Value::Map(m) => {
                if let Some(Value::Func(func)) = m.entries.get(name) {
                    let func = func.clone();
                    return self.method(dot, name, &func, o, args, last);
                }
                if has_args {
                    return self.error(&format!("{name} is not a method but has arguments"));
                }
                let iface = m.elem == INTERFACE;
                return match m.entries.get(name) {
                    Some(v) => Ok(Val {
                        v: v.clone(),
                        iface,
                    }),
                    None if self.missing == MissingKey::Error => {
                        self.error(&format!("map has no entry for key {}", quote(name)))
                    }
                    None => Ok(Val::default()),
                };
            }
            Value::Ptr(p) if nil && p.fields.iter().any(|f| f == name) => {
                return self.error(&format!("nil pointer evaluating {type_name}.{name}"));
            }
            _ => {}
        }
        self.error(&format!("can't evaluate field {name} in type {type_name}"))
    }

    fn method(
        &mut self,
        dot: &Val,
        name: &str,
        func: &Func,
        o: &'a Operand,
        args: &'a [Operand],
        last: Option<Val>,
    ) -> Result<Val> {
        let argv = self.arguments(dot, name, &func.params, None, args, last)?;
        match (func.body)(&argv) {
            Ok(v) => Ok(Val::of(v)),
            Err(e) => {
                self.at = (o.pos, At::Operand(o));
                self.error(&format!("error calling {name}: {e}"))
            }
        }
    }

    fn function(
        &mut self,
        dot: &Val,
        name: &'a str,
        call: (Pos, At<'a>),
        args: &'a [Operand],
        last: Option<Val>,
    ) -> Result<Val> {
        self.step()?;
        let Some(sig) = funcs::signature(name, self.functions) else {
            return self.error(&format!("{} is not a defined function", quote(name)));
        };
        if name == "and" || name == "or" {
            let n = args.len() + usize::from(last.is_some());
            if n < 1 {
                return self.error(&format!(
                    "wrong number of args for {name}: want at least 1 got {n}"
                ));
            }
            let mut v = Val::default();
            for a in args {
                v = self.argument(dot, a)?;
                if v.v.truth() == (name == "or") {
                    return Ok(v);
                }
            }
            return Ok(last.unwrap_or(v));
        }
        let argv = self.arguments(dot, name, sig.fixed, sig.rest, args, last)?;
        let result = if name == "call" {
            // Go quotes the operand; nothing here is a function value.
            Err(match (argv.first(), args.first()) {
                (Some(Value::Nil) | None, _) => "call of nil".to_string(),
                (Some(v), Some(a)) => format!("non-function {a} of type {}", v.type_name()),
                (Some(v), None) => format!("non-function of type {}", v.type_name()),
            })
        } else {
            funcs::call(name, &argv, self.functions)
        };
        match result {
            Ok(v) => Ok(Val::of(v)),
            Err(e) => {
                self.at = call;
                self.error(&format!("error calling {name}: {e}"))
            }
        }
    }
}
