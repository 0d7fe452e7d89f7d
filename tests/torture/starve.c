/*
 * starve - a malloc that fails on order
 *
 * Preloaded into leafd by the memory suite. Every allocation that the process and its libraries
 * make through the C library is counted; those from the `at`-th on fail, `times` of them. The
 * orders are a mapped file (named by STARVE_ORDERS) that may change while the process runs. Memory
 * itself comes from the C library by its second names.
 */
#include "starve.h"

#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *old, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);
extern void __libc_free(void *memory);

/* Before the file is mapped there is nothing to obey. */
static struct starve_orders before_main;
static struct starve_orders *orders = &before_main;

__attribute__((constructor)) static void open_orders(void)
{
    const char *path = getenv("STARVE_ORDERS");
    int fd = path == NULL ? -1 : open(path, O_RDWR | O_CLOEXEC);
    void *page =
        fd < 0 ? MAP_FAILED : mmap(NULL, sizeof *orders, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

    void *frames[STARVE_FRAMES];

    /* The first one loads libgcc and allocates. */
    backtrace(frames, STARVE_FRAMES);
    if (page != MAP_FAILED)
        orders = page;
    if (fd >= 0)
        close(fd);
    /* What the daemon starts is not starved. */
    unsetenv("STARVE_ORDERS");
    unsetenv("LD_PRELOAD");
}

static void note_callers(void)
{
    void *frames[STARVE_FRAMES];
    int count = backtrace(frames, STARVE_FRAMES);

    for (int i = 0; i < STARVE_FRAMES; i++)
        orders->frames[i] = i < count ? (uint64_t)(uintptr_t)frames[i] : 0;
}

/* Whether this allocation is one of those that fail. */
static bool is_starved(void)
{
    uint32_t now;

    if (!orders->armed)
        return false;
    now = atomic_fetch_add(&orders->seen, 1) + 1;
    if (now < orders->at || now - orders->at >= orders->times)
        return false;
    if (atomic_fetch_add(&orders->failed, 1) == 0)
        note_callers();
    errno = ENOMEM;
    return true;
}

static void *note(void *memory)
{
    if (memory != NULL) {
        atomic_fetch_add(&orders->live, 1);
        atomic_fetch_add(&orders->live_bytes, (int64_t)malloc_usable_size(memory));
    }
    return memory;
}

void *malloc(size_t size)
{
    return is_starved() ? NULL : note(__libc_malloc(size));
}

void *calloc(size_t count, size_t size)
{
    return is_starved() ? NULL : note(__libc_calloc(count, size));
}

void free(void *memory)
{
    if (memory == NULL)
        return;
    atomic_fetch_sub(&orders->live, 1);
    atomic_fetch_sub(&orders->live_bytes, (int64_t)malloc_usable_size(memory));
    __libc_free(memory);
}

void *realloc(void *old, size_t size)
{
    int64_t before = old == NULL ? 0 : (int64_t)malloc_usable_size(old);
    void *memory;

    if (is_starved())
        return NULL;
    memory = __libc_realloc(old, size);
    if (old == NULL)
        return note(memory);
    if (memory != NULL)
        atomic_fetch_add(&orders->live_bytes, (int64_t)malloc_usable_size(memory) - before);
    else if (size == 0)
        atomic_fetch_sub(&orders->live, 1), atomic_fetch_sub(&orders->live_bytes, before);
    return memory;
}

void *reallocarray(void *old, size_t count, size_t size)
{
    size_t bytes;

    if (__builtin_mul_overflow(count, size, &bytes)) {
        errno = ENOMEM;
        return NULL;
    }
    return realloc(old, bytes);
}

void *memalign(size_t alignment, size_t size)
{
    return is_starved() ? NULL : note(__libc_memalign(alignment, size));
}

void *aligned_alloc(size_t alignment, size_t size)
{
    return memalign(alignment, size);
}

int posix_memalign(void **ret_memory, size_t alignment, size_t size)
{
    void *memory = memalign(alignment, size);

    if (memory == NULL)
        return ENOMEM;
    *ret_memory = memory;
    return 0;
}
