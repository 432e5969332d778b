//! Which system calls a container may make: Docker's default profile in the runtime specification's form, for x86-64.
//!
//! What is not named fails with EPERM. That refuses what nobody needs in a container and what has been the way out of
//! many: `keyctl`, `bpf`, `io_uring`, `userfaultfd`, `perf_event_open`, `mount`, and new user namespaces.

use serde_json::{Value, json};

/// Always allowed, whatever the arguments.
const ALLOWED: &str = "accept accept4 access alarm arch_prctl bind brk capget capset chdir chmod chown \
    clock_adjtime clock_getres clock_gettime clock_nanosleep close close_range connect copy_file_range creat dup dup2 \
    dup3 epoll_create epoll_create1 epoll_ctl epoll_pwait epoll_pwait2 epoll_wait eventfd eventfd2 execve execveat \
    exit exit_group faccessat faccessat2 fadvise64 fallocate fanotify_mark fchdir fchmod fchmodat fchmodat2 fchown \
    fchownat fcntl fdatasync fgetxattr flistxattr flock fork fremovexattr fsetxattr fstat fstatfs fsync ftruncate \
    futex futex_waitv futimesat getcpu getcwd getdents getdents64 getegid geteuid getgid getgroups getitimer \
    getpeername getpgid getpgrp getpid getppid getpriority getrandom getresgid getresuid getrlimit get_robust_list \
    getrusage getsid getsockname getsockopt get_thread_area gettid gettimeofday getuid getxattr inotify_add_watch \
    inotify_init inotify_init1 inotify_rm_watch io_cancel ioctl io_destroy io_getevents io_pgetevents ioprio_get \
    ioprio_set io_setup io_submit kill landlock_add_rule landlock_create_ruleset landlock_restrict_self lchown \
    lgetxattr link linkat listen listxattr llistxattr lremovexattr lseek lsetxattr lstat madvise membarrier \
    memfd_create memfd_secret mincore mkdir mkdirat mknod mknodat mlock mlock2 mlockall mmap mprotect \
    mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedsend mq_unlink mremap msgctl msgget msgrcv msgsnd msync \
    munlock munlockall munmap nanosleep newfstatat open openat openat2 pause pidfd_open pidfd_send_signal \
    pipe pipe2 pkey_alloc pkey_free pkey_mprotect poll ppoll prctl pread64 preadv preadv2 prlimit64 \
    process_mrelease pselect6 pwrite64 pwritev pwritev2 read readahead readlink readlinkat readv recvfrom recvmmsg \
    recvmsg remap_file_pages removexattr rename renameat renameat2 restart_syscall rmdir rseq rt_sigaction \
    rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait rt_tgsigqueueinfo \
    sched_getaffinity sched_getattr sched_getparam sched_get_priority_max sched_get_priority_min \
    sched_getscheduler sched_rr_get_interval sched_setaffinity sched_setattr sched_setparam sched_setscheduler \
    sched_yield seccomp select semctl semget semop semtimedop sendfile sendmmsg sendmsg sendto setfsgid setfsuid \
    setgid setgroups setitimer setpgid setpriority setregid setresgid setresuid setreuid setrlimit set_robust_list \
    setsid setsockopt set_thread_area set_tid_address setuid setxattr shmat shmctl shmdt shmget shutdown sigaltstack \
    signalfd signalfd4 socketpair splice stat statfs statx symlink symlinkat sync sync_file_range syncfs sysinfo tee \
    tgkill time timer_create timer_delete timer_getoverrun timer_gettime timer_settime timerfd_create \
    timerfd_gettime timerfd_settime times tkill truncate umask uname unlink unlinkat utime utimensat utimes vfork \
    vmsplice wait4 waitid write writev";

/// Allowed to who holds a capability.
const WITH: [(&str, &str); 13] = [
    ("CAP_DAC_READ_SEARCH", "open_by_handle_at"),
    (
        "CAP_SYS_ADMIN",
        "bpf clone clone3 fanotify_init fsconfig fsmount fsopen fspick lookup_dcookie mount mount_setattr move_mount \
         open_tree perf_event_open quotactl quotactl_fd setdomainname sethostname setns syslog umount2 unshare \
         pivot_root",
    ),
    ("CAP_SYS_BOOT", "reboot"),
    ("CAP_SYS_CHROOT", "chroot"),
    ("CAP_SYS_MODULE", "delete_module init_module finit_module"),
    ("CAP_SYS_PACCT", "acct"),
    (
        "CAP_SYS_PTRACE",
        "kcmp pidfd_getfd process_madvise process_vm_readv process_vm_writev ptrace",
    ),
    ("CAP_SYS_RAWIO", "iopl ioperm"),
    ("CAP_SYS_TIME", "settimeofday clock_settime"),
    ("CAP_SYS_TTY_CONFIG", "vhangup"),
    ("CAP_SYS_NICE", "get_mempolicy mbind set_mempolicy"),
    ("CAP_SYSLOG", "syslog"),
    ("CAP_PERFMON", "perf_event_open"),
];

