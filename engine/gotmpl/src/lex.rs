//! The lexer: Go's `text/template/parse/lex.go`, run to its end at once.

/// The kinds of token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tok {
    Error,
    Bool,
    Char,
    CharConstant,
    Assign,
    Declare,
    Eof,
    Field,
    Identifier,
    LeftDelim,
    LeftParen,
    Number,
    Pipe,
    RawString,
    RightDelim,
    RightParen,
    Space,
    String,
    Text,
    Variable,
    Dot,
    Nil,
    Block,
    Break,
    Continue,
    Define,
    Else,
    End,
    If,
    Range,
    Template,
    With,
}

/// A token: its kind, where it starts, its text and line.
#[derive(Clone, Debug)]
pub struct Item {
    pub tok: Tok,
    pub pos: usize,
    pub val: String,
    pub line: usize,
}

impl Item {
    /// Go's `item.String()`, for error texts.
    pub fn describe(&self) -> String {
        use Tok::*;
        match self.tok {
            Eof => "EOF".into(),
            Error => self.val.clone(),
            Dot | Nil | Block | Break | Continue | Define | Else | End | If | Range | Template
            | With => {
                format!("<{}>", self.val)
            }
            _ if self.val.len() > 10 => {
                let head: std::string::String = self.val.chars().take(10).collect();
                format!("{}...", crate::print::quote(&head))
            }
            _ => crate::print::quote(&self.val),
        }
    }
}

const LEFT: &str = "{{";
const RIGHT: &str = "}}";

struct Lexer<'a> {
    input: &'a str,
    start: usize,
    pos: usize,
    line: usize,
    parens: usize,
    items: Vec<Item>,
}

