//! The parser: Go's `text/template/parse/parse.go`.

use crate::lex::{Item, Tok, lex};
use crate::node::*;
use crate::{Error, Template, funcs};
use std::collections::HashMap;

/// Deeper nesting of actions and parentheses is refused.
const MAX_DEPTH: usize = 100;
/// A longer text is refused.
const MAX_TEXT: usize = 1 << 20;

type Result<T> = std::result::Result<T, Error>;

struct Parser<'a> {
    name: &'a str,
    items: Vec<Item>,
    next: usize,
    vars: Vec<String>,
    range_depth: usize,
    action_line: usize,
    depth: usize,
    trees: HashMap<String, List>,
}

pub fn parse(name: &str, text: &str) -> Result<Template> {
    if text.len() > MAX_TEXT {
        return Err(Error(format!(
            "template: {name}:1: template text is larger than 1 MiB"
        )));
    }
    let mut p = Parser {
        name,
        items: lex(text),
        next: 0,
        vars: vec!["$".into()],
        range_depth: 0,
        action_line: 0,
        depth: 0,
        trees: HashMap::new(),
    };
    let mut root = Vec::new();
    while p.peek().tok != Tok::Eof {
        if p.peek().tok == Tok::LeftDelim {
            let at = p.next;
            p.take();
            if p.take_non_space().tok == Tok::Define {
                p.definition()?;
                continue;
            }
            p.next = at;
        }
        match p.text_or_action()? {
            n @ (Node::End | Node::Else) => return Err(p.error(&format!("unexpected {n}"))),
            n => root.push(n),
        }
    }
    p.add(name.to_string(), List(root))?;
    Ok(Template {
        name: name.into(),
        text: text.into(),
        trees: p.trees,
    })
}

