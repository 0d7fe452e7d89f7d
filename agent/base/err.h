/*
 * err - a failure: its class and its text
 *
 * Every function that can fail for a reason outside the program returns bool and fills a struct err
 * that its caller owns. The kind is the class of the failure: it alone decides how long leafd waits
 * before it tries again (plan/backoff) and the exit code of a command. The text is for the
 * operator: what failed, on what, why, and what to do about it if leafd knows. It is a fixed
 * buffer, so that running out of memory can be reported as well.
 *
 * A text never holds a secret, nor a value from the configuration: keys, paths and lengths only.
 */
#ifndef LEAFD_BASE_ERR_H
#define LEAFD_BASE_ERR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum err_kind {
    ERR_NONE,
    ERR_TRANSIENT, /* the CA or the network is unavailable for now */
    ERR_DENIED,    /* the CA does not know us, or forbids the request: never final */
    ERR_REFUSED,   /* the CA does not sign this request, however often it is repeated */
    ERR_UNTRUSTED, /* the CA's TLS certificate, or a reply that fails vet */
    ERR_LOCAL,     /* this machine: disk, permission, memory */
    ERR_CONSUMER,  /* validate or the reload failed */
    ERR_CONFIG,    /* the configuration is wrong */
    ERR_KIND_COUNT
};

enum { ERR_TEXT_BYTES = 512 };

struct err {
    enum err_kind kind;
    int errnum;      /* errno behind the failure, 0 if there was none */
    int http_status; /* status of the CA's reply, 0 if there was none */
    bool nobody;     /* a reload found no consumer: no process, listener or active unit */
    bool told;       /* the failure was logged already: receivers log only its consequences */
    uint32_t retry_after_s; /* from the CA's Retry-After; 0: none */
    char text[ERR_TEXT_BYTES];
};

/* err_kind_name - the word for a class that logs, status and man pages use; never NULL */
const char *err_kind_name(enum err_kind kind);

/*
 * err_set - records a failure
 *
 * Overwrites *err; a text that does not fit is cut. Returns false, so that a caller can write
 * `return err_set(...)`.
 */
bool err_set(struct err *err, enum err_kind kind, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/*
 * err_errno - like err_set, and adds the meaning of errnum to the text; returns false
 *
 * A shortage of memory or descriptors is always class local: a reload that finds no free descriptor
 * says nothing about the consumer.
 */
bool err_errno(struct err *err, enum err_kind kind, int errnum, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* err_memory - records that memory ran out, class local; returns false */
bool err_memory(struct err *err);

/*
 * err_shortage - whether memory or descriptors ran out on this thread since shortage_forget
 *
 * If so, `err` becomes class local: decisions since then must be repeated later.
 */
bool err_shortage(struct err *err);

/*
 * err_append - appends to the text, such as what to do about it; returns false
 *
 * The appended text is complete: if the whole is too long, the previous text is cut.
 */
bool err_append(struct err *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* err_wrap - puts "format: " before the text and keeps the rest; returns false */
bool err_wrap(struct err *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/*
 * Whether memory or descriptors ran out on this thread. Predicates of libraries also return false
 * when memory ran out: X509_verify of a valid signature, or a key that cannot be decoded and so
 * seems to be another one. A caller that decides by such answers calls shortage_forget first and
 * err_shortage last, and repeats the decision later if it returns true. Every such errno, and every
 * failed allocation of OpenSSL, jansson and libcurl, is noted per thread.
 */

/* shortage_note - notes ENOMEM, EMFILE and ENFILE; ignores other numbers */
void shortage_note(int errnum);

/* shortage_forget - clears the note */
void shortage_forget(void);

/* shortage_noted - the errno noted since shortage_forget, or 0; err_shortage makes an error of it
 */
int shortage_noted(void);

/*
 * shortage_watch_libraries - lets OpenSSL and jansson allocate by the functions below
 *
 * Called first thing in main; http/ does the same for libcurl. False if OpenSSL has already
 * allocated. See CRYPTO_set_mem_functions(3) and jansson's json_set_alloc_funcs.
 */
bool shortage_watch_libraries(void);

/* shortage_malloc - malloc() that notes a failure */
void *shortage_malloc(size_t bytes);

/* shortage_calloc - calloc() that notes a failure */
void *shortage_calloc(size_t count, size_t bytes);

/* shortage_realloc - realloc() that notes a failure, and never frees for a length of 0 */
void *shortage_realloc(void *block, size_t bytes);

/* shortage_strdup - strdup() that notes a failure */
char *shortage_strdup(const char *text);

#endif
