//! `docker run --init`: a first process that passes signals on and leaves no zombies (docker-init, which is tini).

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use bottleship_linux::abi::Signal;
use bottleship_linux::{ExitStatus, Kernel, Process, ProcessSpec, SpawnError, Sys};
use futures::future::{Either, FutureExt, select};

/// Where dockerd puts the program.
pub const PATH: &str = "/sbin/docker-init";
/// What the program's file holds: the name of a builtin.
pub const PROGRAM: &[u8] = b"#!/builtin/docker-init\n";

/// What each running init waits for, by the init's process id.
#[derive(Clone, Default)]
pub struct Children(Rc<RefCell<BTreeMap<u32, Process>>>);

/// Makes the builtin known to the kernel.
pub fn register(kernel: &Kernel) -> Children {
    let children = Children::default();
    let known = children.clone();
    kernel.register_builtin(
        "docker-init",
        Rc::new(move |sys| reap(sys, known.clone()).boxed_local()),
    );
    children
}

impl Children {
    /// Spawns init and its child, in this order, so that init is process 1.
    pub fn spawn(
        &self,
        start: impl Fn(ProcessSpec) -> Result<Process, SpawnError>,
        child: ProcessSpec,
    ) -> Result<Vec<Process>, SpawnError> {
        let mut spec = ProcessSpec::new(vec![PATH.into(), b"--".to_vec()]);
        spec.argv.extend(child.argv.iter().cloned());
        spec.stopped = true;
        let init = start(spec)?;
        match start(child) {
            Ok(child) => {
                self.0.borrow_mut().insert(init.pid(), child.clone());
                Ok(vec![init, child])
            }
            Err(error) => {
                init.kill(Signal::SIGKILL);
                Err(error)
            }
        }
    }
}

/// Passes signals to the child until it ends, and ends as it did.
async fn reap(sys: Sys, children: Children) -> i32 {
    let Some(child) = children.0.borrow_mut().remove(&sys.host_pid()) else {
        let _ = sys
            .write_all(
                2,
                b"docker-init: is started by the container runtime only\n",
            )
            .await;
        return 1;
    };
    let passed: Vec<Signal> = (1..=64)
        .filter_map(Signal::new)
        .filter(|signal| !matches!(*signal, Signal::SIGKILL | Signal::SIGSTOP | Signal::SIGCHLD))
        .collect();
    if sys
        .catch(&passed)
        .and_then(|()| sys.ignore(&[Signal::SIGCHLD]))
        .is_err()
    {
        return 1;
    }
    let mut exited = Box::pin(child.exited());
    loop {
        let signal = Box::pin(sys.next_signal());
        match select(exited, signal).await {
            Either::Left((ExitStatus::Code(code), _)) => return i32::from(code),
            Either::Left((ExitStatus::Signal(signal), _)) => return 128 + signal.number() as i32,
            Either::Right((signal, waiting)) => {
                child.kill(signal);
                exited = waiting;
            }
        }
    }
}