/// The bits of `clone`'s flags that make namespaces.
const NAMESPACES: u64 = 0x7E02_0000;
const ENOSYS: u32 = 38;

const AF_UNIX: u64 = 1;
const AF_INET: u64 = 2;
const AF_INET6: u64 = 10;
const AF_NETLINK: u64 = 16;
const AF_PACKET: u64 = 17;
/// Families of sockets that may be made; among those that may not are `AF_ALG` and `AF_VSOCK`.
const FAMILIES: [u64; 4] = [AF_UNIX, AF_INET, AF_INET6, AF_PACKET];
/// Netlink protocols that may be spoken: routes, socket diagnostics, kernel events. Not netfilter, not audit.
const NETLINK: [u64; 3] = [0, 4, 15];

/// Personalities: Linux, Linux32's bits, and the question which one it is.
const PERSONALITIES: [u64; 5] = [0, 8, 0x2_0000, 0x2_0008, 0xffff_ffff];

fn names(list: &str) -> Vec<&str> {
    list.split_ascii_whitespace().collect()
}

fn equal(index: u32, value: u64) -> Value {
    json!({ "index": index, "value": value, "op": "SCMP_CMP_EQ" })
}

fn allow(list: &[&str], args: Vec<Value>) -> Value {
    json!({ "names": list, "action": "SCMP_ACT_ALLOW", "args": args })
}

/// The profile for a process with these capabilities.
pub fn profile(capabilities: &[String]) -> Value {
    let holds = |name: &str| capabilities.iter().any(|held| held == name);
    let mut rules = vec![allow(&names(ALLOWED), Vec::new())];
    for family in FAMILIES {
        rules.push(allow(&["socket"], vec![equal(0, family)]));
    }
    for protocol in NETLINK {
        let args = vec![equal(0, AF_NETLINK), equal(2, protocol)];
        rules.push(allow(&["socket"], args));
    }
    for value in PERSONALITIES {
        rules.push(allow(&["personality"], vec![equal(0, value)]));
    }
    for (capability, list) in WITH {
        if holds(capability) {
            rules.push(allow(&names(list), Vec::new()));
        }
    }
    if !holds("CAP_SYS_ADMIN") {
        let masked = json!({
            "index": 0, "value": NAMESPACES, "valueTwo": 0, "op": "SCMP_CMP_MASKED_EQ",
        });
        rules.push(allow(&["clone"], vec![masked]));
        // Its flags can't be looked at; without it C libraries use clone.
        rules.push(json!({
            "names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": ENOSYS,
        }));
    }
    // One architecture: calls of another are refused, and the filter is half as long.
    json!({
        "defaultAction": "SCMP_ACT_ERRNO",
        "defaultErrnoRet": 1,
        "architectures": ["SCMP_ARCH_X86_64"],
        "syscalls": rules,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(capabilities: &[&str]) -> Vec<String> {
        let held: Vec<String> = capabilities.iter().map(|c| (*c).to_owned()).collect();
        let profile = profile(&held);
        let rules = profile["syscalls"].as_array().expect("rules").clone();
        let mut names: Vec<String> = rules
            .iter()
            .filter(|rule| rule["action"] == "SCMP_ACT_ALLOW")
            .flat_map(|rule| rule["names"].as_array().expect("names").clone())
            .filter_map(|name| Some(name.as_str()?.to_owned()))
            .collect();
        names.sort();
        names.dedup();
        names
    }

    #[test]
    fn at_most_300_calls_are_allowed_and_the_dangerous_are_not() {
        let names = allowed(&["CAP_CHOWN", "CAP_SYS_CHROOT"]);
        assert!(names.len() <= 300, "{}", names.len());
        for refused in [
            "keyctl",
            "add_key",
            "request_key",
            "bpf",
            "perf_event_open",
            "io_uring_setup",
            "io_uring_enter",
            "unshare",
            "setns",
            "mount",
            "userfaultfd",
            "ptrace",
            "kexec_load",
        ] {
            assert!(!names.iter().any(|name| name == refused), "{refused}");
        }
    }

    #[test]
    fn a_capability_brings_its_calls() {
        assert!(allowed(&["CAP_SYS_ADMIN"]).contains(&"mount".to_owned()));
        assert!(!allowed(&[]).contains(&"chroot".to_owned()));
    }
}
