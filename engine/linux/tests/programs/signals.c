// Signals: handlers with siginfo, masks, alternate stack, faults, restarting, sigsuspend, sigwait, children.
#define _GNU_SOURCE
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

static volatile int got, code, value;
static sigjmp_buf env;
static char altstack[16384];

static void info(int sig, siginfo_t *si, void *uc) {
    (void)uc;
    got = sig;
    code = si->si_code;
    value = si->si_value.sival_int;
}

static void fault(int sig, siginfo_t *si, void *ctx) {
    ucontext_t *uc = ctx;
    char here;
    int on_alt = &here >= altstack && &here < altstack + sizeof altstack;
    printf("fault %d code %d addr %p alt %d rip %d\n", sig, si->si_code, sig == SIGFPE ? NULL : si->si_addr, on_alt,
           uc->uc_mcontext.gregs[REG_RIP] != 0);
    siglongjmp(env, 1);
}

static void skip(int sig, siginfo_t *si, void *ctx) {
    ucontext_t *uc = ctx;
    (void)si;
    got = sig;
    uc->uc_mcontext.gregs[REG_RIP] += 2; // ud2
    uc->uc_mcontext.gregs[REG_RAX] = 77;
}

static void on(int sig, void (*f)(int, siginfo_t *, void *), int flags) {
    struct sigaction sa;
    memset(&sa, 0, sizeof sa);
    sa.sa_sigaction = f;
    sa.sa_flags = SA_SIGINFO | flags;
    sigaction(sig, &sa, NULL);
}

int main(void) {
    setvbuf(stdout, NULL, _IONBF, 0);
    on(SIGUSR1, info, 0);
    raise(SIGUSR1);
    printf("raise %d %d\n", got, code == SI_TKILL);
    kill(getpid(), SIGUSR1);
    printf("kill %d %d\n", got, code == SI_USER);
    sigqueue(getpid(), SIGUSR1, (union sigval){.sival_int = 42});
    printf("queue %d %d\n", code == SI_QUEUE, value);

    sigset_t set, old, pending;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, &old);
    got = 0;
    raise(SIGUSR1);
    sigpending(&pending);
    printf("blocked %d pending %d\n", got, sigismember(&pending, SIGUSR1));
    sigsuspend(&old);
    printf("suspend %d errno %d\n", got, errno == EINTR);
    raise(SIGUSR1);
    siginfo_t si;
    printf("sigwaitinfo %d\n", sigwaitinfo(&set, &si));
    int fd = signalfd(-1, &set, 0);
    kill(getpid(), SIGUSR1);
    struct signalfd_siginfo fdsi;
    ssize_t got_fd = read(fd, &fdsi, sizeof fdsi);
    printf("signalfd %zd %d\n", got_fd, fdsi.ssi_signo);
    sigprocmask(SIG_SETMASK, &old, NULL);

    stack_t ss = {.ss_sp = altstack, .ss_size = sizeof altstack};
    sigaltstack(&ss, NULL);
    on(SIGSEGV, fault, SA_ONSTACK);
    on(SIGFPE, fault, 0);
    on(SIGBUS, fault, 0);
    if (!sigsetjmp(env, 1)) *(volatile int *)0x10 = 1;
    char *page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (!sigsetjmp(env, 1)) { printf("read %d\n", page[5]); munmap(page, 4096); page = mmap((void *)0x10000000, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0); page[5] = 1; }
    volatile int zero = 0;
    if (!sigsetjmp(env, 1)) printf("%d\n", 1 / zero);
    on(SIGILL, skip, 0);
    int rax;
    __asm__ volatile("mov $5, %%eax; ud2; mov %%eax, %0" : "=r"(rax) : : "rax");
    printf("resumed %d rax %d\n", got == SIGILL, rax);

    // A read interrupted by a handler: fails without SA_RESTART, goes on with it.
    int p[2];
    pipe(p);
    on(SIGALRM, info, 0);
    struct itimerval it = {{0, 0}, {0, 20000}};
    setitimer(ITIMER_REAL, &it, NULL);
    char c;
    ssize_t n = read(p[0], &c, 1);
    printf("read %zd %d\n", n, errno == EINTR);
    on(SIGALRM, info, SA_RESTART);
    setitimer(ITIMER_REAL, &it, NULL);
    if (!fork()) { usleep(80000); write(p[1], "x", 1); _exit(9); }
    n = read(p[0], &c, 1);
    printf("restarted %zd %c\n", n, c);
    int status;
    pid_t pid = wait(&status);
    printf("child %d %d\n", pid > 0, WEXITSTATUS(status));

    if (!(pid = fork())) { raise(SIGSTOP); _exit(4); }
    waitpid(pid, &status, WUNTRACED);
    printf("stopped %d %d\n", WIFSTOPPED(status), WSTOPSIG(status));
    kill(pid, SIGCONT);
    waitpid(pid, &status, WCONTINUED);
    printf("continued %d\n", WIFCONTINUED(status));
    waitpid(pid, &status, 0);
    printf("exited %d\n", WEXITSTATUS(status));
    if (!fork()) abort();
    wait(&status);
    printf("aborted %d\n", WTERMSIG(status));
    signal(SIGCHLD, SIG_IGN);
    if (!fork()) _exit(0);
    { int r = wait(&status); printf("reaped %d %d\n", r, errno == ECHILD); }
    signal(SIGPIPE, SIG_IGN);
    close(p[0]);
    { ssize_t r = write(p[1], "x", 1); printf("epipe %zd %d\n", r, errno == EPIPE); }
    // Deep recursion grows the stack.
    volatile char big[4 << 20];
    big[0] = 1;
    printf("stack %d\n", big[0]);
    signal(SIGSEGV, SIG_DFL);
    *(volatile int *)8 = 0;
    return 0;
}
