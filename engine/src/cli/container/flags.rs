//! The flags `docker run` and `docker create` share.

use crate::cli::prelude::*;

/// How many there are.
pub const COUNT: usize = 103;

/// The flags.
pub const FLAGS: [Flag; COUNT] = [
    Flag::long(
        "add-host",
        "list",
        "Add a custom host-to-IP mapping (host:ip)",
    ),
    Flag::long(
        "annotation",
        "map",
        "Add an annotation to the container (passed through to the OCI runtime) (default map[])",
    ),
    Flag::new('a', "attach", "list", "Attach to STDIN, STDOUT or STDERR"),
    Flag::long(
        "blkio-weight",
        "uint16",
        "Block IO (relative weight), between 10 and 1000, or 0 to disable (default 0)",
    ),
    Flag::long(
        "blkio-weight-device",
        "list",
        "Block IO weight (relative device weight) (default [])",
    ),
    Flag::long("cap-add", "list", "Add Linux capabilities"),
    Flag::long("cap-drop", "list", "Drop Linux capabilities"),
    Flag::long(
        "cgroup-parent",
        "string",
        "Optional parent cgroup for the container",
    ),
    Flag::long(
        "cgroupns",
        "string",
        "Cgroup namespace to use (host|private)\n'host':    Run the container in the Docker host's cgroup namespace\n'private': Run the container in its own private cgroup namespace\n'':        Use the cgroup namespace as configured by the\n           default-cgroupns-mode option on the daemon (default)",
    ),
    Flag::long("cidfile", "string", "Write the container ID to the file"),
    Flag::long("cpu-count", "int", "CPU count (Windows only)").needs(Need::Windows),
    Flag::long("cpu-percent", "int", "CPU percent (Windows only)").needs(Need::Windows),
    Flag::long(
        "cpu-period",
        "int",
        "Limit CPU CFS (Completely Fair Scheduler) period",
    ),
    Flag::long(
        "cpu-quota",
        "int",
        "Limit CPU CFS (Completely Fair Scheduler) quota",
    ),
    Flag::long(
        "cpu-rt-period",
        "int",
        "Limit CPU real-time period in microseconds",
    ),
    Flag::long(
        "cpu-rt-runtime",
        "int",
        "Limit CPU real-time runtime in microseconds",
    ),
    Flag::new('c', "cpu-shares", "int", "CPU shares (relative weight)"),
    Flag::long("cpus", "decimal", "Number of CPUs"),
    Flag::long(
        "cpuset-cpus",
        "string",
        "CPUs in which to allow execution (0-3, 0,1)",
    ),
    Flag::long(
        "cpuset-mems",
        "string",
        "MEMs in which to allow execution (0-3, 0,1)",
    ),
    Flag::long("device", "list", "Add a host device to the container"),
    Flag::long(
        "device-cgroup-rule",
        "list",
        "Add a rule to the cgroup allowed devices list",
    ),
    Flag::long(
        "device-read-bps",
        "list",
        "Limit read rate (bytes per second) from a device (default [])",
    ),
    Flag::long(
        "device-read-iops",
        "list",
        "Limit read rate (IO per second) from a device (default [])",
    ),
    Flag::long(
        "device-write-bps",
        "list",
        "Limit write rate (bytes per second) to a device (default [])",
    ),
    Flag::long(
        "device-write-iops",
        "list",
        "Limit write rate (IO per second) to a device (default [])",
    ),
    Flag::long(
        "disable-content-trust",
        "",
        "Skip image verification (default true)",
    ),
    Flag::long("dns", "list", "Set custom DNS servers"),
    Flag::long("dns-option", "list", "Set DNS options"),
    Flag::long("dns-search", "list", "Set custom DNS search domains"),
    Flag::long("domainname", "string", "Container NIS domain name"),
    Flag::long(
        "entrypoint",
        "string",
        "Overwrite the default ENTRYPOINT of the image",
    ),
    Flag::new('e', "env", "list", "Set environment variables"),
    Flag::long(
        "env-file",
        "list",
        "Read in a file of environment variables",
    ),
    Flag::long("expose", "list", "Expose a port or a range of ports"),
    Flag::long(
        "gpus",
        "gpu-request",
        "GPU devices to add to the container ('all' to pass all GPUs)",
    ),
    Flag::long("group-add", "list", "Add additional groups to join"),
    Flag::long("health-cmd", "string", "Command to run to check health"),
    Flag::long(
        "health-interval",
        "duration",
        "Time between running the check (ms|s|m|h) (default 0s)",
    ),
    Flag::long(
        "health-retries",
        "int",
        "Consecutive failures needed to report unhealthy",
    ),
    Flag::long(
        "health-start-interval",
        "duration",
        "Time between running the check during the start period (ms|s|m|h) (default 0s)",
    ),
    Flag::long(
        "health-start-period",
        "duration",
        "Start period for the container to initialize before starting health-retries countdown (ms|s|m|h) (default 0s)",
    ),
    Flag::long(
        "health-timeout",
        "duration",
        "Maximum time to allow one check to run (ms|s|m|h) (default 0s)",
    ),
    Flag::long("help", "", "Print usage"),
    Flag::new('h', "hostname", "string", "Container host name"),
    Flag::long(
        "init",
        "",
        "Run an init inside the container that forwards signals and reaps processes",
    ),
    Flag::new(
        'i',
        "interactive",
        "",
        "Keep STDIN open even if not attached",
    ),
    Flag::long(
        "io-maxbandwidth",
        "bytes",
        "Maximum IO bandwidth limit for the system drive (Windows only)",
    )
    .needs(Need::Windows),
    Flag::long(
        "io-maxiops",
        "uint",
        "Maximum IOps limit for the system drive (Windows only)",
    )
    .needs(Need::Windows),
    Flag::long("ip", "string", "IPv4 address (e.g., 172.30.100.104)"),
    Flag::long("ip6", "string", "IPv6 address (e.g., 2001:db8::33)"),
    Flag::long("ipc", "string", "IPC mode to use"),
    Flag::long("isolation", "string", "Container isolation technology"),
    Flag::long("kernel-memory", "bytes", "Kernel memory limit"),
    Flag::new('l', "label", "list", "Set meta data on a container"),
    Flag::long(
        "label-file",
        "list",
        "Read in a line delimited file of labels",
    ),
    Flag::long("link", "list", "Add link to another container"),
    Flag::long(
        "link-local-ip",
        "list",
        "Container IPv4/IPv6 link-local addresses",
    ),
    Flag::long("log-driver", "string", "Logging driver for the container"),
    Flag::long("log-opt", "list", "Log driver options"),
    Flag::long(
        "mac-address",
        "string",
        "Container MAC address (e.g., 92:d0:c6:0a:29:33)",
    ),
    Flag::new('m', "memory", "bytes", "Memory limit"),
    Flag::long("memory-reservation", "bytes", "Memory soft limit"),
    Flag::long(
        "memory-swap",
        "bytes",
        "Swap limit equal to memory plus swap: '-1' to enable unlimited swap",
    ),
    Flag::long(
        "memory-swappiness",
        "int",
        "Tune container memory swappiness (0 to 100) (default -1)",
    ),
    Flag::long(
        "mount",
        "mount",
        "Attach a filesystem mount to the container",
    ),
    Flag::long("name", "string", "Assign a name to the container"),
    Flag::long("network", "network", "Connect a container to a network"),
    Flag::long(
        "network-alias",
        "list",
        "Add network-scoped alias for the container",
    ),
    Flag::long(
        "no-healthcheck",
        "",
        "Disable any container-specified HEALTHCHECK",
    ),
    Flag::long("oom-kill-disable", "", "Disable OOM Killer"),
    Flag::long(
        "oom-score-adj",
        "int",
        "Tune host's OOM preferences (-1000 to 1000)",
    ),
    Flag::long("pid", "string", "PID namespace to use"),
    Flag::long(
        "pids-limit",
        "int",
        "Tune container pids limit (set -1 for unlimited)",
    ),
    Flag::long(
        "platform",
        "string",
        "Set platform if server is multi-platform capable",
    ),
    Flag::long(
        "privileged",
        "",
        "Give extended privileges to this container",
    ),
    Flag::new(
        'p',
        "publish",
        "list",
        "Publish a container's port(s) to the host",
    ),
    Flag::new(
        'P',
        "publish-all",
        "",
        "Publish all exposed ports to random ports",
    ),
    Flag::new('q', "quiet", "", "Suppress the pull output"),
    Flag::long(
        "read-only",
        "",
        "Mount the container's root filesystem as read only",
    ),
    Flag::long(
        "restart",
        "string",
        "Restart policy to apply when a container exits (default \"no\")",
    ),
    Flag::long(
        "rm",
        "",
        "Automatically remove the container and its associated anonymous volumes when it exits",
    ),
    Flag::long("runtime", "string", "Runtime to use for this container"),
    Flag::long("security-opt", "list", "Security Options"),
    Flag::long("shm-size", "bytes", "Size of /dev/shm"),
    Flag::long("stop-signal", "string", "Signal to stop the container"),
    Flag::long(
        "stop-timeout",
        "int",
        "Timeout (in seconds) to stop a container",
    ),
    Flag::long(
        "storage-opt",
        "list",
        "Storage driver options for the container",
    ),
    Flag::long("sysctl", "map", "Sysctl options (default map[])"),
    Flag::long("tmpfs", "list", "Mount a tmpfs directory"),
    Flag::new('t', "tty", "", "Allocate a pseudo-TTY"),
    Flag::long("ulimit", "ulimit", "Ulimit options (default [])"),
    Flag::long(
        "use-api-socket",
        "",
        "Bind mount Docker API socket and required auth",
    ),
    Flag::new(
        'u',
        "user",
        "string",
        "Username or UID (format: <name|uid>[:<group|gid>])",
    ),
    Flag::long("userns", "string", "User namespace to use"),
    Flag::long("uts", "string", "UTS namespace to use"),
    Flag::new('v', "volume", "list", "Bind mount a volume"),
    Flag::long(
        "volume-driver",
        "string",
        "Optional volume driver for the container",
    ),
    Flag::long(
        "volumes-from",
        "list",
        "Mount volumes from the specified container(s)",
    ),
    Flag::new(
        'w',
        "workdir",
        "string",
        "Working directory inside the container",
    ),
    Flag::hidden("net", "network"),
    Flag::hidden("net-alias", "list"),
    Flag::hidden("dns-opt", "list"),
];

/// The shared flags and some more.
pub const fn with<const N: usize>(own: &[Flag]) -> [Flag; N] {
    let mut all = [FLAGS[0]; N];
    let mut i = 0;
    while i < N {
        all[i] = if i < COUNT { FLAGS[i] } else { own[i - COUNT] };
        i += 1;
    }
    all
}
