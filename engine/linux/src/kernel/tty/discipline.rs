//! N_TTY: editing, echo, signals from keys, output processing (`drivers/tty/n_tty.c`).

use bottleship_abi::Signal;
use bottleship_abi::tty::*;

use super::{ECHO_SLACK, INPUT_LIMIT, LINE_END, OUTPUT_LIMIT, Tty};

const DISABLED: u8 = 0;

impl Tty {
    /// One character from the keyboard.
    pub(super) fn receive(&self, key: u8) {
        let termios = *self.termios.borrow();
        let is = |index: usize| termios.cc[index] != DISABLED && termios.cc[index] == key;
        let lflag = |flag| termios.lflag & flag != 0;
        let iflag = |flag| termios.iflag & flag != 0;
        let mut key = if iflag(ISTRIP) { key & 0x7f } else { key };

        if std::mem::take(&mut self.input.borrow_mut().literal) {
            self.echo(&termios, key);
            self.append(&termios, key);
            return;
        }
        if iflag(IXON) {
            if is(VSTART) {
                self.halt(false);
                return;
            }
            if is(VSTOP) {
                self.halt(true);
                return;
            }
            if self.halted.get() && iflag(IXANY) {
                self.halt(false);
            }
        }
        if lflag(ISIG) {
            for (index, signal) in [
                (VINTR, Signal::SIGINT),
                (VQUIT, Signal::SIGQUIT),
                (VSUSP, Signal::SIGTSTP),
            ] {
                if is(index) {
                    if !lflag(NOFLSH) {
                        self.flush_input();
                        self.output.borrow_mut().clear();
                    }
                    if self.halted.get() {
                        self.halt(false);
                    }
                    self.echo(&termios, key);
                    self.signal_foreground(signal);
                    return;
                }
            }
        }
        match key {
            b'\r' if iflag(IGNCR) => return,
            b'\r' if iflag(ICRNL) => key = b'\n',
            b'\n' if iflag(INLCR) => key = b'\r',
            _ => {}
        }
        if !lflag(ICANON) {
            self.echo(&termios, key);
            self.append(&termios, key);
            return;
        }
        let is = |index: usize| termios.cc[index] != DISABLED && termios.cc[index] == key;
        if is(VERASE) || (is(VWERASE) && lflag(IEXTEN)) || is(VKILL) {
            self.erase(
                &termios,
                if is(VKILL) {
                    Erase::Line
                } else if is(VERASE) {
                    Erase::Char
                } else {
                    Erase::Word
                },
            );
        } else if is(VLNEXT) && lflag(IEXTEN) {
            self.input.borrow_mut().literal = true;
            if lflag(ECHO) && lflag(ECHOCTL) {
                self.put_raw(b"^\x08");
            }
        } else if is(VREPRINT) && lflag(IEXTEN) && lflag(ECHO) {
            self.put_all(b"^R\n");
            let line = self.input.borrow().line.clone();
            line.iter().for_each(|&c| self.echo(&termios, c));
        } else if is(VEOF) {
            self.end_line(None);
        } else if key == b'\n' || is(VEOL) || (is(VEOL2) && lflag(IEXTEN)) {
            if key == b'\n' && !lflag(ECHO) && lflag(ECHONL) {
                self.put_all(b"\n");
            }
            self.echo(&termios, key);
            self.end_line(Some(key));
        } else {
            if self.input.borrow().line.len() >= INPUT_LIMIT - 1 {
                if iflag(IMAXBEL) {
                    self.put_raw(b"\x07");
                }
                return;
            }
            self.echo(&termios, key);
            self.input.borrow_mut().line.push(key);
        }
    }

    fn halt(&self, halted: bool) {
        self.halted.set(halted);
        self.wait.wake();
    }

    /// `tcflow(3)` and ^S, ^Q.
    pub(super) fn set_halted(&self, halted: bool) {
        self.halt(halted);
    }

    /// Adds a character outside of line editing.
    fn append(&self, termios: &Termios, key: u8) {
        let mut input = self.input.borrow_mut();
        if termios.lflag & ICANON != 0 {
            if input.line.len() < INPUT_LIMIT - 1 {
                input.line.push(key);
            }
        } else if input.ready.len() < INPUT_LIMIT {
            input.ready.push_back(u16::from(key));
        }
    }

    /// Makes the line being edited readable.
    fn end_line(&self, last: Option<u8>) {
        let mut input = self.input.borrow_mut();
        if input.ready.len() >= 16 * INPUT_LIMIT {
            input.line.clear();
            return;
        }
        let line = std::mem::take(&mut input.line);
        input
            .ready
            .extend(line.into_iter().chain(last).map(u16::from));
        input.ready.push_back(LINE_END);
        input.marks += 1;
    }

