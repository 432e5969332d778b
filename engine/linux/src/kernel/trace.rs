//! System call tracing, in the manner of strace(1).

use std::fmt::Write;
use std::rc::Rc;

use bottleship_abi::signal::SigInfo;

use super::task::ParkedCall;
use crate::syscall::{Cx, Stop, SysResult, table};

/// Takes the lines.
pub type Sink = Rc<dyn Fn(&str)>;

fn emit(cx: &Cx, line: &str) {
    let sink = cx.k.trace.borrow().clone();
    if let Some(sink) = sink {
        sink(&format!(
            "[{:>5} {}] {line}",
            cx.t.tid,
            String::from_utf8_lossy(&cx.t.comm.borrow())
        ));
    }
}

/// One call and its result.
pub(super) fn call(cx: &Cx, call: &ParkedCall, result: &SysResult) {
    let mut line = String::new();
    match table::lookup(call.number) {
        Some(row) => {
            line.push_str(row.name);
            line.push('(');
            for (i, (&arg, kind)) in call.args.iter().zip(row.args.chars()).enumerate() {
                if i > 0 {
                    line.push_str(", ");
                }
                argument(cx, &mut line, arg, kind);
            }
            line.push(')');
        }
        None => {
            let _ = write!(line, "syscall_{}({:#x})", call.number, call.args[0]);
        }
    }
    match result {
        Ok(value) if *value > 1 << 32 => {
            let _ = write!(line, " = {value:#x}");
        }
        Ok(value) => {
            let _ = write!(line, " = {value}");
        }
        Err(Stop::Fail(errno)) => {
            let _ = write!(line, " = -1 {errno:?} ({errno})");
        }
        Err(Stop::Park(_)) => line.push_str(" = ?  (waits)"),
        Err(Stop::Yield | Stop::NoReturn) => line.push_str(" = ?"),
    }
    emit(cx, &line);
}

fn argument(cx: &Cx, line: &mut String, arg: u64, kind: char) {
    let _ = match kind {
        's' => match cx.read_path(arg) {
            Ok(path) => write!(line, "{:?}", String::from_utf8_lossy(&path)),
            Err(_) => write!(line, "{arg:#x}"),
        },
        'd' => write!(line, "{}", arg as i32),
        'o' => write!(line, "{arg:#o}"),
        'u' => write!(line, "{arg}"),
        _ => write!(line, "{arg:#x}"),
    };
}

/// Death by a signal.
pub(super) fn killed(cx: &Cx, info: &SigInfo) {
    if cx.k.trace.borrow().is_some() {
        let rip = cx.t.with_cpu(|cpu| cpu.rip).unwrap_or(0);
        emit(
            cx,
            &format!(
                "+++ killed by {} {:?} (rip {rip:#x}) +++",
                info.signal, info.detail
            ),
        );
    }
}
