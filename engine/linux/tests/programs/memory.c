// Memory: shared and private mappings of files and nothing, protection, remapping, fork's copies.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/ipc.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void) {
    setvbuf(stdout, NULL, _IONBF, 0);
    int fd = open("f", O_RDWR | O_CREAT | O_TRUNC, 0644);
    ftruncate(fd, 10000);
    char *shared = mmap(NULL, 10000, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    char *private = mmap(NULL, 10000, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    strcpy(shared + 5000, "shared");
    char buf[16] = "";
    pread(fd, buf, 7, 5000);
    printf("read %s private %s\n", buf, private + 5000);
    strcpy(private + 5000, "mine");
    pwrite(fd, "file", 5, 8200);
    printf("shared %s private %s both %s %s\n", shared + 5000, private + 5000, shared + 8200, private + 8200);
    int *anon = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int *own = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    *anon = *own = 1;
    if (!fork()) { *anon = 2; *own = 2; strcpy(shared, "child"); _exit(0); }
    wait(NULL);
    printf("anon %d own %d shared %s\n", *anon, *own, shared);
    char *m = mmap(NULL, 4096 * 4, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memset(m, 'a', 4096 * 4);
    m = mremap(m, 4096 * 4, 4096 * 64, MREMAP_MAYMOVE);
    printf("remap %c %d\n", m[4096 * 4 - 1], m[4096 * 4]);
    printf("mprotect %d\n", mprotect(m + 4096, 4096, PROT_NONE));
    munmap(m + 8192, 4096);
    printf("unmapped %d %d\n", mprotect(m + 8192, 4096, PROT_READ), errno);
    madvise(m, 4096, MADV_DONTNEED);
    printf("dontneed %d\n", m[0]);
    void *top = sbrk(0);
    sbrk(100000);
    memset(top, 1, 100000);
    sbrk(-100000);
    printf("brk %d\n", sbrk(0) == top);
    printf("bad %d %d\n", mmap(NULL, 0, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED, errno);
    printf("bad %d %d\n", mmap(NULL, 1, PROT_READ, MAP_PRIVATE, 99, 0) == MAP_FAILED, errno);
    printf("efault %zd %d\n", write(1, (void *)8, 5), errno);
    printf("efault %d %d\n", open((void *)8, 0), errno);
    int mfd = memfd_create("x", 0);
    write(mfd, "memfd", 5);
    char *mm = mmap(NULL, 4096, PROT_READ, MAP_SHARED, mfd, 0);
    printf("memfd %.5s\n", mm);
    int id = shmget(IPC_PRIVATE, 5000, IPC_CREAT | 0600);
    int *seg = shmat(id, NULL, 0);
    shmctl(id, IPC_RMID, NULL);
    struct shmid_ds ds;
    if (!fork()) { seg[1000] = 7; _exit(0); }
    wait(NULL);
    printf("shm %d stat %d", seg[1000], shmctl(id, IPC_STAT, &ds));
    printf(" %zu %lu\n", ds.shm_segsz, (unsigned long)ds.shm_nattch);
    printf("detach %d %d\n", shmdt(seg), shmdt(seg));
    printf("gone %p %d\n", shmat(id, NULL, 0), errno);
    struct rlimit rl = {200 << 20, 200 << 20};
    setrlimit(RLIMIT_AS, &rl);
    printf("limit %d %d\n", mmap(NULL, 300 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED, errno);
    void *code = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memcpy(code, "\xb8\x2a\x00\x00\x00\xc3", 6);
    int a = ((int (*)(void))code)();
    ((char *)code)[1] = 43;
    printf("code %d %d\n", a, ((int (*)(void))code)());
    ftruncate(fd, 4096);
    pid_t pid = fork();
    if (!pid) { printf("%d\n", shared[8192]); _exit(0); }
    int status;
    waitpid(pid, &status, 0);
    printf("bus %d\n", WTERMSIG(status));
    return 0;
}
