// What sockets do, in words: run on Linux and under the emulator, the output must be the same.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static char buf[1 << 20];

static void say(const char *what, long r) {
    if (r < 0) printf("%s: %s\n", what, strerror(errno));
    else printf("%s: %ld\n", what, r);
}

static void events(const char *what, int fd) {
    struct pollfd p = {fd, POLLIN | POLLOUT | POLLRDHUP, 0};
    poll(&p, 1, 0);
    printf("%s:%s%s%s%s%s\n", what, p.revents & POLLIN ? " in" : "", p.revents & POLLOUT ? " out" : "",
           p.revents & POLLHUP ? " hup" : "", p.revents & POLLERR ? " err" : "",
           p.revents & POLLRDHUP ? " rdhup" : "");
}

static struct sockaddr_in in4(const char *ip, int port) {
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
    inet_pton(AF_INET, ip, &a.sin_addr);
    return a;
}

static int port_of(int fd) {
    struct sockaddr_in a;
    socklen_t n = sizeof a;
    getsockname(fd, (void *)&a, &n);
    return ntohs(a.sin_port);
}

static int listener(int *port) {
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in a = in4("127.0.0.1", 0);
    if (bind(fd, (void *)&a, sizeof a) || listen(fd, 5)) perror("listen");
    *port = port_of(fd);
    return fd;
}

static void pair(int fds[2]) {
    int port, l = listener(&port);
    struct sockaddr_in a = in4("127.0.0.1", port);
    fds[0] = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(fds[0], (void *)&a, sizeof a)) perror("connect");
    fds[1] = accept(l, 0, 0);
    close(l);
}

static int sigpipes;
static void on_pipe(int s) { (void)s; sigpipes++; }

static int error_of(int fd) {
    int e;
    socklen_t n = sizeof e;
    getsockopt(fd, SOL_SOCKET, SO_ERROR, &e, &n);
    return e;
}

