/*
 * shortage - whether memory or descriptors ran out on this thread
 *
 * Libraries' predicates say no when they could not find out: X509_verify of a good signature, a key
 * that cannot be decoded for lack of memory and hence is "another". What would then be left out or
 * taken for missing is not known to be. Who judges by such answers forgets first, asks last, and
 * judges again later instead. Every error of the kind and every allocation that OpenSSL, jansson
 * and libcurl are refused is noted here, by the thread that met it.
 */
#ifndef LEAFD_BASE_SHORTAGE_H
#define LEAFD_BASE_SHORTAGE_H

#include <stdbool.h>
#include <stddef.h>

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
