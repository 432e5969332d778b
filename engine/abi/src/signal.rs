//! Signals: numbers, sets, actions, `siginfo`, the signal frame's layout.
#![allow(missing_docs)]

use std::fmt;

use crate::bytes::{Layout, get_u64};

/// A signal number, 1 to 64.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Signal(u8);

macro_rules! signals {
    ($($name:ident = $number:literal, $text:literal;)*) => {
        impl Signal {
            $(#[doc = $text] pub const $name: Signal = Signal($number);)*

            /// Such as `SIGTERM`; real-time signals are `SIGRTMIN+n`.
            pub fn name(self) -> String {
                match self.0 {
                    $($number => stringify!($name).to_owned(),)*
                    34 => "SIGRTMIN".to_owned(),
                    n @ 35..=64 => format!("SIGRTMIN+{}", n - 34),
                    n => format!("SIG{n}"),
                }
            }

            /// What `strsignal(3)` says.
            pub fn describe(self) -> &'static str {
                match self.0 { $($number => $text,)* _ => "Real-time signal" }
            }

            fn plain_by_name(name: &str) -> Option<Signal> {
                match name { $(stringify!($name) => Some(Signal($number)),)* _ => None }
            }
        }
    };
}

signals! {
    SIGHUP = 1, "Hangup";
    SIGINT = 2, "Interrupt";
    SIGQUIT = 3, "Quit";
    SIGILL = 4, "Illegal instruction";
    SIGTRAP = 5, "Trace/breakpoint trap";
    SIGABRT = 6, "Aborted";
    SIGBUS = 7, "Bus error";
    SIGFPE = 8, "Floating point exception";
    SIGKILL = 9, "Killed";
    SIGUSR1 = 10, "User defined signal 1";
    SIGSEGV = 11, "Segmentation fault";
    SIGUSR2 = 12, "User defined signal 2";
    SIGPIPE = 13, "Broken pipe";
    SIGALRM = 14, "Alarm clock";
    SIGTERM = 15, "Terminated";
    SIGSTKFLT = 16, "Stack fault";
    SIGCHLD = 17, "Child exited";
    SIGCONT = 18, "Continued";
    SIGSTOP = 19, "Stopped (signal)";
    SIGTSTP = 20, "Stopped";
    SIGTTIN = 21, "Stopped (tty input)";
    SIGTTOU = 22, "Stopped (tty output)";
    SIGURG = 23, "Urgent I/O condition";
    SIGXCPU = 24, "CPU time limit exceeded";
    SIGXFSZ = 25, "File size limit exceeded";
    SIGVTALRM = 26, "Virtual timer expired";
    SIGPROF = 27, "Profiling timer expired";
    SIGWINCH = 28, "Window changed";
    SIGIO = 29, "I/O possible";
    SIGPWR = 30, "Power failure";
    SIGSYS = 31, "Bad system call";
}

/// What a signal does that has no handler.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DefaultAction {
    Terminate,
    Core,
    Ignore,
    Stop,
    Continue,
}

impl Signal {
    /// A number from a guest; `None` outside 1..=64.
    pub fn new(number: u32) -> Option<Signal> {
        (1..=64).contains(&number).then_some(Signal(number as u8))
    }

    /// The number.
    pub fn number(self) -> u32 {
        u32::from(self.0)
    }

    /// `SIGTERM`, `TERM`, `term` or `15`, `RTMIN+3`, `RTMAX-1`, as moby/sys/signal reads them.
    pub fn parse(text: &str) -> Option<Signal> {
        if let Ok(number) = text.parse::<u32>() {
            return Signal::new(number);
        }
        let upper = text.to_ascii_uppercase();
        let bare = upper.strip_prefix("SIG").unwrap_or(&upper);
        if let Some(rest) = bare.strip_prefix("RTMIN") {
            let n: u32 = if rest.is_empty() {
                0
            } else {
                rest.strip_prefix('+')?.parse().ok()?
            };
            return (n <= 30).then(|| Signal(34 + n as u8));
        }
        if let Some(rest) = bare.strip_prefix("RTMAX") {
            let n: u32 = if rest.is_empty() {
                0
            } else {
                rest.strip_prefix('-')?.parse().ok()?
            };
            return (n <= 30).then(|| Signal(64 - n as u8));
        }
        match bare {
            "IOT" => Some(Signal::SIGABRT),
            "CLD" => Some(Signal::SIGCHLD),
            "POLL" => Some(Signal::SIGIO),
            _ => Signal::plain_by_name(&format!("SIG{bare}")),
        }
    }

