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

/* shortage_note - remembers ENOMEM, EMFILE and ENFILE; every other number is none of its business
 */
void shortage_note(int errnum);

/* shortage_forget - what was noted until now is not asked for any more */
void shortage_forget(void);

/* shortage_noted - the number noted since it was forgotten last, or 0; err_shortage makes an error
 * of it
 */
int shortage_noted(void);

#endif
