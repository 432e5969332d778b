// Files: the corners of open, links, directories, locks, pipes, poll, epoll and their kind.
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#define T(x) do { errno = 0; long r = (long)(x); printf("%s = %ld %s\n", #x, r, r == -1 ? strerror(errno) : ""); } while (0)

int main(void) {
    setvbuf(stdout, NULL, _IONBF, 0);
    T(open("nosuch", O_RDONLY));
    T(mkdir("d", 0755));
    T(mkdir("d", 0755));
    T(open("d", O_WRONLY));
    T(open("d", O_CREAT | O_WRONLY, 0600));
    T(symlink("d/f", "l"));
    T(open("l", O_RDONLY | O_NOFOLLOW));
    T(close(open("l", O_CREAT | O_WRONLY, 0640)));
    struct stat st;
    T(stat("d/f", &st));
    printf("mode %o size %ld nlink %ld\n", st.st_mode, (long)st.st_size, (long)st.st_nlink);
    T(open("l", O_CREAT | O_EXCL | O_WRONLY, 0600));
    T(open("d/f/x", O_RDONLY));
    T(symlink("loop", "loop"));
    T(open("loop", O_RDONLY));
    T(link("d/f", "h"));
    T(rename("h", "d/f"));
    T(rename("d", "d/e"));
    T(rmdir("d"));
    T(unlink("d"));
    T(rename("nosuch", "x"));
    T(chdir("d/f"));
    T(access("d/f", X_OK));
    char buf[256];
    T(readlink("l", buf, sizeof buf));
    T(readlink("d", buf, sizeof buf));
    int fd = open("d/f", O_RDWR);
    T(write(fd, "hello world", 11));
    T(lseek(fd, -5, SEEK_END));
    T(read(fd, buf, 100));
    T(lseek(fd, -50, SEEK_SET));
    T(pwrite(fd, "X", 1, 100000));
    T(lseek(fd, 20, SEEK_HOLE) <= 100000);
    T(ftruncate(fd, 5));
    struct iovec iov[2] = {{"ab", 2}, {"cd", 2}};
    T(writev(fd, iov, 2));
    T(fstat(fd, &st));
    printf("size %ld\n", (long)st.st_size);
    T(fcntl(fd, F_GETFL) & O_ACCMODE);
    T(fcntl(fd, F_DUPFD_CLOEXEC, 50));
    T(fcntl(50, F_GETFD));
    T(dup2(fd, 60));
    T(dup2(99, 61));
    T(close(99));
    T(fsetxattr(fd, "user.a", "v", 1, 0));
    T(fgetxattr(fd, "user.b", buf, 10));
    int fd2 = open("d/f", O_RDWR);
    T(flock(fd, LOCK_EX));
    T(flock(fd2, LOCK_EX | LOCK_NB));
    T(flock(fd, LOCK_UN));
    struct flock lk = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 10};
    T(fcntl(fd, F_SETLK, &lk));
    pid_t pid = fork();
    if (!pid) {
        T(fcntl(fd2, F_SETLK, &lk));
        lk.l_type = F_WRLCK;
        T(fcntl(fd2, F_GETLK, &lk));
        printf("holder %d\n", lk.l_pid == getppid());
        exit(0);
    }
    wait(NULL);
    int p[2];
    pipe2(p, O_NONBLOCK);
    T(read(p[0], buf, 1));
    long total = 0;
    memset(buf, 'p', sizeof buf);
    for (;;) { ssize_t n = write(p[1], buf, sizeof buf); if (n < 0) break; total += n; }
    printf("pipe holds %ld %s\n", total, strerror(errno));
    int avail;
    ioctl(p[0], FIONREAD, &avail);
    printf("avail %d\n", avail);
    struct pollfd pf[2] = {{p[0], POLLIN, 0}, {p[1], POLLOUT, 0}};
    T(poll(pf, 2, 0));
    printf("%x %x\n", pf[0].revents, pf[1].revents);
    close(p[1]);
    while (read(p[0], buf, sizeof buf) > 0) ;
    T(poll(pf, 1, 1000));
    printf("%x\n", pf[0].revents);
    fd_set rs;
    FD_ZERO(&rs);
    FD_SET(p[0], &rs);
    struct timeval tv = {1, 0};
    T(select(p[0] + 1, &rs, NULL, NULL, &tv));
    int ep = epoll_create1(0), ev = eventfd(0, EFD_NONBLOCK);
    struct epoll_event e = {.events = EPOLLIN | EPOLLET, .data.u32 = 7}, out[4];
    T(epoll_ctl(ep, EPOLL_CTL_ADD, ev, &e));
    T(epoll_ctl(ep, EPOLL_CTL_ADD, ev, &e));
    T(epoll_wait(ep, out, 4, 0));
    eventfd_write(ev, 3);
    T(epoll_wait(ep, out, 4, 100));
    T(epoll_wait(ep, out, 4, 0));
    eventfd_write(ev, 3);
    T(epoll_wait(ep, out, 4, 0));
    eventfd_t v;
    eventfd_read(ev, &v);
    printf("eventfd %lu\n", (unsigned long)v);
    T(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e));
    int tf = timerfd_create(CLOCK_MONOTONIC, 0);
    struct itimerspec its = {{0, 0}, {0, 10000000}};
    T(timerfd_settime(tf, 0, &its, NULL));
    unsigned long expirations;
    T(read(tf, &expirations, 8));
    printf("expired %lu\n", expirations);
    int in = inotify_init1(IN_NONBLOCK);
    T(inotify_add_watch(in, "d", IN_CREATE | IN_DELETE | IN_MODIFY));
    close(open("d/new", O_CREAT | O_WRONLY, 0600));
    unlink("d/new");
    char ib[1024];
    ssize_t n = read(in, ib, sizeof ib);
    for (char *q = ib; q < ib + n;) {
        struct inotify_event *ie = (void *)q;
        printf("inotify %x %s\n", ie->mask, ie->name);
        q += sizeof *ie + ie->len;
    }
    int zero = open("/dev/zero", O_RDONLY), full = open("/dev/full", O_WRONLY);
    T(read(zero, buf, 10));
    T(write(full, buf, 10));
    off_t off = 0;
    int copy = open("copy", O_CREAT | O_RDWR, 0600);
    T(sendfile(copy, fd, &off, 100));
    T(copy_file_range(fd, &(off_t){0}, copy, NULL, 4, 0));
    T(fallocate(copy, 0, 0, 8192));
    T(fallocate(copy, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096));
    fstat(copy, &st);
    printf("size %ld\n", (long)st.st_size);
    T(openat(AT_FDCWD, ".", O_TMPFILE | O_RDWR, 0600) > 0);
    DIR *dir = opendir(".");
    int count = 0;
    while (readdir(dir)) count++;
    printf("entries %d\n", count);
    struct timespec ts[2] = {{1, 2}, {3, 4}};
    T(utimensat(AT_FDCWD, "copy", ts, 0));
    stat("copy", &st);
    printf("times %ld.%ld %ld.%ld\n", st.st_atim.tv_sec, st.st_atim.tv_nsec, st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
    T(truncate("copy", -1));
    T(open("", O_RDONLY));
    char name[300];
    memset(name, 'n', 299);
    name[299] = 0;
    T(open(name, O_RDONLY));
    T(umask(022));
    T(chmod("copy", 04755));
    T(mkfifo("fifo", 0600));
    T(open("fifo", O_WRONLY | O_NONBLOCK));
    T(rename("copy", "fifo"));
    T(renameat2(AT_FDCWD, "fifo", AT_FDCWD, "l", RENAME_NOREPLACE));
    T(renameat2(AT_FDCWD, "fifo", AT_FDCWD, "l", RENAME_EXCHANGE));
    return 0;
}
