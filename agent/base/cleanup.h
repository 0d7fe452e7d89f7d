/*
 * cleanup - ownership that ends with the scope
 *
 * A local that owns a resource names its release: `CLEANUP(close_fd) int fd = -1;`. Every error
 * path is then one `return`. TAKE moves the ownership and leaves nothing to release.
 */
#ifndef LEAFD_BASE_CLEANUP_H
#define LEAFD_BASE_CLEANUP_H

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define CLEANUP(release) __attribute__((cleanup(release)))

/* Gives the value of a pointer and sets the pointer to NULL: ownership moves to the receiver. */
#define TAKE(pointer)                                                                              \
    ({                                                                                             \
        __typeof__(&(pointer)) take_from_ = &(pointer);                                            \
        __typeof__(pointer) taken_ = *take_from_;                                                  \
        *take_from_ = NULL;                                                                        \
        taken_;                                                                                    \
    })

/* Defines `name`, a release for CLEANUP, from a function that frees one `type` pointer. */
#define DEFINE_CLEANUP(name, type, free_one)                                                       \
    static inline void name(type *owner)                                                           \
    {                                                                                              \
        if (*owner != NULL) {                                                                      \
            free_one(*owner);                                                                      \
            *owner = NULL;                                                                         \
        }                                                                                          \
    }

DEFINE_CLEANUP(close_directory, DIR *, closedir)
DEFINE_CLEANUP(close_file, FILE *, fclose)

/* free_memory - releases a malloc()ed block of any type when its owner goes out of scope */
static inline void free_memory(void *owner)
{
    free(*(void **)owner);
    *(void **)owner = NULL;
}

/* close_fd - closes a descriptor that is open when its owner goes out of scope */
static inline void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* take_fd - gives the descriptor and sets the owner's to -1: ownership moves to the receiver */
static inline int take_fd(int *fd)
{
    int taken = *fd;

    *fd = -1;
    return taken;
}

#endif
