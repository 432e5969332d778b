//! Terminal ioctls (`ioctl_tty(2)`).

use std::rc::Rc;

use bottleship_abi::tty::*;
use bottleship_abi::{Errno, Signal};

use super::Tty;
use crate::kernel::file::OpenFile;
use crate::syscall::{Cx, Stop, SysResult};

/// One request on either side of a pair.
pub(super) fn ioctl(tty: &Rc<Tty>, master: bool, cx: &Cx, request: u32, arg: u64) -> SysResult {
    match request {
        TCGETS => {
            let bytes = tty.termios.borrow().to_bytes();
            cx.write_mem(arg, &bytes)?;
        }
        TCGETS2 => {
            let mut bytes = [0; 44];
            bytes[..36].copy_from_slice(&tty.termios.borrow().to_bytes());
            bytes[36..40].copy_from_slice(&38400u32.to_le_bytes());
            bytes[40..].copy_from_slice(&38400u32.to_le_bytes());
            cx.write_mem(arg, &bytes)?;
        }
        TCSETS | TCSETSW | TCSETSF => {
            if !master {
                tty.check_job(cx, Signal::SIGTTOU)?;
            }
            let bytes: [u8; 36] = cx.read_array(arg)?;
            if request == TCSETSF {
                tty.flush_input();
            }
            tty.set_termios(Termios::from_bytes(&bytes));
        }
        0x402C_542B..=0x402C_542D => {
            let bytes: [u8; 36] = cx.read_array(arg)?;
            tty.set_termios(Termios::from_bytes(&bytes));
        }
        TCSBRK | TCSBRKP => {}
        TCXONC => match arg {
            0 => tty.set_halted(true),
            1 => tty.set_halted(false),
            2 | 3 => {}
            _ => return Err(Errno::EINVAL.into()),
        },
        TCFLSH => {
            let (input, output) = match arg {
                0 => (true, false),
                1 => (false, true),
                2 => (true, true),
                _ => return Err(Errno::EINVAL.into()),
            };
            if input {
                tty.flush_input();
            }
            if output {
                tty.flush_output();
            }
        }
        TIOCGWINSZ => cx.write_mem(arg, &tty.size.get().to_bytes())?,
        TIOCSWINSZ => tty.resize(WinSize::from_bytes(&cx.read_array(arg)?)),
        FIONREAD => {
            let n = if master {
                tty.output.borrow().len()
            } else {
                tty.readable()
            };
            cx.write_mem(arg, &(n as u32).to_le_bytes())?;
        }
        TIOCOUTQ => cx.write_mem(arg, &0u32.to_le_bytes())?,
        TIOCSCTTY => set_controlling(tty, cx, arg)?,
        TIOCNOTTY => give_up_controlling(tty, cx)?,
        TIOCGPGRP => {
            if !master {
                own_session(tty, cx)?;
            }
            let id = tty.foreground().map_or(0, |group| cx.group_number(&group));
            cx.write_mem(arg, &id.to_le_bytes())?;
        }
        TIOCSPGRP => set_foreground(tty, cx, arg)?,
        TIOCGSID => {
            own_session(tty, cx)?;
            let session = tty.session().ok_or(Errno::ENOTTY)?;
            cx.write_mem(arg, &cx.session_number(&session).to_le_bytes())?;
        }
        TIOCGETD => cx.write_mem(arg, &0u32.to_le_bytes())?,
        TIOCEXCL | TIOCNXCL => {}
        TIOCSTI => {
            let key: [u8; 1] = cx.read_array(arg)?;
            tty.receive(key[0]);
            tty.wait.wake();
        }
        TIOCGPTN if master => cx.write_mem(arg, &tty.number.to_le_bytes())?,
        TIOCSPTLCK if master => {
            let lock: [u8; 4] = cx.read_array(arg)?;
            tty.locked.set(lock != [0; 4]);
        }
        TIOCPKT if master => {
            let on: [u8; 4] = cx.read_array(arg)?;
            tty.packet_mode.set(on != [0; 4]);
        }
        TIOCGPTPEER if master => {
            let slave = OpenFile::anon(super::SlaveFile::new(tty.clone(), None), arg as u32);
            return cx.install(slave, arg as u32);
        }
        _ => return Err(Errno::ENOTTY.into()),
    }
    Ok(0)
}

/// The caller's session must be the one that `tty` controls.
fn own_session(tty: &Rc<Tty>, cx: &Cx) -> Result<(), Errno> {
    let session = cx.t.process.group.borrow().session.clone();
    match tty.session() {
        Some(owner) if Rc::ptr_eq(&owner, &session) => Ok(()),
        _ => Err(Errno::ENOTTY),
    }
}

fn set_controlling(tty: &Rc<Tty>, cx: &Cx, steal: u64) -> Result<(), Errno> {
    let group = cx.t.process.group.borrow().clone();
    let session = group.session.clone();
    if own_session(tty, cx).is_ok() {
        return Ok(());
    }
    let leads = session
        .leader
        .borrow()
        .upgrade()
        .is_some_and(|leader| Rc::ptr_eq(&leader, &cx.t.process));
    if !leads || session.tty.borrow().is_some() {
        return Err(Errno::EPERM);
    }
    if tty.session().is_some() {
        if steal != 1 || !cx.capable(bottleship_vfs::CapSet::SYS_ADMIN) {
            return Err(Errno::EPERM);
        }
        tty.disassociate();
    }
    tty.associate(&session, &group);
    Ok(())
}

fn give_up_controlling(tty: &Rc<Tty>, cx: &Cx) -> Result<(), Errno> {
    own_session(tty, cx)?;
    let session = cx.t.process.group.borrow().session.clone();
    let leads = session
        .leader
        .borrow()
        .upgrade()
        .is_some_and(|leader| Rc::ptr_eq(&leader, &cx.t.process));
    if leads {
        tty.signal_foreground(Signal::SIGHUP);
        tty.signal_foreground(Signal::SIGCONT);
        tty.disassociate();
    }
    Ok(())
}

fn set_foreground(tty: &Rc<Tty>, cx: &Cx, arg: u64) -> Result<(), Stop> {
    own_session(tty, cx)?;
    tty.check_job(cx, Signal::SIGTTOU)?;
    let number = u32::from_le_bytes(cx.read_array(arg)?);
    if number as i32 <= 0 {
        return Err(Errno::EINVAL.into());
    }
    let group = cx.t.pid_ns().group(number).ok_or(Errno::ESRCH)?;
    if !Rc::ptr_eq(&group.session, &cx.t.process.group.borrow().session) {
        return Err(Errno::EPERM.into());
    }
    *tty.foreground.borrow_mut() = Rc::downgrade(&group);
    Ok(())
}
