//! The table of system calls: number, name, arguments, what carries it out, and how well it is supported.
//!
//! The support page is generated from it ([`support_table`]).

use super::{Args, Cx, SysResult};
use super::{
    cred, epoll, exec, fcntl, file, futex, inotify, io, mem, misc, mount, path, poll, process,
};
use super::{message, sched, shm, signal, socket, stat, time, wait, xattr};

/// How well a system call is supported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Support {
    /// As on Linux, as far as programs can tell.
    Full,
    /// But for this.
    Partly(&'static str),
    /// Answers `ENOSYS`; what is missing.
    Missing(&'static str),
}

/// A row of the table.
pub struct Row {
    pub number: u64,
    pub name: &'static str,
    /// One letter for each argument, for tracing: `s`tring, `d`ecimal, `u`nsigned, `o`ctal, he`x`.
    pub args: &'static str,
    pub call: fn(&Cx, &Args) -> SysResult,
    pub support: Support,
}

fn unsupported(_: &Cx, _: &Args) -> SysResult {
    Err(bottleship_abi::Errno::ENOSYS.into())
}

macro_rules! table {
    ($($number:literal $name:ident = $call:path, $args:literal, $support:expr;)*) => {
        /// All rows, by number.
        pub static ROWS: &[Row] = &[
            $(Row { number: $number, name: stringify!($name), args: $args, call: $call, support: $support },)*
        ];
    };
}

use Support::{Full, Missing, Partly};

table! {
    0 read = io::read, "dxu", Full;
    1 write = io::write, "dxu", Full;
    2 open = file::open, "sxo", Full;
    3 close = file::close, "d", Full;
    4 stat = stat::stat, "sx", Full;
    5 fstat = stat::fstat, "dx", Full;
    6 lstat = stat::lstat, "sx", Full;
    7 poll = poll::poll, "xud", Full;
    8 lseek = file::lseek, "ddu", Full;
    9 mmap = mem::mmap, "xuxxdx", Full;
    10 mprotect = mem::mprotect, "xux", Full;
    11 munmap = mem::munmap, "xu", Full;
    12 brk = mem::brk, "x", Full;
    13 rt_sigaction = signal::rt_sigaction, "uxxu", Full;
    14 rt_sigprocmask = signal::rt_sigprocmask, "uxxu", Full;
    15 rt_sigreturn = signal::rt_sigreturn, "", Full;
    16 ioctl = fcntl::ioctl, "dxx", Partly("terminals, pipes and sockets; no other devices");
    17 pread64 = io::pread64, "dxuu", Full;
    18 pwrite64 = io::pwrite64, "dxuu", Full;
    19 readv = io::readv, "dxu", Full;
    20 writev = io::writev, "dxu", Full;
    21 access = path::access, "so", Full;
    22 pipe = file::pipe, "x", Full;
    23 select = poll::select, "dxxxx", Full;
    24 sched_yield = sched::sched_yield, "", Full;
    25 mremap = mem::mremap, "xuuxx", Partly("no MREMAP_DONTUNMAP");
    26 msync = mem::msync, "xux", Full;
    27 mincore = mem::mincore, "xux", Full;
    28 madvise = mem::madvise, "xux", Partly("advice other than DONTNEED and FREE has no effect");
    29 shmget = shm::shmget, "xux", Full;
    30 shmat = shm::shmat, "dxx", Full;
    31 shmctl = shm::shmctl, "dux", Partly("IPC_STAT and IPC_RMID");
    32 dup = file::dup, "d", Full;
    33 dup2 = file::dup2, "dd", Full;
    34 pause = poll::pause, "", Full;
    35 nanosleep = time::nanosleep, "xx", Full;
    36 getitimer = time::getitimer, "ux", Full;
    37 alarm = time::alarm, "u", Full;
    38 setitimer = time::setitimer, "uxx", Full;
    39 getpid = process::getpid, "", Full;
    40 sendfile = io::sendfile, "ddxu", Full;
    41 socket = socket::socket, "uxu", Partly("UNIX, TCP, UDP, ping, netlink for reading");
    42 connect = socket::connect, "dxu", Full;
    43 accept = socket::accept, "dxx", Full;
    44 sendto = message::sendto, "dxuxxu", Partly("no out-of-band data");
    45 recvfrom = message::recvfrom, "dxuxxx", Partly("no out-of-band data");
    46 sendmsg = message::sendmsg, "dxx", Partly("SCM_RIGHTS; no out-of-band data");
    47 recvmsg = message::recvmsg, "dxx", Partly("no out-of-band data");
    48 shutdown = socket::shutdown, "du", Full;
    49 bind = socket::bind, "dxu", Full;
    50 listen = socket::listen, "du", Full;
    51 getsockname = socket::getsockname, "dxx", Full;
    52 getpeername = socket::getpeername, "dxx", Full;
    53 socketpair = socket::socketpair, "uxux", Full;
    54 setsockopt = socket::setsockopt, "duuxu", Partly("options that matter on a network without packets; the others are kept");
    55 getsockopt = socket::getsockopt, "duuxx", Partly("options that matter on a network without packets; the others are kept");
    56 clone = process::clone, "xxxxx", Partly("no CLONE_PIDFD, no user namespaces");
    57 fork = process::fork, "", Full;
    58 vfork = process::vfork, "", Full;
    59 execve = exec::execve, "sxx", Partly("no file capabilities");
    60 exit = process::exit, "d", Full;
    61 wait4 = wait::wait4, "dxxx", Full;
    62 kill = signal::kill, "dd", Full;
    63 uname = misc::uname, "x", Full;
    64 semget = unsupported, "", Missing("System V semaphores");
    65 semop = unsupported, "", Missing("System V semaphores");
    66 semctl = unsupported, "", Missing("System V semaphores");
    67 shmdt = shm::shmdt, "x", Full;
    68 msgget = unsupported, "", Missing("System V message queues");
    69 msgsnd = unsupported, "", Missing("System V message queues");
    70 msgrcv = unsupported, "", Missing("System V message queues");
    71 msgctl = unsupported, "", Missing("System V message queues");
    72 fcntl = fcntl::fcntl, "dux", Partly("no leases, no SIGIO, no seals");
    73 flock = fcntl::flock, "dx", Full;
    74 fsync = io::fsync, "d", Partly("nothing to write back");
    75 fdatasync = io::fsync, "d", Partly("nothing to write back");
    76 truncate = path::truncate, "su", Full;
    77 ftruncate = io::ftruncate, "du", Full;
    78 getdents = file::getdents, "dxu", Full;
    79 getcwd = path::getcwd, "xu", Full;
    80 chdir = path::chdir, "s", Full;
    81 fchdir = path::fchdir, "d", Full;
    82 rename = path::rename, "ss", Full;
    83 mkdir = path::mkdir, "so", Full;
    84 rmdir = path::rmdir, "s", Full;
    85 creat = file::creat, "so", Full;
    86 link = path::link, "ss", Full;
    87 unlink = path::unlink, "s", Full;
    88 symlink = path::symlink, "ss", Full;
    89 readlink = path::readlink, "sxu", Full;
    90 chmod = path::chmod, "so", Full;
    91 fchmod = path::fchmod, "do", Full;
    92 chown = path::chown, "sdd", Full;
    93 fchown = path::fchown, "ddd", Full;
    94 lchown = path::lchown, "sdd", Full;
    95 umask = path::umask, "o", Full;
    96 gettimeofday = time::gettimeofday, "xx", Full;
    97 getrlimit = misc::getrlimit, "ux", Full;
    98 getrusage = wait::getrusage, "dx", Partly("CPU time is counted in instructions");
    99 sysinfo = misc::sysinfo, "x", Full;
    100 times = wait::times, "x", Partly("CPU time is counted in instructions");
    101 ptrace = unsupported, "", Missing("tracing processes");
    102 getuid = cred::getuid, "", Full;
    103 syslog = misc::syslog, "uxu", Partly("the log is empty");
    104 getgid = cred::getgid, "", Full;
    105 setuid = cred::setuid, "d", Full;
    106 setgid = cred::setgid, "d", Full;
    107 geteuid = cred::geteuid, "", Full;
    108 getegid = cred::getegid, "", Full;
    109 setpgid = process::setpgid, "dd", Full;
    110 getppid = process::getppid, "", Full;
    111 getpgrp = process::getpgrp, "", Full;
    112 setsid = process::setsid, "", Full;
    113 setreuid = cred::setreuid, "dd", Full;
    114 setregid = cred::setregid, "dd", Full;
    115 getgroups = cred::getgroups, "dx", Full;
    116 setgroups = cred::setgroups, "ux", Full;
    117 setresuid = cred::setresuid, "ddd", Full;
    118 getresuid = cred::getresuid, "xxx", Full;
    119 setresgid = cred::setresgid, "ddd", Full;
    120 getresgid = cred::getresgid, "xxx", Full;
    121 getpgid = process::getpgid, "d", Full;
    122 setfsuid = cred::setfsuid, "d", Full;
    123 setfsgid = cred::setfsgid, "d", Full;
    124 getsid = process::getsid, "d", Full;
    125 capget = cred::capget, "xx", Full;
    126 capset = cred::capset, "xx", Full;
    127 rt_sigpending = signal::rt_sigpending, "xu", Full;
    128 rt_sigtimedwait = signal::rt_sigtimedwait, "xxxu", Full;
    129 rt_sigqueueinfo = signal::rt_sigqueueinfo, "dux", Full;
    130 rt_sigsuspend = signal::rt_sigsuspend, "xu", Full;
    131 sigaltstack = signal::sigaltstack, "xx", Full;
    132 utime = path::utime, "sx", Full;
    133 mknod = path::mknod, "sox", Full;
    134 uselib = unsupported, "", Missing("obsolete");
    135 personality = misc::personality, "x", Partly("remembered, without effect");
    136 ustat = unsupported, "", Missing("obsolete");
    137 statfs = stat::statfs, "sx", Full;
    138 fstatfs = stat::fstatfs, "dx", Full;
    139 sysfs = unsupported, "", Missing("obsolete");
    140 getpriority = sched::getpriority, "ud", Partly("priorities have no effect");
    141 setpriority = sched::setpriority, "udd", Partly("priorities have no effect");
    142 sched_setparam = sched::sched_setparam, "dx", Partly("priorities have no effect");
    143 sched_getparam = sched::sched_getparam, "dx", Full;
    144 sched_setscheduler = sched::sched_setscheduler, "dux", Partly("policies have no effect");
    145 sched_getscheduler = sched::sched_getscheduler, "d", Full;
    146 sched_get_priority_max = sched::sched_get_priority_max, "u", Full;
    147 sched_get_priority_min = sched::sched_get_priority_min, "u", Full;
    148 sched_rr_get_interval = sched::sched_rr_get_interval, "dx", Full;
    149 mlock = mem::mlock, "xu", Partly("everything always is in memory");
    150 munlock = mem::mlock, "xu", Partly("everything always is in memory");
    151 mlockall = mem::mlock, "x", Partly("everything always is in memory");
    152 munlockall = mem::mlock, "", Partly("everything always is in memory");
    153 vhangup = file::vhangup, "", Full;
    154 modify_ldt = unsupported, "", Missing("16-bit and 32-bit segments");
    155 pivot_root = mount::pivot_root, "ss", Full;
    156 _sysctl = unsupported, "", Missing("obsolete");
    157 prctl = misc::prctl, "dxxxx", Partly("no seccomp, no PR_SET_MM");
    158 arch_prctl = misc::arch_prctl, "xx", Full;
    159 adjtimex = unsupported, "", Missing("the clock is the host's");
    160 setrlimit = misc::setrlimit, "ux", Full;
    161 chroot = path::chroot, "s", Full;
    162 sync = io::sync, "", Partly("nothing to write back");
    163 acct = unsupported, "", Missing("process accounting");
    164 settimeofday = time::clock_settime, "xx", Partly("the clock is the host's");
    165 mount = mount::mount, "sssxs", Partly("tmpfs, proc, sysfs, devpts, cgroup2, bind; all mounts are private");
    166 umount2 = mount::umount2, "sx", Full;
    167 swapon = unsupported, "", Missing("swap");
    168 swapoff = unsupported, "", Missing("swap");
    169 reboot = misc::reboot, "xxx", Partly("refused");
    170 sethostname = misc::sethostname, "su", Full;
    171 setdomainname = misc::setdomainname, "su", Full;
    172 iopl = unsupported, "", Missing("hardware");
    173 ioperm = unsupported, "", Missing("hardware");
    174 create_module = unsupported, "", Missing("kernel modules");
    175 init_module = unsupported, "", Missing("kernel modules");
    176 delete_module = unsupported, "", Missing("kernel modules");
    177 get_kernel_syms = unsupported, "", Missing("kernel modules");
    178 query_module = unsupported, "", Missing("kernel modules");
    179 quotactl = unsupported, "", Missing("quotas");
    180 nfsservctl = unsupported, "", Missing("obsolete");
    181 getpmsg = unsupported, "", Missing("obsolete");
    182 putpmsg = unsupported, "", Missing("obsolete");
    183 afs_syscall = unsupported, "", Missing("obsolete");
    184 tuxcall = unsupported, "", Missing("obsolete");
    185 security = unsupported, "", Missing("obsolete");
    186 gettid = process::gettid, "", Full;
    187 readahead = io::readahead, "dxu", Full;
    188 setxattr = xattr::setxattr, "ssxux", Full;
    189 lsetxattr = xattr::lsetxattr, "ssxux", Full;
    190 fsetxattr = xattr::fsetxattr, "dsxux", Full;
    191 getxattr = xattr::getxattr, "ssxu", Full;
    192 lgetxattr = xattr::lgetxattr, "ssxu", Full;
    193 fgetxattr = xattr::fgetxattr, "dsxu", Full;
    194 listxattr = xattr::listxattr, "sxu", Full;
    195 llistxattr = xattr::llistxattr, "sxu", Full;
    196 flistxattr = xattr::flistxattr, "dxu", Full;
    197 removexattr = xattr::removexattr, "ss", Full;
    198 lremovexattr = xattr::lremovexattr, "ss", Full;
    199 fremovexattr = xattr::fremovexattr, "ds", Full;
    200 tkill = signal::tkill, "dd", Full;
    201 time = time::time, "x", Full;
    202 futex = futex::futex, "xxuxxx", Partly("no priority inheritance");
    203 sched_setaffinity = sched::sched_setaffinity, "dux", Partly("it is checked and not kept");
    204 sched_getaffinity = sched::sched_getaffinity, "dux", Full;
    205 set_thread_area = unsupported, "", Missing("32-bit segments");
    206 io_setup = unsupported, "", Missing("asynchronous IO");
    207 io_destroy = unsupported, "", Missing("asynchronous IO");
    208 io_getevents = unsupported, "", Missing("asynchronous IO");
    209 io_submit = unsupported, "", Missing("asynchronous IO");
    210 io_cancel = unsupported, "", Missing("asynchronous IO");
    211 get_thread_area = unsupported, "", Missing("32-bit segments");
    212 lookup_dcookie = unsupported, "", Missing("profiling");
    213 epoll_create = epoll::epoll_create, "d", Full;
    214 epoll_ctl_old = unsupported, "", Missing("obsolete");
    215 epoll_wait_old = unsupported, "", Missing("obsolete");
    216 remap_file_pages = unsupported, "", Missing("obsolete");
    217 getdents64 = file::getdents64, "dxu", Full;
    218 set_tid_address = process::set_tid_address, "x", Full;
    219 restart_syscall = unsupported, "", Missing("restarting is done without it");
    220 semtimedop = unsupported, "", Missing("System V semaphores");
    221 fadvise64 = io::fadvise64, "duud", Partly("without effect");
    222 timer_create = time::timer_create, "uxx", Partly("no SIGEV_THREAD but through SIGEV_THREAD_ID");
    223 timer_settime = time::timer_settime, "dxxx", Full;
    224 timer_gettime = time::timer_gettime, "dx", Full;
    225 timer_getoverrun = time::timer_getoverrun, "d", Full;
    226 timer_delete = time::timer_delete, "d", Full;
    227 clock_settime = time::clock_settime, "ux", Partly("the clock is the host's");
    228 clock_gettime = time::clock_gettime, "ux", Full;
    229 clock_getres = time::clock_getres, "ux", Full;
    230 clock_nanosleep = time::clock_nanosleep, "uxxx", Full;
    231 exit_group = process::exit_group, "d", Full;
    232 epoll_wait = epoll::epoll_wait, "dxdd", Full;
    233 epoll_ctl = epoll::epoll_ctl, "dudx", Full;
    234 tgkill = signal::tgkill, "ddd", Full;
    235 utimes = path::utimes, "sx", Full;
    236 vserver = unsupported, "", Missing("obsolete");
    237 mbind = unsupported, "", Missing("NUMA");
    238 set_mempolicy = unsupported, "", Missing("NUMA");
    239 get_mempolicy = unsupported, "", Missing("NUMA");
    240 mq_open = unsupported, "", Missing("POSIX message queues");
    241 mq_unlink = unsupported, "", Missing("POSIX message queues");
    242 mq_timedsend = unsupported, "", Missing("POSIX message queues");
    243 mq_timedreceive = unsupported, "", Missing("POSIX message queues");
    244 mq_notify = unsupported, "", Missing("POSIX message queues");
    245 mq_getsetattr = unsupported, "", Missing("POSIX message queues");
    246 kexec_load = unsupported, "", Missing("another kernel");
    247 waitid = wait::waitid, "udxxx", Partly("no pidfds");
    248 add_key = unsupported, "", Missing("keyrings");
    249 request_key = unsupported, "", Missing("keyrings");
    250 keyctl = unsupported, "", Missing("keyrings");
    251 ioprio_set = sched::ioprio_set, "uud", Partly("without effect");
    252 ioprio_get = sched::ioprio_get, "uu", Full;
    253 inotify_init = inotify::inotify_init, "", Full;
    254 inotify_add_watch = inotify::inotify_add_watch, "dsx", Full;
    255 inotify_rm_watch = inotify::inotify_rm_watch, "dd", Full;
    256 migrate_pages = unsupported, "", Missing("NUMA");
    257 openat = file::openat, "dsxo", Full;
    258 mkdirat = path::mkdirat, "dso", Full;
    259 mknodat = path::mknodat, "dsox", Full;
    260 fchownat = path::fchownat, "dsddx", Full;
    261 futimesat = path::futimesat, "dsx", Full;
    262 newfstatat = stat::newfstatat, "dsxx", Full;
    263 unlinkat = path::unlinkat, "dsx", Full;
    264 renameat = path::renameat, "dsds", Full;
    265 linkat = path::linkat, "dsdsx", Full;
    266 symlinkat = path::symlinkat, "sds", Full;
    267 readlinkat = path::readlinkat, "dsxu", Full;
    268 fchmodat = path::fchmodat, "dso", Full;
    269 faccessat = path::faccessat, "dso", Full;
    270 pselect6 = poll::pselect6, "dxxxxx", Full;
    271 ppoll = poll::ppoll, "xuxxu", Full;
    272 unshare = process::unshare, "x", Partly("no user and cgroup namespaces");
    273 set_robust_list = futex::set_robust_list, "xu", Full;
    274 get_robust_list = futex::get_robust_list, "dxx", Full;
    275 splice = io::splice, "dxdxux", Partly("copies");
    276 tee = unsupported, "", Missing("duplicating pipes");
    277 sync_file_range = io::fsync, "duux", Partly("nothing to write back");
    278 vmsplice = unsupported, "", Missing("pages as pipe buffers");
    279 move_pages = unsupported, "", Missing("NUMA");
    280 utimensat = path::utimensat, "dsxx", Full;
    281 epoll_pwait = epoll::epoll_pwait, "dxddxu", Full;
    282 signalfd = epoll::signalfd, "dxu", Full;
    283 timerfd_create = epoll::timerfd_create, "ux", Full;
    284 eventfd = epoll::eventfd, "u", Full;
    285 fallocate = io::fallocate, "dxuu", Partly("allocate, punch holes, zero ranges");
    286 timerfd_settime = epoll::timerfd_settime, "dxxx", Full;
    287 timerfd_gettime = epoll::timerfd_gettime, "dx", Full;
    288 accept4 = socket::accept4, "dxxx", Full;
    289 signalfd4 = epoll::signalfd4, "dxux", Full;
    290 eventfd2 = epoll::eventfd2, "ux", Full;
    291 epoll_create1 = epoll::epoll_create1, "x", Full;
    292 dup3 = file::dup3, "ddx", Full;
    293 pipe2 = file::pipe2, "xx", Full;
    294 inotify_init1 = inotify::inotify_init1, "x", Full;
    295 preadv = io::preadv, "dxuu", Full;
    296 pwritev = io::pwritev, "dxuu", Full;
    297 rt_tgsigqueueinfo = signal::rt_tgsigqueueinfo, "dddx", Full;
    298 perf_event_open = unsupported, "", Missing("performance counters");
    299 recvmmsg = message::recvmmsg, "dxuxx", Partly("no timeout");
    300 fanotify_init = unsupported, "", Missing("fanotify");
    301 fanotify_mark = unsupported, "", Missing("fanotify");
    302 prlimit64 = misc::prlimit64, "duxx", Full;
    303 name_to_handle_at = file::name_to_handle_at, "dsxxx", Partly("refused");
    304 open_by_handle_at = unsupported, "", Missing("file handles");
    305 clock_adjtime = unsupported, "", Missing("the clock is the host's");
    306 syncfs = io::syncfs, "d", Partly("nothing to write back");
    307 sendmmsg = message::sendmmsg, "dxux", Full;
    308 setns = unsupported, "", Missing("joining namespaces");
    309 getcpu = misc::getcpu, "xx", Full;
    310 process_vm_readv = unsupported, "", Missing("other processes' memory");
    311 process_vm_writev = unsupported, "", Missing("other processes' memory");
    312 kcmp = unsupported, "", Missing("comparing processes");
    313 finit_module = unsupported, "", Missing("kernel modules");
    314 sched_setattr = unsupported, "", Missing("deadline scheduling");
    315 sched_getattr = unsupported, "", Missing("deadline scheduling");
    316 renameat2 = path::renameat2, "dsdsx", Full;
    317 seccomp = unsupported, "", Missing("system call filters");
    318 getrandom = misc::getrandom, "xux", Full;
    319 memfd_create = file::memfd_create, "sx", Partly("no seals");
    320 kexec_file_load = unsupported, "", Missing("another kernel");
    321 bpf = unsupported, "", Missing("BPF");
    322 execveat = exec::execveat, "dsxxx", Partly("no file capabilities");
    323 userfaultfd = unsupported, "", Missing("user-space page faults");
    324 membarrier = mem::membarrier, "uu", Full;
    325 mlock2 = mem::mlock, "xux", Partly("everything always is in memory");
    326 copy_file_range = io::copy_file_range, "dxdxux", Full;
    327 preadv2 = io::preadv, "dxuu", Partly("flags are ignored");
    328 pwritev2 = io::pwritev, "dxuu", Partly("flags are ignored");
    329 pkey_mprotect = unsupported, "", Missing("protection keys");
    330 pkey_alloc = unsupported, "", Missing("protection keys");
    331 pkey_free = unsupported, "", Missing("protection keys");
    332 statx = stat::statx, "dsxxx", Full;
    333 io_pgetevents = unsupported, "", Missing("asynchronous IO");
    334 rseq = unsupported, "", Missing("restartable sequences");
    424 pidfd_send_signal = unsupported, "", Missing("pidfds");
    425 io_uring_setup = unsupported, "", Missing("io_uring");
    426 io_uring_enter = unsupported, "", Missing("io_uring");
    427 io_uring_register = unsupported, "", Missing("io_uring");
    428 open_tree = unsupported, "", Missing("the new mount interface");
    429 move_mount = unsupported, "", Missing("the new mount interface");
    430 fsopen = unsupported, "", Missing("the new mount interface");
    431 fsconfig = unsupported, "", Missing("the new mount interface");
    432 fsmount = unsupported, "", Missing("the new mount interface");
    433 fspick = unsupported, "", Missing("the new mount interface");
    434 pidfd_open = unsupported, "", Missing("pidfds");
    435 clone3 = process::clone3, "xu", Partly("no CLONE_PIDFD, no user namespaces");
    436 close_range = file::close_range, "uux", Full;
    437 openat2 = file::openat2, "dsxu", Full;
    438 pidfd_getfd = unsupported, "", Missing("pidfds");
    439 faccessat2 = path::faccessat2, "dsox", Full;
    440 process_madvise = unsupported, "", Missing("other processes' memory");
    441 epoll_pwait2 = epoll::epoll_pwait2, "dxdxxu", Full;
    449 futex_waitv = unsupported, "", Missing("waiting on several futexes");
    452 fchmodat2 = path::fchmodat2, "dsox", Full;
}

/// Numbers below this are the row's index.
const DENSE: u64 = 335;

/// The row of a number.
pub fn lookup(number: u64) -> Option<&'static Row> {
    if number < DENSE {
        return ROWS.get(number as usize);
    }
    let at = ROWS.binary_search_by_key(&number, |row| row.number).ok()?;
    ROWS.get(at)
}

/// The support table as Markdown.
pub fn support_table() -> String {
    let mut text = String::from("| system call | support |\n|---|---|\n");
    for row in ROWS {
        let support = match row.support {
            Full => "full".to_owned(),
            Partly(but) => format!("partly: {but}"),
            Missing(what) => format!("missing: {what}"),
        };
        text.push_str(&format!("| `{}` | {support} |\n", row.name));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_where_lookup_expects_them() {
        for (i, row) in ROWS.iter().enumerate() {
            if row.number < DENSE {
                assert_eq!(row.number, i as u64, "{}", row.name);
            }
            assert_eq!(lookup(row.number).map(|found| found.name), Some(row.name));
        }
        assert!(ROWS.is_sorted_by_key(|row| row.number));
        assert!(lookup(400).is_none() && lookup(u64::MAX).is_none());
    }

    #[test]
    fn the_support_table_has_every_call() {
        let text = support_table();
        assert!(text.contains("| `read` | full |"));
        assert!(text.contains("| `ptrace` | missing: tracing processes |"));
        assert_eq!(text.lines().count(), ROWS.len() + 2);
    }
}