impl Parser<'_> {
    fn item(&self, i: usize) -> Item {
        // The last item (EOF or an error) repeats.
        self.items
            .get(i)
            .or(self.items.last())
            .cloned()
            .unwrap_or(Item {
                tok: Tok::Eof,
                pos: 0,
                val: String::new(),
                line: 1,
            })
    }

    fn peek(&self) -> Item {
        self.item(self.next)
    }

    fn take(&mut self) -> Item {
        let i = self.peek();
        self.next += 1;
        i
    }

    fn skip_space(&mut self) {
        while self.peek().tok == Tok::Space {
            self.next += 1;
        }
    }

    fn peek_non_space(&mut self) -> Item {
        self.skip_space();
        self.peek()
    }

    fn take_non_space(&mut self) -> Item {
        self.skip_space();
        self.take()
    }

    fn error(&self, text: &str) -> Error {
        let line = self.item(self.next.saturating_sub(1)).line;
        Error(format!("template: {}:{line}: {text}", self.name))
    }

    fn unexpected(&self, item: &Item, context: &str) -> Error {
        if item.tok == Tok::Error {
            let mut extra = String::new();
            if self.action_line != 0 && self.action_line != item.line {
                extra = format!(" in action started at {}:{}", self.name, self.action_line);
                if item.val.ends_with(" action") {
                    extra = extra.trim_start_matches(" in action").to_string();
                }
            }
            return Error(format!(
                "template: {}:{}: {}{extra}",
                self.name, item.line, item.val
            ));
        }
        self.error(&format!("unexpected {} in {context}", item.describe()))
    }

    fn expect(&mut self, tok: Tok, context: &str) -> Result<Item> {
        let item = self.take_non_space();
        if item.tok == tok {
            Ok(item)
        } else {
            Err(self.unexpected(&item, context))
        }
    }

    fn enter(&mut self) -> Result<()> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.error(&format!("nested more than {MAX_DEPTH} deep")));
        }
        Ok(())
    }

    fn add(&mut self, name: String, list: List) -> Result<()> {
        let is_empty = |l: &List| {
            l.0.iter()
                .all(|n| matches!(n, Node::Text(t) if t.trim().is_empty()))
        };
        // A later definition of only blanks does not replace an earlier one.
        if is_empty(&list) && self.trees.get(&name).is_some_and(|old| !is_empty(old)) {
            return Ok(());
        }
        if !is_empty(&list) && self.trees.get(&name).is_some_and(|old| !is_empty(old)) {
            let q = crate::print::quote(&name);
            return Err(self.error(&format!("template: multiple definition of template {q}")));
        }
        self.trees.insert(name, list);
        Ok(())
    }

    /// A nested definition with variables of its own, until `{{end}}`.
    fn body(&mut self, context: &str) -> Result<List> {
        let vars = std::mem::replace(&mut self.vars, vec!["$".into()]);
        let ranges = std::mem::take(&mut self.range_depth);
        let (list, end) = self.item_list()?;
        self.vars = vars;
        self.range_depth = ranges;
        match end {
            Node::End => Ok(list),
            n => Err(self.error(&format!("unexpected {n} in {context}"))),
        }
    }

    fn definition(&mut self) -> Result<()> {
        const CONTEXT: &str = "define clause";
        let item = self.take_non_space();
        let name = self.template_name(&item, CONTEXT)?;
        self.expect(Tok::RightDelim, CONTEXT)?;
        let list = self.body(CONTEXT)?;
        self.add(name, list)
    }

    fn template_name(&mut self, item: &Item, context: &str) -> Result<String> {
        match item.tok {
            Tok::String | Tok::RawString => {
                funcs::unquote(&item.val).ok_or_else(|| self.error("invalid syntax"))
            }
            _ => Err(self.unexpected(item, context)),
        }
    }

    fn item_list(&mut self) -> Result<(List, Node)> {
        let mut list = Vec::new();
        while self.peek_non_space().tok != Tok::Eof {
            match self.text_or_action()? {
                n @ (Node::End | Node::Else) => return Ok((List(list), n)),
                n => list.push(n),
            }
        }
        self.next += 1;
        Err(self.error("unexpected EOF"))
    }

    fn text_or_action(&mut self) -> Result<Node> {
        let item = self.take_non_space();
        match item.tok {
            Tok::Text => Ok(Node::Text(item.val)),
            Tok::LeftDelim => {
                self.action_line = item.line;
                self.enter()?;
                let node = self.action();
                self.depth -= 1;
                self.action_line = 0;
                node
            }
            _ => Err(self.unexpected(&item, "input")),
        }
    }

    fn action(&mut self) -> Result<Node> {
        let item = self.take_non_space();
        match item.tok {
            Tok::Block => self.block(),
            Tok::Break => self.loop_control("{{break}}", Node::Break),
            Tok::Continue => self.loop_control("{{continue}}", Node::Continue),
            Tok::Else => {
                if !matches!(self.peek_non_space().tok, Tok::If | Tok::With) {
                    self.expect(Tok::RightDelim, "else")?;
                }
                Ok(Node::Else)
            }
            Tok::End => {
                self.expect(Tok::RightDelim, "end")?;
                Ok(Node::End)
            }
            Tok::If => Ok(Node::If(self.control("if")?)),
            Tok::With => Ok(Node::With(self.control("with")?)),
            Tok::Range => Ok(Node::Range(self.control("range")?)),
            Tok::Template => {
                const CONTEXT: &str = "template clause";
                let token = self.take_non_space();
                let name = self.template_name(&token, CONTEXT)?;
                let pipe = if self.peek_non_space().tok == Tok::RightDelim {
                    self.take();
                    None
                } else {
                    Some(self.pipeline(CONTEXT, Tok::RightDelim)?.1)
                };
                Ok(Node::Template {
                    pos: token.pos,
                    name,
                    pipe,
                })
            }
            _ => {
                self.next -= 1;
                Ok(Node::Action(self.pipeline("command", Tok::RightDelim)?.1))
            }
        }
    }

    fn loop_control(&mut self, what: &str, node: Node) -> Result<Node> {
        let item = self.take_non_space();
        if item.tok != Tok::RightDelim {
            return Err(self.unexpected(&item, what));
        }
        if self.range_depth == 0 {
            return Err(self.error(&format!("{what} outside {{{{range}}}}")));
        }
        Ok(node)
    }

    fn block(&mut self) -> Result<Node> {
        const CONTEXT: &str = "block clause";
        let token = self.take_non_space();
        let name = self.template_name(&token, CONTEXT)?;
        let pipe = self.pipeline(CONTEXT, Tok::RightDelim)?.1;
        let list = self.body(CONTEXT)?;
        self.add(name.clone(), list)?;
        Ok(Node::Template {
            pos: token.pos,
            name,
            pipe: Some(pipe),
        })
    }

    fn control(&mut self, context: &str) -> Result<Branch> {
        let vars = self.vars.len();
        let pipe = self.pipeline(context, Tok::RightDelim)?.1;
        if context == "range" {
            self.range_depth += 1;
        }
        let (list, end) = self.item_list()?;
        if context == "range" {
            self.range_depth -= 1;
        }
        let mut else_list = None;
        if matches!(end, Node::Else) {
            let next = self.peek();
            if (context == "if" && next.tok == Tok::If)
                || (context == "with" && next.tok == Tok::With)
            {
                // `{{else if}}` shares the outer `{{end}}`.
                self.take();
                self.enter()?;
                let inner = self.control(context)?;
                self.depth -= 1;
                else_list = Some(List(vec![if context == "if" {
                    Node::If(inner)
                } else {
                    Node::With(inner)
                }]));
            } else {
                let (list, end) = self.item_list()?;
                if !matches!(end, Node::End) {
                    return Err(self.error(&format!("expected end; found {end}")));
                }
                else_list = Some(list);
            }
        }
        self.vars.truncate(vars);
        Ok(Branch {
            pipe,
            list,
            else_list,
        })
    }

    fn pipeline(&mut self, context: &str, end: Tok) -> Result<(Pos, Pipe)> {
        let pos = self.peek_non_space().pos;
        let mut pipe = Pipe {
            assign: false,
            decl: Vec::new(),
            cmds: Vec::new(),
        };
        while self.peek_non_space().tok == Tok::Variable {
            let at = self.next;
            let v = self.take();
            let next = self.peek_non_space();
            match next.tok {
                Tok::Assign | Tok::Declare => {
                    pipe.assign = next.tok == Tok::Assign;
                    self.take();
                    pipe.decl.push(v.val.clone());
                    self.vars.push(v.val);
                    break;
                }
                Tok::Char if next.val == "," => {
                    self.take();
                    pipe.decl.push(v.val.clone());
                    self.vars.push(v.val);
                    if context == "range" && pipe.decl.len() < 2 {
                        match self.peek_non_space().tok {
                            Tok::Variable | Tok::RightDelim | Tok::RightParen => continue,
                            _ => return Err(self.error("range can only initialize variables")),
                        }
                    }
                    return Err(self.error(&format!("too many declarations in {context}")));
                }
                _ => {
                    self.next = at;
                    break;
                }
            }
        }
        loop {
            let item = self.take_non_space();
            match item.tok {
                t if t == end => break,
                Tok::Bool
                | Tok::CharConstant
                | Tok::Dot
                | Tok::Field
                | Tok::Identifier
                | Tok::Number
                | Tok::Nil
                | Tok::RawString
                | Tok::String
                | Tok::Variable
                | Tok::LeftParen => {
                    self.next -= 1;
                    let cmd = self.command()?;
                    pipe.cmds.push(cmd);
                }
                _ => return Err(self.unexpected(&item, context)),
            }
        }
        if pipe.cmds.is_empty() {
            return Err(self.error(&format!("missing value for {context}")));
        }
        for (i, c) in pipe.cmds.iter().enumerate().skip(1) {
            if let Some(
                Kind::Bool(_) | Kind::Dot | Kind::Nil | Kind::Number { .. } | Kind::Str { .. },
            ) = c.args.first().map(|a| &a.kind)
            {
                return Err(self.error(&format!(
                    "non executable command in pipeline stage {}",
                    i + 1
                )));
            }
        }
        Ok((pos, pipe))
    }

    fn command(&mut self) -> Result<Command> {
        let pos = self.peek_non_space().pos;
        let mut args = Vec::new();
        loop {
            self.skip_space();
            if let Some(o) = self.operand()? {
                args.push(o);
            }
            let item = self.take();
            match item.tok {
                Tok::Space => continue,
                Tok::RightDelim | Tok::RightParen => self.next -= 1,
                Tok::Pipe => {}
                _ => return Err(self.unexpected(&item, "operand")),
            }
            break;
        }
        if args.is_empty() {
            return Err(self.error("empty command"));
        }
        Ok(Command { pos, args })
    }

    fn operand(&mut self) -> Result<Option<Operand>> {
        let Some(mut node) = self.term()? else {
            return Ok(None);
        };
        if self.peek().tok == Tok::Field {
            let pos = self.peek().pos;
            let mut fields = Vec::new();
            while self.peek().tok == Tok::Field {
                fields.push(self.take().val.trim_start_matches('.').to_string());
            }
            match node.kind {
                Kind::Field(ref mut f) | Kind::Variable(ref mut f) => {
                    f.extend(fields);
                    node.pos = pos;
                }
                Kind::Bool(_) | Kind::Str { .. } | Kind::Number { .. } | Kind::Nil | Kind::Dot => {
                    let q = crate::print::quote(&node.to_string());
                    return Err(self.error(&format!("unexpected . after term {q}")));
                }
                _ => {
                    node = Operand {
                        pos,
                        kind: Kind::Chain(Box::new(node), fields),
                    };
                }
            }
        }
        Ok(Some(node))
    }

    fn term(&mut self) -> Result<Option<Operand>> {
        let item = self.take_non_space();
        let kind = match item.tok {
            Tok::Identifier => {
                if !funcs::exists(&item.val) {
                    let q = crate::print::quote(&item.val);
                    return Err(self.error(&format!("function {q} not defined")));
                }
                Kind::Identifier(item.val)
            }
            Tok::Dot => Kind::Dot,
            Tok::Nil => Kind::Nil,
            Tok::Variable => {
                if !self.vars.contains(&item.val) {
                    let q = crate::print::quote(&item.val);
                    return Err(self.error(&format!("undefined variable {q}")));
                }
                Kind::Variable(vec![item.val])
            }
            Tok::Field => Kind::Field(vec![item.val.trim_start_matches('.').to_string()]),
            Tok::Bool => Kind::Bool(item.val == "true"),
            Tok::CharConstant | Tok::Number => {
                let value = if item.tok == Tok::Number {
                    funcs::parse_number(&item.val)
                } else {
                    funcs::parse_char(&item.val)
                };
                let value = value.map_err(|e| self.error(&e))?;
                Kind::Number {
                    text: item.val,
                    value,
                }
            }
            Tok::LeftParen => {
                self.enter()?;
                let (pos, pipe) = self.pipeline("parenthesized pipeline", Tok::RightParen)?;
                self.depth -= 1;
                return Ok(Some(Operand {
                    pos,
                    kind: Kind::Pipe(Box::new(pipe)),
                }));
            }
            Tok::String | Tok::RawString => {
                let text = funcs::unquote(&item.val).ok_or_else(|| self.error("invalid syntax"))?;
                Kind::Str {
                    quoted: item.val,
                    text,
                }
            }
            _ => {
                self.next -= 1;
                return Ok(None);
            }
        };
        Ok(Some(Operand {
            pos: item.pos,
            kind,
        }))
    }
}