    /// The default action (signal(7)).
    pub fn default_action(self) -> DefaultAction {
        match self {
            Signal::SIGCHLD | Signal::SIGURG | Signal::SIGWINCH => DefaultAction::Ignore,
            Signal::SIGCONT => DefaultAction::Continue,
            Signal::SIGSTOP | Signal::SIGTSTP | Signal::SIGTTIN | Signal::SIGTTOU => {
                DefaultAction::Stop
            }
            Signal::SIGQUIT
            | Signal::SIGILL
            | Signal::SIGTRAP
            | Signal::SIGABRT
            | Signal::SIGBUS
            | Signal::SIGFPE
            | Signal::SIGSEGV
            | Signal::SIGXCPU
            | Signal::SIGXFSZ
            | Signal::SIGSYS => DefaultAction::Core,
            _ => DefaultAction::Terminate,
        }
    }
}

impl fmt::Debug for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())
    }
}

/// A set of signals as the kernel's `sigset_t`: bit n−1 is signal n.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct SigSet(pub u64);

impl SigSet {
    pub const EMPTY: SigSet = SigSet(0);
    /// `SIGKILL` and `SIGSTOP`, which can't be blocked.
    pub const UNBLOCKABLE: SigSet = SigSet(1 << 8 | 1 << 18);

    pub fn of(signal: Signal) -> SigSet {
        SigSet(1 << (signal.0 - 1))
    }
    pub fn contains(self, signal: Signal) -> bool {
        self.0 & SigSet::of(signal).0 != 0
    }
    pub fn insert(&mut self, signal: Signal) {
        self.0 |= SigSet::of(signal).0;
    }
    pub fn remove(&mut self, signal: Signal) {
        self.0 &= !SigSet::of(signal).0;
    }
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
    /// The lowest signal.
    pub fn first(self) -> Option<Signal> {
        (self.0 != 0).then(|| Signal(self.0.trailing_zeros() as u8 + 1))
    }
}

impl std::ops::BitOr for SigSet {
    type Output = SigSet;
    fn bitor(self, other: SigSet) -> SigSet {
        SigSet(self.0 | other.0)
    }
}

impl std::ops::BitAnd for SigSet {
    type Output = SigSet;
    fn bitand(self, other: SigSet) -> SigSet {
        SigSet(self.0 & other.0)
    }
}

impl std::ops::Not for SigSet {
    type Output = SigSet;
    fn not(self) -> SigSet {
        SigSet(!self.0)
    }
}

pub const SIG_DFL: u64 = 0;
pub const SIG_IGN: u64 = 1;
pub const SA_NOCLDSTOP: u64 = 1;
pub const SA_NOCLDWAIT: u64 = 2;
pub const SA_SIGINFO: u64 = 4;
pub const SA_RESTORER: u64 = 0x0400_0000;
pub const SA_ONSTACK: u64 = 0x0800_0000;
pub const SA_RESTART: u64 = 0x1000_0000;
pub const SA_NODEFER: u64 = 0x4000_0000;
pub const SA_RESETHAND: u64 = 0x8000_0000;
pub const SIG_BLOCK: u32 = 0;
pub const SIG_UNBLOCK: u32 = 1;
pub const SIG_SETMASK: u32 = 2;
pub const SS_ONSTACK: u32 = 1;
pub const SS_DISABLE: u32 = 2;
pub const SS_AUTODISARM: u32 = 1 << 31;
pub const MINSIGSTKSZ: u64 = 2048;

