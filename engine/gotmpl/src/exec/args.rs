//! Arguments of functions and methods: evaluation, and Go's rules on which value fits which parameter.

use super::{At, Result, State, Val};
use crate::node::{Kind, Operand};
use crate::value::{INTERFACE, Param, Value};

impl<'a> State<'a> {
    pub(super) fn arguments(
        &mut self,
        dot: &Val,
        name: &str,
        fixed: &[Param],
        rest: Option<Param>,
        args: &'a [Operand],
        last: Option<Val>,
    ) -> Result<Vec<Value>> {
        let n = args.len() + usize::from(last.is_some());
        if rest.is_some() {
            if n < fixed.len() {
                return self.error(&format!(
                    "wrong number of args for {name}: want at least {} got {}",
                    fixed.len(),
                    args.len()
                ));
            }
        } else if n != fixed.len() {
            return self.error(&format!(
                "wrong number of args for {name}: want {} got {n}",
                fixed.len()
            ));
        }
        let param = |i: usize| fixed.get(i).copied().or(rest).unwrap_or(Param::Any);
        let mut argv = Vec::with_capacity(n);
        for (i, a) in args.iter().enumerate() {
            let v = self.typed_argument(dot, a, param(i))?;
            argv.push(v);
        }
        if let Some(last) = last {
            let v = self.validate(last, param(args.len()))?;
            argv.push(v);
        }
        Ok(argv)
    }

    /// An argument of any type.
    pub(super) fn argument(&mut self, dot: &Val, o: &'a Operand) -> Result<Val> {
        self.at = (o.pos, At::Operand(o));
        match &o.kind {
            Kind::Dot => Ok(dot.clone()),
            Kind::Nil => Ok(Val::default()),
            Kind::Bool(b) => Ok(Val::of((*b).into())),
            Kind::Number { value, text } => self.number(value, text).map(Val::of),
            Kind::Str { text, .. } => Ok(Val::of(text.as_str().into())),
            Kind::Field(_) | Kind::Variable(_) | Kind::Chain(..) => self.chain(dot, o, &[], None),
            Kind::Identifier(name) => self.function(dot, name, (o.pos, At::Operand(o)), &[], None),
            Kind::Pipe(p) => self.pipe(dot, p),
        }
    }

    fn typed_argument(&mut self, dot: &Val, o: &'a Operand, param: Param) -> Result<Value> {
        self.at = (o.pos, At::Operand(o));
        match (&o.kind, param) {
            (_, Param::Any) => self.argument(dot, o).map(|v| v.v),
            (Kind::Nil, Param::Strings) => Ok(Value::zero("[]string")),
            (Kind::Nil, p) => self.error(&format!("cannot assign nil to {}", type_of(p))),
            (Kind::Str { text, .. }, Param::Str) => Ok(text.as_str().into()),
            (Kind::Number { value, .. }, Param::Int) => match value.int {
                Some(n) => Ok(Value::Int(n)),
                None => self.error(&format!("expected integer; found {o}")),
            },
            (Kind::Bool(_) | Kind::Number { .. } | Kind::Str { .. }, p) => match p {
                Param::Str => self.error(&format!("expected string; found {o}")),
                Param::Int => self.error(&format!("expected integer; found {o}")),
                _ => self.error(&format!("can't handle {o} for arg of type {}", type_of(p))),
            },
            (_, p) => {
                let v = self.argument(dot, o)?;
                self.validate(v, p)
            }
        }
    }

    /// Go's `validateType`.
    fn validate(&self, v: Val, param: Param) -> Result<Value> {
        let want = type_of(param);
        if param == Param::Any {
            return Ok(v.v);
        }
        if !v.valid() {
            if param == Param::Strings {
                return Ok(Value::zero("[]string"));
            }
            return self.error(&format!("invalid value; expected {want}"));
        }
        let (inner, nil) = match v.v {
            Value::Ptr(_) => v.v.indirect(),
            v => (v, false),
        };
        if nil {
            return self.error(&format!("dereference of nil pointer of type {want}"));
        }
        let fits = match (&inner, param) {
            (Value::Str(_), Param::Str) | (Value::Int(_), Param::Int) => true,
            (Value::List(l), Param::Strings) => l.elem == "string",
            _ => false,
        };
        if fits {
            return Ok(inner);
        }
        let got = if matches!(inner, Value::Nil) {
            INTERFACE.to_string()
        } else {
            inner.type_name()
        };
        self.error(&format!("wrong type for value; expected {want}; got {got}"))
    }
}

fn type_of(p: Param) -> &'static str {
    match p {
        Param::Any => INTERFACE,
        Param::Str => "string",
        Param::Int => "int",
        Param::Strings => "[]string",
    }
}