/// Lexes the whole text. The last item is `Eof` or `Error`.
pub fn lex(input: &str) -> Vec<Item> {
    let mut l = Lexer {
        input,
        start: 0,
        pos: 0,
        line: 1,
        parens: 0,
        items: Vec::new(),
    };
    if l.text().is_none() {
        // An error item is already the last one.
        return l.items;
    }
    l.start = l.pos;
    l.emit(Tok::Eof);
    l.items
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

fn is_alnum(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}

/// Go's `%#U`.
fn unicode(c: Option<char>) -> String {
    match c {
        None => "U+FFFFFFFFFFFFFFFF".into(),
        Some(c) if c.is_control() => format!("U+{:04X}", c as u32),
        Some(c) => format!("U+{:04X} '{c}'", c as u32),
    }
}

impl Lexer<'_> {
    fn rest(&self) -> &str {
        self.input.get(self.pos..).unwrap_or("")
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.pos += c.len_utf8();
        Some(c)
    }

    fn word(&self) -> &str {
        self.input.get(self.start..self.pos).unwrap_or("")
    }

    fn emit(&mut self, tok: Tok) {
        let val = self.word().to_string();
        let newlines = val.matches('\n').count();
        self.items.push(Item {
            tok,
            pos: self.start,
            val,
            line: self.line,
        });
        self.line += newlines;
        self.start = self.pos;
    }

    fn ignore(&mut self) {
        self.line += self.word().matches('\n').count();
        self.start = self.pos;
    }

    fn error(&mut self, text: String) -> Option<()> {
        self.items.push(Item {
            tok: Tok::Error,
            pos: self.start,
            val: text,
            line: self.line,
        });
        None
    }

    fn at_right_delim(&self) -> (bool, bool) {
        let r = self.rest();
        let mut c = r.chars();
        if c.next().is_some_and(is_space) && r[1..].starts_with("-}}") {
            return (true, true);
        }
        (r.starts_with(RIGHT), false)
    }

    /// Text and actions by turns; `None` after an error.
    fn text(&mut self) -> Option<()> {
        loop {
            let Some(x) = self.rest().find(LEFT) else {
                self.pos = self.input.len();
                if self.pos > self.start {
                    self.emit(Tok::Text);
                }
                return Some(());
            };
            let delim = self.pos + x;
            let after = self.input.get(delim + LEFT.len()..).unwrap_or("");
            let trim = after.starts_with('-') && after[1..].starts_with(is_space);
            let end = if trim {
                self.input[self.pos..delim].trim_end_matches(is_space).len() + self.pos
            } else {
                delim
            };
            self.pos = end.max(self.start);
            if self.pos > self.start {
                self.emit(Tok::Text);
            }
            self.pos = delim;
            self.ignore();
            self.left_delim(trim)?;
        }
    }

    fn left_delim(&mut self, trim: bool) -> Option<()> {
        self.pos += LEFT.len();
        let marker = if trim { 2 } else { 0 };
        if self
            .rest()
            .get(marker..)
            .is_some_and(|r| r.starts_with("/*"))
        {
            self.pos += marker;
            self.ignore();
            return self.comment();
        }
        self.emit(Tok::LeftDelim);
        self.pos += marker;
        self.ignore();
        self.parens = 0;
        loop {
            if self.inside_action()? {
                return Some(());
            }
        }
    }

    fn comment(&mut self) -> Option<()> {
        self.pos += 2;
        let Some(x) = self.rest().find("*/") else {
            return self.error("unclosed comment".into());
        };
        self.pos += x + 2;
        let (delim, trim) = self.at_right_delim();
        if !delim {
            return self.error("comment ends before closing delimiter".into());
        }
        self.pos += RIGHT.len() + if trim { 2 } else { 0 };
        self.skip_space_if(trim);
        Some(())
    }

    fn skip_space_if(&mut self, trim: bool) {
        if trim {
            let r = self.rest();
            self.pos += r.len() - r.trim_start_matches(is_space).len();
        }
        self.ignore();
    }

    fn right_delim(&mut self) {
        let (_, trim) = self.at_right_delim();
        if trim {
            self.pos += 2;
            self.ignore();
        }
        self.pos += RIGHT.len();
        self.emit(Tok::RightDelim);
        self.skip_space_if(trim);
    }

    /// One token inside an action; `true` when the action has ended.
    fn inside_action(&mut self) -> Option<bool> {
        let (delim, _) = self.at_right_delim();
        if delim {
            if self.parens == 0 {
                self.right_delim();
                return Some(true);
            }
            self.error("unclosed left paren".into())?;
        }
        let Some(c) = self.next() else {
            self.error("unclosed action".into())?;
            return None;
        };
        match c {
            c if is_space(c) => {
                while self.peek().is_some_and(is_space) {
                    // A blank before `-}}` belongs to the delimiter.
                    if self.at_right_delim().0 {
                        break;
                    }
                    self.next();
                }
                self.emit(Tok::Space);
            }
            '=' => self.emit(Tok::Assign),
            ':' => {
                if self.next() != Some('=') {
                    self.error("expected :=".into())?;
                }
                self.emit(Tok::Declare);
            }
            '|' => self.emit(Tok::Pipe),
            '"' => self.quote()?,
            '`' => self.raw_quote()?,
            '$' => self.field(Tok::Variable)?,
            '\'' => self.char_constant()?,
            '.' if !self.peek().is_some_and(|c| c.is_ascii_digit()) => {
                if self.pos >= self.input.len() {
                    self.pos -= 1;
                    self.number()?;
                } else {
                    self.field(Tok::Field)?;
                }
            }
            '.' | '+' | '-' | '0'..='9' => {
                self.pos -= 1;
                self.number()?;
            }
            c if is_alnum(c) => self.identifier()?,
            '(' => {
                self.emit(Tok::LeftParen);
                self.parens += 1;
            }
            ')' => {
                let Some(n) = self.parens.checked_sub(1) else {
                    self.error("unexpected right paren".into())?;
                    return None;
                };
                self.parens = n;
                self.emit(Tok::RightParen);
            }
            c if c.is_ascii_graphic() => self.emit(Tok::Char),
            c => {
                self.error(format!(
                    "unrecognized character in action: {}",
                    unicode(Some(c))
                ))?;
            }
        }
        Some(false)
    }

    fn at_terminator(&self) -> bool {
        match self.peek() {
            None => true,
            Some(c) if is_space(c) => true,
            Some('.' | ',' | '|' | ':' | ')' | '(') => true,
            _ => self.rest().starts_with(RIGHT),
        }
    }

    fn identifier(&mut self) -> Option<()> {
        while self.peek().is_some_and(is_alnum) {
            self.next();
        }
        if !self.at_terminator() {
            let c = self.peek();
            return self.error(format!("bad character {}", unicode(c)));
        }
        let tok = match self.word() {
            "nil" => Tok::Nil,
            "block" => Tok::Block,
            "break" => Tok::Break,
            "continue" => Tok::Continue,
            "define" => Tok::Define,
            "else" => Tok::Else,
            "end" => Tok::End,
            "if" => Tok::If,
            "range" => Tok::Range,
            "template" => Tok::Template,
            "with" => Tok::With,
            "true" | "false" => Tok::Bool,
            _ => Tok::Identifier,
        };
        self.emit(tok);
        Some(())
    }

    fn field(&mut self, tok: Tok) -> Option<()> {
        if self.at_terminator() {
            self.emit(if tok == Tok::Variable { tok } else { Tok::Dot });
            return Some(());
        }
        while self.peek().is_some_and(is_alnum) {
            self.next();
        }
        if !self.at_terminator() {
            let c = self.peek();
            return self.error(format!("bad character {}", unicode(c)));
        }
        self.emit(tok);
        Some(())
    }

    fn quoted(&mut self, end: char, what: &str) -> Option<()> {
        loop {
            match self.next() {
                Some('\\') if !matches!(self.peek(), None | Some('\n')) => {
                    self.next();
                }
                None | Some('\n') | Some('\\') => {
                    return self.error(format!("unterminated {what}"));
                }
                Some(c) if c == end => return Some(()),
                _ => {}
            }
        }
    }

    fn quote(&mut self) -> Option<()> {
        self.quoted('"', "quoted string")?;
        self.emit(Tok::String);
        Some(())
    }

    fn char_constant(&mut self) -> Option<()> {
        self.quoted('\'', "character constant")?;
        self.emit(Tok::CharConstant);
        Some(())
    }

    fn raw_quote(&mut self) -> Option<()> {
        loop {
            match self.next() {
                None => return self.error("unterminated raw quoted string".into()),
                Some('`') => break,
                _ => {}
            }
        }
        self.emit(Tok::RawString);
        Some(())
    }

    fn accept_run(&mut self, valid: &str) {
        while self.peek().is_some_and(|c| valid.contains(c)) {
            self.next();
        }
    }

    fn accept(&mut self, valid: &str) -> bool {
        let yes = self.peek().is_some_and(|c| valid.contains(c));
        if yes {
            self.next();
        }
        yes
    }

    fn number(&mut self) -> Option<()> {
        self.accept("+-");
        let mut digits = "0123456789_";
        if self.accept("0") {
            if self.accept("xX") {
                digits = "0123456789abcdefABCDEF_";
            } else if self.accept("oO") {
                digits = "01234567_";
            } else if self.accept("bB") {
                digits = "01_";
            }
        }
        self.accept_run(digits);
        if self.accept(".") {
            self.accept_run(digits);
        }
        if digits.len() == 11 && self.accept("eE") {
            self.accept("+-");
            self.accept_run("0123456789_");
        }
        if digits.len() == 23 && self.accept("pP") {
            self.accept("+-");
            self.accept_run("0123456789_");
        }
        self.accept("i");
        if self.peek().is_some_and(is_alnum) {
            self.next();
            let text = crate::print::quote(self.word());
            return self.error(format!("bad number syntax: {text}"));
        }
        if matches!(self.peek(), Some('+' | '-')) || self.word().ends_with('i') {
            let text = crate::print::quote(self.word());
            return self.error(format!("bad number syntax: {text}"));
        }
        self.emit(Tok::Number);
        Some(())
    }
}