static void tcp(void) {
    puts("# tcp");
    int fds[2], port, l;
    pair(fds);
    events("connected", fds[0]);
    say("send", send(fds[0], "hello", 5, 0));
    usleep(1000);
    events("readable", fds[1]);
    int n;
    ioctl(fds[1], FIONREAD, &n);
    printf("FIONREAD %d\n", n);
    say("peek", recv(fds[1], buf, 3, MSG_PEEK));
    say("recv", recv(fds[1], buf, sizeof buf, 0));
    printf("%.5s\n", buf);
    say("dontwait", recv(fds[1], buf, sizeof buf, MSG_DONTWAIT));
    say("oob", send(fds[0], "", 0, 0));
    say("shutdown", shutdown(fds[0], SHUT_WR));
    usleep(1000);
    events("peer half closed", fds[1]);
    events("half closed", fds[0]);
    say("eof", recv(fds[1], buf, sizeof buf, 0));
    say("write after shutdown", send(fds[0], "x", 1, 0));
    printf("sigpipes %d\n", sigpipes);
    say("nosignal", send(fds[0], "x", 1, MSG_NOSIGNAL));
    printf("sigpipes %d\n", sigpipes);
    say("other way", send(fds[1], "back", 4, 0));
    say("recv", recv(fds[0], buf, sizeof buf, 0));
    close(fds[1]);
    usleep(1000);
    events("both closed", fds[0]);
    close(fds[0]);

    pair(fds);
    close(fds[1]);
    usleep(1000);
    events("closed by peer", fds[0]);
    say("first write", send(fds[0], "x", 1, MSG_NOSIGNAL));
    usleep(1000);
    events("after reset", fds[0]);
    say("second write", send(fds[0], "x", 1, MSG_NOSIGNAL));
    say("read", recv(fds[0], buf, 10, 0));
    close(fds[0]);

    pair(fds);
    send(fds[0], "unread", 6, 0);
    usleep(1000);
    close(fds[1]);
    usleep(1000);
    events("closed with unread data", fds[0]);
    printf("error %s\n", strerror(error_of(fds[0])));
    say("read", recv(fds[0], buf, 10, 0));
    close(fds[0]);

    pair(fds);
    send(fds[0], "unread", 6, 0);
    usleep(1000);
    close(fds[1]);
    usleep(1000);
    say("read after reset", recv(fds[0], buf, 10, 0));
    say("write after reset", send(fds[0], "x", 1, MSG_NOSIGNAL));
    close(fds[0]);

    pair(fds);
    struct linger lg = {1, 0};
    setsockopt(fds[1], SOL_SOCKET, SO_LINGER, &lg, sizeof lg);
    close(fds[1]);
    usleep(1000);
    events("linger 0", fds[0]);
    say("read", recv(fds[0], buf, 10, 0));
    say("read again", recv(fds[0], buf, 10, 0));
    close(fds[0]);

    l = listener(&port);
    close(l);
    struct sockaddr_in a = in4("127.0.0.1", port);
    int s = socket(AF_INET, SOCK_STREAM, 0);
    say("refused", connect(s, (void *)&a, sizeof a));
    events("unconnected", s);
    say("recv unconnected", recv(s, buf, 10, 0));
    say("send unconnected", send(s, buf, 10, MSG_NOSIGNAL));
    say("shutdown unconnected", shutdown(s, SHUT_WR));
    socklen_t len = sizeof a;
    say("peername", getpeername(s, (void *)&a, &len));
    say("accept", accept(s, 0, 0));
    close(s);

    l = listener(&port);
    a = in4("127.0.0.1", port);
    s = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    say("nonblocking connect", connect(s, (void *)&a, sizeof a));
    struct pollfd p = {s, POLLOUT, 0};
    poll(&p, 1, 1000);
    printf("error %d\n", error_of(s));
    say("again", connect(s, (void *)&a, sizeof a));
    say("and again", connect(s, (void *)&a, sizeof a));
    say("bind", bind(s, (void *)&a, sizeof a));
    say("listen", listen(s, 1));
    int c = accept4(l, 0, 0, SOCK_NONBLOCK | SOCK_CLOEXEC);
    printf("flags %d %d\n", !!(fcntl(c, F_GETFL) & O_NONBLOCK), fcntl(c, F_GETFD));
    say("nonblocking read", read(c, buf, 10));
    len = sizeof a;
    getpeername(c, (void *)&a, &len);
    printf("peer is client %d, length %d\n", ntohs(a.sin_port) == port_of(s), (int)len);
    fcntl(l, F_SETFL, O_NONBLOCK);
    say("nothing to accept", accept(l, 0, 0));
    a = in4("127.0.0.1", port);
    int t = socket(AF_INET, SOCK_STREAM, 0);
    say("in use", bind(t, (void *)&a, sizeof a));
    int on = 1;
    setsockopt(t, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    say("in use with reuse", bind(t, (void *)&a, sizeof a));
    a = in4("192.0.2.1", 0);
    say("not ours", bind(t, (void *)&a, sizeof a));
    a.sin_family = AF_UNIX;
    say("wrong family", bind(t, (void *)&a, sizeof a));
    say("short", bind(t, (void *)&a, 4));
    close(t);
    close(c);
    close(s);
    close(l);

    s = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    a = in4("127.0.0.1", port);
    say("nonblocking refused", connect(s, (void *)&a, sizeof a));
    p.fd = s;
    poll(&p, 1, 1000);
    events("refused", s);
    printf("error %s\n", strerror(error_of(s)));
    printf("error %s\n", strerror(error_of(s)));
    close(s);

    pair(fds);
    if (fork() == 0) {
        close(fds[1]);
        long total = 0;
        while (total < 3000000) {
            long k = write(fds[0], buf, 100000);
            if (k < 0) _exit(1);
            total += k;
        }
        _exit(0);
    }
    close(fds[0]);
    long total = 0, k;
    while ((k = recv(fds[1], buf, 70000, MSG_WAITALL)) > 0) {
        if (k != 70000) printf("last %ld\n", k);
        total += k;
    }
    printf("total %ld\n", total);
    int st;
    wait(&st);
    printf("child %d\n", st);
    close(fds[1]);
    struct timeval tv = {0, 20000};
    pair(fds);
    setsockopt(fds[0], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
    say("timeout", recv(fds[0], buf, 1, 0));
    close(fds[0]);
    close(fds[1]);
}

static void dual(void) {
    puts("# ipv6");
    int l = socket(AF_INET6, SOCK_STREAM, 0);
    struct sockaddr_in6 a = {.sin6_family = AF_INET6, .sin6_addr = in6addr_any};
    say("bind", bind(l, (void *)&a, sizeof a));
    listen(l, 5);
    socklen_t n = sizeof a;
    getsockname(l, (void *)&a, &n);
    char text[64];
    printf("%s %d\n", inet_ntop(AF_INET6, &a.sin6_addr, text, sizeof text), (int)n);
    int port = ntohs(a.sin6_port);
    struct sockaddr_in b = in4("127.0.0.1", port);
    int s = socket(AF_INET, SOCK_STREAM, 0);
    say("v4 to v6", connect(s, (void *)&b, sizeof b));
    n = sizeof a;
    int c = accept(l, (void *)&a, &n);
    printf("from %s\n", inet_ntop(AF_INET6, &a.sin6_addr, text, sizeof text));
    n = sizeof a;
    getsockname(c, (void *)&a, &n);
    printf("at %s\n", inet_ntop(AF_INET6, &a.sin6_addr, text, sizeof text));
    int t = socket(AF_INET, SOCK_STREAM, 0);
    b = in4("0.0.0.0", port);
    say("v4 on the same port", bind(t, (void *)&b, sizeof b));
    close(t);
    close(s);
    s = socket(AF_INET6, SOCK_STREAM, 0);
    a = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_addr = in6addr_loopback, .sin6_port = htons(port)};
    say("v6", connect(s, (void *)&a, sizeof a));
    close(s);
    close(c);
    close(l);
    l = socket(AF_INET6, SOCK_STREAM, 0);
    int on = 1;
    setsockopt(l, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    a = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_addr = in6addr_any, .sin6_port = htons(port)};
    int one = 1;
    setsockopt(l, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    say("v6 only", bind(l, (void *)&a, sizeof a));
    listen(l, 1);
    s = socket(AF_INET, SOCK_STREAM, 0);
    b = in4("127.0.0.1", port);
    say("v4 to v6 only", connect(s, (void *)&b, sizeof b));
    close(s);
    t = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(t, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    b = in4("0.0.0.0", port);
    say("v4 beside v6 only", bind(t, (void *)&b, sizeof b));
    close(t);
    close(l);
}

static void udp(void) {
    puts("# udp");
    int a = socket(AF_INET, SOCK_DGRAM, 0), b = socket(AF_INET, SOCK_DGRAM, 0);
    struct sockaddr_in any = in4("127.0.0.1", 0), to, from;
    bind(b, (void *)&any, sizeof any);
    to = in4("127.0.0.1", port_of(b));
    say("no address", send(a, "x", 1, 0));
    say("sendto", sendto(a, "one", 3, 0, (void *)&to, sizeof to));
    say("sendto", sendto(a, "", 0, 0, (void *)&to, sizeof to));
    say("sendto", sendto(a, "three", 5, 0, (void *)&to, sizeof to));
    socklen_t n = sizeof from;
    say("recv", recvfrom(b, buf, 100, 0, (void *)&from, &n));
    printf("from sender %d\n", ntohs(from.sin_port) == port_of(a));
    say("empty", recv(b, buf, 100, 0));
    say("cut", recv(b, buf, 2, MSG_TRUNC));
    say("nothing", recv(b, buf, 2, MSG_DONTWAIT));
    events("idle", b);
    say("connect", connect(a, (void *)&to, sizeof to));
    say("send", send(a, "x", 1, 0));
    say("reply", sendto(b, "y", 1, 0, (void *)&from, sizeof from));
    say("recv", recv(a, buf, 10, 0));
    struct iovec iov[2] = {{"he", 2}, {"llo", 3}};
    say("writev", writev(a, iov, 2));
    recv(b, buf, 100, 0);
    struct iovec in[2] = {{buf, 2}, {buf + 10, 20}};
    say("readv", readv(b, in, 2));
    printf("%.2s %.3s\n", buf, buf + 10);
    close(b);
    say("closed port", send(a, "x", 1, 0));
    usleep(1000);
    events("refused", a);
    say("recv", recv(a, buf, 10, MSG_DONTWAIT));
    say("then", recv(a, buf, 10, MSG_DONTWAIT));
    memset(&to, 0, sizeof to);
    say("disconnect", connect(a, (void *)&to, sizeof to));
    say("send", send(a, "x", 1, 0));
    to = in4("127.0.0.1", 9);
    say("too long", sendto(a, buf, 70000, 0, (void *)&to, sizeof to));
    say("listen", listen(a, 1));
    say("shutdown", shutdown(a, SHUT_RD));
    close(a);
}

static struct sockaddr_un un(const char *path, socklen_t *n) {
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    size_t len = strlen(path);
    memcpy(a.sun_path, path, len);
    *n = offsetof(struct sockaddr_un, sun_path) + len + 1;
    if (path[0] == '@') {
        a.sun_path[0] = 0;
        --*n;
    }
    return a;
}

static int send_fd(int s, int fd, const char *data, int n) {
    struct iovec iov = {(void *)data, n};
    char control[CMSG_SPACE(sizeof fd)] = {0};
    struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(c), &fd, sizeof fd);
    return sendmsg(s, &m, 0);
}

static int recv_fd(int s, int n, int *got, int *flags, size_t room) {
    struct iovec iov = {buf, n};
    char control[256] = {0};
    struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = room};
    int r = recvmsg(s, &m, MSG_CMSG_CLOEXEC);
    *got = -1;
    *flags = m.msg_flags & ~MSG_CMSG_CLOEXEC;
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    if (c && c->cmsg_type == SCM_RIGHTS) memcpy(got, CMSG_DATA(c), sizeof *got);
    return r;
}

static void unix_sockets(void) {
    puts("# unix");
    int sv[2], fd, flags;
    socketpair(AF_UNIX, SOCK_STREAM, 0, sv);
    say("write", write(sv[0], "abc", 3));
    events("readable", sv[1]);
    say("read", read(sv[1], buf, 10));
    send(sv[0], "ab", 2, 0);
    int p[2];
    pipe(p);
    say("send fd", send_fd(sv[0], p[1], "cd", 2));
    send(sv[0], "ef", 2, 0);
    close(p[1]);
    say("with", recv_fd(sv[1], 100, &fd, &flags, 256));
    printf("fd %d cloexec %d\n", fd >= 0, fcntl(fd, F_GETFD));
    int other;
    say("without", recv_fd(sv[1], 1, &other, &flags, 256));
    printf("fd %d\n", other >= 0);
    write(fd, "through", 7);
    close(fd);
    say("pipe", read(p[0], buf, 100));
    say("pipe at end", read(p[0], buf, 100));
    say("after", recv_fd(sv[1], 100, &fd, &flags, 256));
    send_fd(sv[0], p[0], "g", 1);
    say("no room", recv_fd(sv[1], 100, &fd, &flags, 0));
    printf("fd %d flags %#x\n", fd >= 0, flags);
    say("bad fd", send_fd(sv[0], 99, "g", 1));
    struct ucred uc;
    socklen_t n = sizeof uc;
    getsockopt(sv[0], SOL_SOCKET, SO_PEERCRED, &uc, &n);
    printf("peer is me %d uid %d\n", uc.pid == getpid(), uc.uid == getuid());
    close(sv[0]);
    events("closed", sv[1]);
    say("eof", read(sv[1], buf, 10));
    say("epipe", send(sv[1], "x", 1, MSG_NOSIGNAL));
    close(sv[1]);

    socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sv);
    send(sv[0], "first", 5, 0);
    send(sv[0], "", 0, 0);
    send(sv[0], "second", 6, 0);
    say("packet", recv(sv[1], buf, 3, 0));
    say("packet", recv(sv[1], buf, 100, 0));
    say("packet", recv_fd(sv[1], 100, &fd, &flags, 0));
    printf("flags %#x\n", flags);
    close(sv[0]);
    say("eof", recv(sv[1], buf, 100, 0));
    close(sv[1]);

    socketpair(AF_UNIX, SOCK_DGRAM, 0, sv);
    send(sv[0], "first", 5, 0);
    send(sv[0], "second", 6, 0);
    say("datagram", recv(sv[1], buf, 3, MSG_TRUNC));
    say("datagram", recv(sv[1], buf, 100, 0));
    int on = 1;
    setsockopt(sv[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof on);
    send(sv[0], "cred", 4, 0);
    struct iovec iov = {buf, 100};
    char control[256];
    struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    say("recvmsg", recvmsg(sv[1], &m, 0));
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    memcpy(&uc, CMSG_DATA(c), sizeof uc);
    printf("cred %d %d\n", c->cmsg_type == SCM_CREDENTIALS, uc.pid == getpid());
    close(sv[0]);
    say("peer gone", send(sv[1], "x", 1, MSG_NOSIGNAL));
    close(sv[1]);

    char dir[] = "/tmp/sockets-XXXXXX";
    mkdtemp(dir);
    chdir(dir);
    struct sockaddr_un a = un("server", &n);
    int l = socket(AF_UNIX, SOCK_STREAM, 0);
    say("listen unbound", listen(l, 1));
    umask(022);
    say("bind", bind(l, (void *)&a, n));
    struct stat sb;
    stat("server", &sb);
    printf("mode %o\n", sb.st_mode);
    say("bind again", bind(l, (void *)&a, n));
    int s = socket(AF_UNIX, SOCK_STREAM, 0);
    say("name taken", bind(s, (void *)&a, n));
    say("not listening", connect(s, (void *)&a, n));
    say("open", open("server", O_RDWR));
    say("listen", listen(l, 0));
    say("connect", connect(s, (void *)&a, n));
    int t = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    say("queue is full", connect(t, (void *)&a, n));
    struct sockaddr_un from;
    socklen_t fn = sizeof from;
    int d = accept(l, (void *)&from, &fn);
    printf("unnamed %d %d\n", from.sun_family, (int)fn);
    fn = sizeof from;
    getpeername(s, (void *)&from, &fn);
    printf("peer %s %d\n", from.sun_path, (int)fn);
    say("connected", connect(s, (void *)&a, n));
    say("has room", connect(t, (void *)&a, n));
    getsockopt(s, SOL_SOCKET, SO_PEERCRED, &uc, &n);
    printf("peer is me %d\n", uc.pid == getpid());
    say("wrong type", connect(socket(AF_UNIX, SOCK_DGRAM, 0), (void *)&a, sizeof a));
    close(l);
    close(d);
    say("listener closed", connect(socket(AF_UNIX, SOCK_STREAM, 0), (void *)&a, sizeof a));
    say("unaccepted", read(t, buf, 1));
    unlink("server");
    say("no such", connect(socket(AF_UNIX, SOCK_STREAM, 0), (void *)&a, sizeof a));
    creat("plain", 0600);
    a = un("plain", &n);
    say("plain file", connect(socket(AF_UNIX, SOCK_STREAM, 0), (void *)&a, n));

    l = socket(AF_UNIX, SOCK_DGRAM, 0);
    a = un("@sockets-test-abstract", &n);
    say("abstract", bind(l, (void *)&a, n));
    say("taken", bind(socket(AF_UNIX, SOCK_DGRAM, 0), (void *)&a, n));
    s = socket(AF_UNIX, SOCK_DGRAM, 0);
    say("sendto", sendto(s, "x", 1, 0, (void *)&a, n));
    fn = sizeof from;
    say("recvfrom", recvfrom(l, buf, 10, 0, (void *)&from, &fn));
    printf("length %d\n", (int)fn);
    struct sockaddr_un none = {.sun_family = AF_UNIX};
    say("autobind", bind(s, (void *)&none, 2));
    fn = sizeof from;
    getsockname(s, (void *)&from, &fn);
    printf("length %d\n", (int)fn);
    close(l);
    say("gone", sendto(s, "x", 1, 0, (void *)&a, n));
    chdir("/");
    unlink("plain");
}

static void others(void) {
    puts("# others");
    say("family", socket(99, SOCK_STREAM, 0));
    say("type", socket(AF_INET, 9, 0));
    say("protocol", socket(AF_INET, SOCK_STREAM, IPPROTO_UDP));
    say("flags", socket(AF_INET, SOCK_STREAM | 0x100, 0));
    int sv[2];
    say("inet pair", socketpair(AF_INET, SOCK_STREAM, 0, sv));
    int p[2];
    pipe(p);
    say("pipe is no socket", send(p[1], "x", 1, 0));
    say("bad fd", recv(99, buf, 1, 0));
    int s = socket(AF_INET, SOCK_STREAM, 0), v;
    socklen_t n = sizeof v;
    say("lseek", lseek(s, 0, SEEK_SET));
    struct stat sb;
    fstat(s, &sb);
    printf("mode %o\n", sb.st_mode);
    struct { const char *name; int level, option; } options[] = {
        {"TYPE", SOL_SOCKET, SO_TYPE}, {"DOMAIN", SOL_SOCKET, SO_DOMAIN}, {"PROTOCOL", SOL_SOCKET, SO_PROTOCOL},
        {"ACCEPTCONN", SOL_SOCKET, SO_ACCEPTCONN}, {"REUSEADDR", SOL_SOCKET, SO_REUSEADDR},
        {"KEEPALIVE", SOL_SOCKET, SO_KEEPALIVE}, {"NODELAY", IPPROTO_TCP, TCP_NODELAY}, {"TTL", IPPROTO_IP, IP_TTL},
        {"RCVLOWAT", SOL_SOCKET, SO_RCVLOWAT}, {"nosuch", SOL_SOCKET, 9999},
    };
    for (unsigned i = 0; i < sizeof options / sizeof *options; i++) {
        v = -1;
        n = sizeof v;
        long r = getsockopt(s, options[i].level, options[i].option, &v, &n);
        say(options[i].name, r < 0 ? r : v);
    }
    v = 1;
    say("set", setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &v, sizeof v));
    say("set short", setsockopt(s, SOL_SOCKET, SO_KEEPALIVE, &v, 1));
    getsockopt(s, IPPROTO_TCP, TCP_NODELAY, &v, &n);
    printf("nodelay %d\n", v);
    int e = epoll_create1(0), fds[2];
    pair(fds);
    struct epoll_event ev = {.events = EPOLLIN | EPOLLET | EPOLLRDHUP, .data.fd = 7}, got[4];
    epoll_ctl(e, EPOLL_CTL_ADD, fds[1], &ev);
    say("epoll", epoll_wait(e, got, 4, 0));
    write(fds[0], "x", 1);
    say("epoll", epoll_wait(e, got, 4, 100));
    say("edge", epoll_wait(e, got, 4, 0));
    close(fds[0]);
    say("hup", epoll_wait(e, got, 4, 100));
    printf("%#x\n", got[0].events);
}

int main(void) {
    setvbuf(stdout, 0, _IONBF, 0);
    alarm(30);
    struct sigaction sa = {.sa_handler = on_pipe};
    sigaction(SIGPIPE, &sa, 0);
    tcp();
    dual();
    udp();
    unix_sockets();
    others();
    return 0;
}
