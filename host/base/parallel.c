#include "base/parallel.h"

#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#define THREADS_MAX 16
#define MESSAGE_BYTES 1024 /* more than a sentence about a file */

struct pool {
    rt_piece *piece;
    void *work;
    size_t count;
    pthread_mutex_t mutex; /* guards what follows */
    size_t next;           /* the first piece that nobody has begun */
    rt_status status;
    size_t failed; /* the piece that status and message are of */
    char message[MESSAGE_BYTES];
};

/* The status and message of a piece, kept if no earlier piece failed. */
static void note(struct pool *pool, size_t index, rt_status status)
{
    if (status == RT_OK || (pool->status < 0 && pool->failed < index))
        return;
    pool->status = status;
    pool->failed = index;
    pool->next = pool->count;
    snprintf(pool->message, sizeof pool->message, "%s", rt_error_message());
}

static void *run(void *argument)
{
    struct pool *pool = argument;
    pthread_mutex_lock(&pool->mutex);
    while (pool->next < pool->count) {
        size_t index = pool->next++;
        pthread_mutex_unlock(&pool->mutex);
        rt_status status = pool->piece(pool->work, index);
        pthread_mutex_lock(&pool->mutex);
        note(pool, index, status);
    }
    pthread_mutex_unlock(&pool->mutex);
    return NULL;
}

rt_status rt_parallel(size_t count, rt_piece *piece, void *work)
{
    struct pool pool = {.piece = piece, .work = work, .count = count};
    pthread_t threads[THREADS_MAX];
    const long processors = sysconf(_SC_NPROCESSORS_ONLN);
    int started = 0;
    pthread_mutex_init(&pool.mutex, NULL);
    while (started < THREADS_MAX && started + 1 < processors && (size_t)started + 1 < count &&
           pthread_create(&threads[started], NULL, run, &pool) == 0)
        started++;
    run(&pool); /* alone, if no thread could be started */
    for (int i = 0; i < started; i++)
        pthread_join(threads[i], NULL);
    pthread_mutex_destroy(&pool.mutex);
    return pool.status < 0 ? rt_fail(pool.status, "%s", pool.message) : RT_OK;
}