    fn erase(&self, termios: &Termios, what: Erase) {
        let utf8 = termios.iflag & IUTF8 != 0;
        let mut seen_word = false;
        loop {
            let mut input = self.input.borrow_mut();
            let Some(&last) = input.line.last() else {
                return;
            };
            if what == Erase::Word {
                let word = last.is_ascii_alphanumeric() || last == b'_' || last >= 0x80;
                if seen_word && !word {
                    return;
                }
                seen_word |= word;
            }
            // A character of several bytes goes as a whole.
            let mut character = vec![];
            while let Some(byte) = input.line.pop() {
                character.push(byte);
                if !(utf8 && byte & 0xc0 == 0x80) {
                    break;
                }
            }
            let before = input.line.clone();
            drop(input);
            self.echo_erasure(termios, character[character.len() - 1], &before, what);
            if what == Erase::Char {
                return;
            }
        }
    }

    fn echo_erasure(&self, termios: &Termios, erased: u8, before: &[u8], what: Erase) {
        if termios.lflag & ECHO == 0 {
            return;
        }
        if what == Erase::Line
            && termios.lflag & (ECHOK | ECHOKE | ECHOE) != (ECHOK | ECHOKE | ECHOE)
        {
            if before.is_empty() {
                self.echo(termios, termios.cc[VKILL]);
                if termios.lflag & ECHOK != 0 {
                    self.put_all(b"\n");
                }
            }
            return;
        }
        if termios.lflag & ECHOE == 0 {
            self.echo(termios, termios.cc[VERASE]);
            return;
        }
        let width = match erased {
            b'\t' => {
                let mut column = 0;
                for &c in before {
                    column += if c == b'\t' {
                        8 - column % 8
                    } else {
                        width_of(termios, c)
                    };
                }
                8 - column % 8
            }
            c => width_of(termios, c),
        };
        for _ in 0..width {
            self.put_raw(b"\x08 \x08");
            self.column.set(self.column.get().saturating_sub(1));
        }
    }

    fn echo(&self, termios: &Termios, key: u8) {
        if termios.lflag & ECHO == 0
            && !(key == b'\n' && termios.lflag & ECHONL != 0 && termios.lflag & ICANON != 0)
        {
            return;
        }
        if self.output.borrow().len() >= OUTPUT_LIMIT + ECHO_SLACK {
            return;
        }
        let control = key < 0x20 || key == 0x7f;
        if control && termios.lflag & ECHOCTL != 0 && key != b'\t' && key != b'\n' {
            self.put_raw(&[b'^', key ^ 0x40]);
            self.column.set(self.column.get() + 2);
        } else {
            self.put_all(&[key]);
        }
    }

    /// Output with post-processing.
    pub(super) fn put_all(&self, data: &[u8]) {
        let oflag = self.termios.borrow().oflag;
        let mut output = self.output.borrow_mut();
        if oflag & OPOST == 0 {
            output.extend(data);
            return;
        }
        let mut column = self.column.get();
        for &byte in data {
            match byte {
                b'\n' if oflag & ONLCR != 0 => {
                    column = 0;
                    output.push_back(b'\r');
                    output.push_back(b'\n');
                    continue;
                }
                b'\n' if oflag & ONLRET != 0 => column = 0,
                b'\r' if oflag & ONOCR != 0 && column == 0 => continue,
                b'\r' if oflag & OCRNL != 0 => {
                    output.push_back(b'\n');
                    continue;
                }
                b'\r' => column = 0,
                b'\t' => {
                    let spaces = 8 - column % 8;
                    column += spaces;
                    if oflag & TABDLY == TABDLY {
                        output.extend(std::iter::repeat_n(b' ', spaces));
                        continue;
                    }
                }
                8 => column = column.saturating_sub(1),
                0x20..=0x7e | 0xc0.. => column += 1,
                _ => {}
            }
            output.push_back(byte);
        }
        self.column.set(column);
    }

    fn put_raw(&self, data: &[u8]) {
        self.output.borrow_mut().extend(data);
    }
}

fn width_of(termios: &Termios, c: u8) -> usize {
    match c {
        0..0x20 | 0x7f if termios.lflag & ECHOCTL != 0 => 2,
        0..0x20 | 0x7f => 0,
        // Continuation bytes are erased with the first.
        0x80..0xc0 if termios.iflag & IUTF8 != 0 => 0,
        _ => 1,
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Erase {
    Char,
    Word,
    Line,
}