pub const SI_USER: i32 = 0;
pub const SI_KERNEL: i32 = 0x80;
pub const SI_QUEUE: i32 = -1;
pub const SI_TIMER: i32 = -2;
pub const SI_TKILL: i32 = -6;
pub const CLD_EXITED: i32 = 1;
pub const CLD_KILLED: i32 = 2;
pub const CLD_DUMPED: i32 = 3;
pub const CLD_STOPPED: i32 = 5;
pub const CLD_CONTINUED: i32 = 6;
pub const SEGV_MAPERR: i32 = 1;
pub const SEGV_ACCERR: i32 = 2;
pub const BUS_ADRERR: i32 = 2;
pub const FPE_INTDIV: i32 = 1;
pub const FPE_FLTDIV: i32 = 3;
pub const FPE_FLTINV: i32 = 7;
pub const ILL_ILLOPN: i32 = 2;
pub const TRAP_BRKPT: i32 = 1;
pub const TRAP_TRACE: i32 = 2;

/// The kernel's `struct sigaction` (32 bytes).
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
pub struct SigAction {
    pub handler: u64,
    pub flags: u64,
    pub restorer: u64,
    pub mask: SigSet,
}

impl SigAction {
    pub fn to_bytes(&self) -> [u8; 32] {
        Layout::new()
            .u64(0, self.handler)
            .u64(8, self.flags)
            .u64(16, self.restorer)
            .u64(24, self.mask.0)
            .done()
    }
    pub fn from_bytes(bytes: &[u8; 32]) -> SigAction {
        SigAction {
            handler: get_u64(bytes, 0),
            flags: get_u64(bytes, 8),
            restorer: get_u64(bytes, 16),
            mask: SigSet(get_u64(bytes, 24)),
        }
    }
}

/// What a signal carries besides its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SigDetail {
    None,
    /// Sent by a process (as the receiver's PID namespace numbers it).
    Sender {
        pid: u32,
        uid: u32,
    },
    /// With a value (`sigqueue`, timers).
    Queue {
        pid: u32,
        uid: u32,
        value: u64,
    },
    Timer {
        id: u32,
        overrun: u32,
        value: u64,
    },
    Child {
        pid: u32,
        uid: u32,
        status: i32,
        utime: u64,
        stime: u64,
    },
    Fault {
        addr: u64,
    },
}

/// `siginfo_t`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SigInfo {
    pub signal: Signal,
    pub code: i32,
    pub detail: SigDetail,
}

impl SigInfo {
    /// Sent by the kernel itself.
    pub fn kernel(signal: Signal) -> SigInfo {
        SigInfo {
            signal,
            code: SI_KERNEL,
            detail: SigDetail::None,
        }
    }

    /// The 128 bytes a handler or `waitid` sees.
    pub fn to_bytes(&self) -> [u8; 128] {
        let l = Layout::new()
            .u32(0, self.signal.number())
            .u32(8, self.code as u32);
        match self.detail {
            SigDetail::None => l,
            SigDetail::Sender { pid, uid } => l.u32(16, pid).u32(20, uid),
            SigDetail::Queue { pid, uid, value } => l.u32(16, pid).u32(20, uid).u64(24, value),
            SigDetail::Timer { id, overrun, value } => {
                l.u32(16, id).u32(20, overrun).u64(24, value)
            }
            SigDetail::Child {
                pid,
                uid,
                status,
                utime,
                stime,
            } => l
                .u32(16, pid)
                .u32(20, uid)
                .u32(24, status as u32)
                .u64(32, utime)
                .u64(40, stime),
            SigDetail::Fault { addr } => l.u64(16, addr),
        }
        .done()
    }
}

/// Offsets in `struct rt_sigframe` of x86-64, from the stack pointer at the handler's entry.
pub mod frame {
    pub const PRETCODE: u64 = 0;
    pub const UC: u64 = 8;
    pub const UC_FLAGS: u64 = UC;
    pub const UC_STACK: u64 = UC + 16;
    pub const UC_MCONTEXT: u64 = UC + 40;
    pub const UC_SIGMASK: u64 = UC_MCONTEXT + 256;
    pub const INFO: u64 = UC_SIGMASK + 8;
    pub const SIZE: u64 = INFO + 128;
    /// `UC_FP_XSTATE | UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS` without xsave: only the latter two.
    pub const UC_FLAGS_VALUE: u64 = 0x6;
    /// Order of the general registers in `sigcontext`, by their x86 numbers.
    pub const REGISTERS: [usize; 16] = [8, 9, 10, 11, 12, 13, 14, 15, 7, 6, 5, 3, 2, 0, 1, 4];
}
