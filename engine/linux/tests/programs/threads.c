// Threads: mutexes, condition variables, barriers, thread-local storage, cancellation, joins.
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <errno.h>
#include <time.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static int counter, turn;
static __thread int own;

static void *count(void *arg) {
    for (int i = 0; i < 10000; i++) {
        pthread_mutex_lock(&lock);
        counter++;
        pthread_mutex_unlock(&lock);
        own++;
    }
    return (void *)(long)(own + (long)arg);
}

static void *ping(void *arg) {
    int me = (int)(long)arg;
    for (int i = 0; i < 100; i++) {
        pthread_mutex_lock(&lock);
        while (turn != me) pthread_cond_wait(&cond, &lock);
        turn = !me;
        pthread_cond_broadcast(&cond);
        pthread_mutex_unlock(&lock);
    }
    return NULL;
}

static void *sleeper(void *arg) {
    (void)arg;
    for (;;) pause();
    return NULL;
}

static sem_t sem;
static void *poster(void *arg) {
    (void)arg;
    for (int i = 0; i < 5; i++) sem_post(&sem);
    return NULL;
}

int main(void) {
    pthread_t t[4];
    long sum = 0;
    for (long i = 0; i < 4; i++) pthread_create(&t[i], NULL, count, (void *)i);
    for (int i = 0; i < 4; i++) {
        void *r;
        pthread_join(t[i], &r);
        sum += (long)r;
    }
    printf("counter %d sum %ld own %d\n", counter, sum, own);

    pthread_create(&t[0], NULL, ping, (void *)0);
    pthread_create(&t[1], NULL, ping, (void *)1);
    pthread_join(t[0], NULL);
    pthread_join(t[1], NULL);
    printf("turn %d\n", turn);

    pthread_create(&t[0], NULL, sleeper, NULL);
    pthread_cancel(t[0]);
    void *r;
    pthread_join(t[0], &r);
    printf("canceled %d\n", r == PTHREAD_CANCELED);

    sem_init(&sem, 0, 0);
    pthread_create(&t[0], NULL, poster, NULL);
    for (int i = 0; i < 5; i++) sem_wait(&sem);
    pthread_join(t[0], NULL);
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    ts.tv_nsec += 20000000;
    if (ts.tv_nsec >= 1000000000) { ts.tv_sec++; ts.tv_nsec -= 1000000000; }
    int e = sem_timedwait(&sem, &ts);
    printf("timedwait %d %d\n", e, errno == ETIMEDOUT);

    pthread_mutex_t robust;
    pthread_mutexattr_t attr;
    pthread_mutexattr_init(&attr);
    pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_RECURSIVE);
    pthread_mutex_init(&robust, &attr);
    pthread_mutex_lock(&robust);
    pthread_mutex_lock(&robust);
    printf("recursive %d\n", pthread_mutex_trylock(&robust));
    fflush(stdout);
    pthread_create(&t[0], NULL, sleeper, NULL);
    _exit(3);
}
