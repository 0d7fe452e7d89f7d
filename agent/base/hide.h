/*
 * hide - removes credentials from texts of the CA, a consumer or a command
 *
 * A CA may quote the request that it refuses, a consumer the key that it cannot load. All such text
 * passes hide_foreign before it becomes part of an error, a log line or a file: hide_foreign
 * replaces our own credentials and makes the rest printable. leafd's own output passes hide_known
 * or hide_line as a second line of defence.
 *
 * Credentials are recognised by fingerprints, which outlive the secrets: a reply may come after the
 * request was wiped, and a command may print a key that is only in its file. A fingerprint is a
 * keyed hash of eight consecutive bytes (SipHash-2-4; the hash key never leaves locked memory);
 * without the key the fingerprints reveal nothing. Their number is limited, and the oldest are
 * dropped first.
 *
 * An attacker who chooses a consumer's answers and reads the log could guess a credential piece by
 * piece, because a correct guess is hidden. The pauses between failures make that slow, and such an
 * attacker must not be able to read the log.
 *
 * All functions may be called from any thread.
 */
#ifndef LEAFD_BASE_HIDE_H
#define LEAFD_BASE_HIDE_H

#include <stddef.h>

/* The shortest piece of a credential that is hidden. A shorter credential is hidden as a whole if
 * it has HIDE_WHOLE_BYTES. */
enum { HIDE_PIECE_BYTES = 8, HIDE_WHOLE_BYTES = 4 };

/*
 * hide_learn - hides this credential from now on, and every piece of at least eight bytes
 *
 * The BEGIN and END lines of PEM are not secret and are left out. secret_copy calls it, so every
 * struct secret is known. A NUL follows the `length` bytes. If memory runs out, hide_foreign shows
 * no text any more.
 */
void hide_learn(const void *credential, size_t length);

/* hide_learn_keys - the same for the private keys in a PEM text; for the whole text if it is no
 * PEM */
void hide_learn_keys(const char *pem);

/* hide_make_room - enlarges the table for the keys of `certs` certificates, up to some 1,500 EC
 * keys */
void hide_make_room(size_t certs);

/*
 * hide_foreign - copies a text from outside, without credentials and printable
 *
 * Credentials are replaced by as many '*', also if they are encoded as base64, base64url, JSON or a
 * URL. So are texts that look like one: forty and more characters of base64 in a row, with small
 * and capital letters and digits. The rest is as text_printable gives it. Text after the first 4
 * KiB is dropped. `size` is at least 4.
 */
void hide_foreign(char *to, size_t size, const char *from);

/* hide_known - replaces credentials in our own text, in place, without decoding and without
 * guessing by appearance */
void hide_known(char *text);

/* hide_line - copies our own text, up to 4 KiB, without credentials and printable; `size` is at
 * least 4 */
void hide_line(char *to, size_t size, const char *from);

#endif
