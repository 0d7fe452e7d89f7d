/*
 * hide - what the CA, a consumer or a command says, before anybody reads it
 *
 * A CA may quote the request that it refuses, a consumer the key that it cannot load. Everything of
 * that kind passes hide_foreign before it becomes part of an error, a log line or a file: it takes
 * out our own credentials and makes the rest printable. What we write ourselves passes hide_known
 * or hide_line on its way out, in case something got into it all the same.
 *
 * Credentials are known by fingerprints, which outlive the secrets: a reply comes when the request
 * is long wiped, and a command may print a key that only its file still has. A fingerprint is a
 * keyed hash of eight bytes in a row (SipHash-2-4; the hash key is locked memory and never leaves
 * it); without the key the fingerprints tell nothing. There is a ceiling, and the oldest go first.
 *
 * What is hidden depends on what was guessed, so somebody who may both choose a consumer's answers
 * and read the log could find out a credential piece by piece; the pauses between failures make
 * that slow, and the log is not theirs to read.
 *
 * All functions may be called from any thread.
 */
#ifndef LEAFD_BASE_HIDE_H
#define LEAFD_BASE_HIDE_H

#include <stddef.h>

/* A piece of a credential from this length on is hidden; shorter ones only if they are all of it
 * and have at least HIDE_WHOLE_BYTES. */
enum { HIDE_PIECE_BYTES = 8, HIDE_WHOLE_BYTES = 4 };

/*
 * hide_learn - hides this credential from now on: all of it, or eight bytes and more
 *
 * Of PEM the lines that say what it is are not secret and are left out. secret_copy calls it, so
 * that whatever becomes a struct secret is known. A NUL follows the `length` bytes. Without memory
 * nothing foreign is shown any more.
 */
void hide_learn(const void *credential, size_t length);

/* hide_learn_keys - the same for the private keys in a PEM text; of another text for all of it */
void hide_learn_keys(const char *pem);

/* hide_make_room - makes room for the keys of so many certificates; up to some 1,500 EC keys */
void hide_make_room(size_t certs);

/*
 * hide_foreign - copies what somebody else said for people to read
 *
 * Credentials are replaced by as many '*', also where they are written as base64, base64url, JSON
 * or a URL; so is what looks like one: forty and more characters of base64 in a row, with small and
 * capital letters and digits. The rest is as text_printable leaves it. Of more than 4 KiB the rest
 * is dropped. `size` is at least 4.
 */
void hide_foreign(char *to, size_t size, const char *from);

/* hide_known - replaces credentials in a text of our own, in place; nothing is decoded, and looks
 * are not judged */
void hide_known(char *text);

/* hide_line - copies a text of our own, up to 4 KiB, without credentials and printable; `size` is
 * at least 4 */
void hide_line(char *to, size_t size, const char *from);

#endif
