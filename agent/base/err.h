/*
 * err - what went wrong, in a form that decides what happens next
 *
 * Every function that can fail for a reason outside the program returns bool and fills a struct err
 * that its caller owns. The kind is the class of the failure: it alone decides how long leafd waits
 * before it tries again (plan/backoff) and which exit code a command ends with. The text is for the
 * operator: what failed, on what, why, and what to do about it where leafd can know. It is a fixed
 * buffer, so that running out of memory can be told as well.
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
    ERR_TRANSIENT, /* the CA or the way to it is out of order for now */
    ERR_DENIED,    /* the CA knows us not, or forbids it: never final */
    ERR_REFUSED,   /* the CA will not sign this, however often it is asked */
    ERR_UNTRUSTED, /* the CA's TLS certificate, or a reply that fails the vetting */
    ERR_LOCAL,     /* this machine: disk, permission, memory */
    ERR_CONSUMER,  /* validate said no, or the reload failed */
    ERR_CONFIG,    /* the configuration is wrong */
    ERR_KIND_COUNT
};

enum { ERR_TEXT_BYTES = 512 };

struct err {
    enum err_kind kind;
    int errnum;             /* errno behind the failure, 0 if there was none */
    int http_status;        /* status of the CA's reply, 0 if there was none */
    bool nobody;            /* a reload found that nobody is there whom it could tell */
    bool told;              /* the log has it already: whom it reaches adds only what follows */
    uint32_t retry_after_s; /* what the CA asked us to wait, 0 if it did not ask */
    char text[ERR_TEXT_BYTES];
};

/* err_kind_name - the word for a class that logs, status and man pages use; never NULL */
const char *err_kind_name(enum err_kind kind);

/*
 * err_set - records a failure
 *
 * Fills *err anew; a text that does not fit is cut. Returns false, so that a caller can write
 * `return err_set(...)`.
 */
bool err_set(struct err *err, enum err_kind kind, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/*
 * err_errno - like err_set, and adds the meaning of errnum to the text; returns false
 *
 * What the machine is short of is class local, whoever runs into it: a reload that fails for want
 * of a descriptor says nothing about the consumer.
 */
bool err_errno(struct err *err, enum err_kind kind, int errnum, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* err_memory - records that memory ran out, class local; returns false */
bool err_memory(struct err *err);

/*
 * err_shortage - whether memory or descriptors ran out on this thread since shortage_forget
 *
 * Then `err` becomes class local, whatever it was: what was judged since is to be judged again.
 */
bool err_shortage(struct err *err);

/*
 * err_append - adds to the text that is there, such as what to do about it; returns false
 *
 * What is added is there whole: a text that is too long with it is cut before it.
 */
bool err_append(struct err *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* err_wrap - puts "format: " before the text that is there and keeps the rest; returns false */
bool err_wrap(struct err *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/*
 * Whether memory or descriptors ran out on this thread. Libraries' predicates say no when they
 * could not find out: X509_verify of a good signature, a key that cannot be decoded for lack of
 * memory and hence is "another". What would then be left out or taken for missing is not known to
 * be. Who judges by such answers forgets first, asks last, and judges again later instead. Every
 * error of the kind and every allocation that OpenSSL, jansson and libcurl are refused is noted
 * here, by the thread that met it.
 */

/* shortage_note - remembers ENOMEM, EMFILE and ENFILE; every other number is none of its business
 */
void shortage_note(int errnum);

/* shortage_forget - what was noted until now is not asked for any more */
void shortage_forget(void);

/* shortage_noted - the number noted since it was forgotten last, or 0; err_shortage makes an error
 * of it
 */
int shortage_noted(void);

/*
 * shortage_watch_libraries - lets OpenSSL and jansson allocate by the functions below
 *
 * Called first thing in main; http/ does the same for libcurl. False if OpenSSL has already
 * allocated. See CRYPTO_set_mem_functions(3) and jansson's json_set_alloc_funcs.
 */
bool shortage_watch_libraries(void);

/* shortage_malloc - malloc() that notes a refusal */
void *shortage_malloc(size_t bytes);

/* shortage_calloc - calloc() that notes a refusal */
void *shortage_calloc(size_t count, size_t bytes);

/* shortage_realloc - realloc() that notes a refusal, and never frees for a length of 0 */
void *shortage_realloc(void *block, size_t bytes);

/* shortage_strdup - strdup() that notes a refusal */
char *shortage_strdup(const char *text);

#endif
