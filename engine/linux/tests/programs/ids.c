// Users, groups, sessions, vfork, exec with descriptors, times. As root and then as somebody else.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define T(x) do { errno = 0; long r = (long)(x); printf("%s = %ld %s\n", #x, r, r == -1 ? strerror(errno) : ""); } while (0)

int main(int argc, char **argv) {
    setvbuf(stdout, NULL, _IONBF, 0);
    if (argc > 1) {
        printf("exec %s open %d closed %d\n", argv[1], fcntl(40, F_GETFD), fcntl(41, F_GETFD));
        return 5;
    }
    open("/dev/null", O_RDONLY);
    dup2(0, 40);
    dup2(0, 41);
    fcntl(41, F_SETFD, FD_CLOEXEC);
    pid_t pid = vfork();
    if (!pid) { execl("/proc/self/exe", "self", "again", NULL); _exit(1); }
    int status;
    waitpid(pid, &status, 0);
    printf("vfork %d\n", WEXITSTATUS(status));
    printf("sid %d pgrp %d\n", getsid(0) > 0, getpgrp() > 0);
    pid = fork();
    if (!pid) {
        T(setpgid(0, 0));
        printf("leader %d\n", getpgrp() == getpid());
        T(setsid());
        pid_t c = fork();
        if (!c) { printf("new session %d\n", setsid() == getpid()); T(setpgid(0, 0)); _exit(0); }
        wait(NULL);
        _exit(0);
    }
    wait(NULL);
    T(setpgid(1, 1));
    T(prctl(PR_SET_NAME, "renamed"));
    char name[17] = "";
    prctl(PR_GET_NAME, name);
    printf("name %s\n", name);
    struct rlimit rl;
    getrlimit(RLIMIT_NOFILE, &rl);
    rl.rlim_cur = 30;
    setrlimit(RLIMIT_NOFILE, &rl);
    T(dup2(0, 30));
    rl.rlim_cur = 100;
    setrlimit(RLIMIT_NOFILE, &rl);
    if (geteuid() != 0) return 0;
    mkdir("secret", 0700);
    close(open("secret/f", O_CREAT | O_WRONLY, 0600));
    close(open("rootfile", O_CREAT | O_WRONLY, 0644));
    mkdir("sticky", 01777);
    chmod("sticky", 01777);
    close(open("sticky/f", O_CREAT | O_WRONLY, 0666));
    chmod(".", 0755);
    gid_t groups[2] = {10, 20};
    T(setgroups(2, groups));
    T(setresgid(1000, 1000, 1000));
    T(setresuid(1000, 1000, 0));
    T(seteuid(0));
    T(seteuid(1000));
    T(setresuid(1000, 1000, 1000));
    T(setuid(0));
    T(open("secret/f", O_RDONLY));
    T(open("rootfile", O_WRONLY));
    T(open("newfile", O_CREAT | O_WRONLY, 0600));
    T(unlink("sticky/f"));
    T(close(open("sticky/g", O_CREAT | O_WRONLY, 0600)));
    T(unlink("sticky/g"));
    T(chown("rootfile", 1000, 1000));
    T(chmod("rootfile", 0777));
    T(setgroups(1, groups));
    T(chroot("."));
    T(nice(-5));
    T(sethostname("x", 1));
    gid_t got[10];
    T(getgroups(10, got));
    rl.rlim_cur = rl.rlim_max = 1000;
    T(setrlimit(RLIMIT_NPROC, &rl));
    return 0;
}
