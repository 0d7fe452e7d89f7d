/*
 * fuzz - what every target includes
 *
 * A target is one function that takes any bytes. clang's libFuzzer calls it (tests/fuzz/run), and
 * replay.c calls it for every file of its corpus in `make check`. It stops the process when a
 * promise is broken; the sanitizers do so when memory is.
 */
#ifndef LEAFD_TESTS_FUZZ_H
#define LEAFD_TESTS_FUZZ_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* LLVMFuzzerTestOneInput - the target; always returns 0 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* fuzz_directory - a directory of this process alone, removed with what is in it when it ends */
const char *fuzz_directory(void);

/* fuzz_file - writes the bytes to the file NAME in there; its path, good until the next call */
const char *fuzz_file(const char *name, const uint8_t *data, size_t size);

/* fuzz_promise - stops the process if a promise was not kept */
void fuzz_promise(bool kept, const char *what);

/* fuzz_words - stops the process if this is no text for people: empty, or not printable ASCII */
void fuzz_words(const char *text, const char *what);

/* fuzz_failure - stops the process if a failure has no class or no words for people */
void fuzz_failure(const struct err *err);

#endif
