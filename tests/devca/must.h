/*
 * must - what cannot fail on a machine that works
 *
 * devca is a tool for tests. When memory runs out, or libcrypto will not do to our own keys what it
 * did a moment ago, there is nothing sensible to answer: the program ends and names the place, and
 * the test fails loudly. Nothing that depends on what a client sends is ever wrapped in MUST.
 */
#ifndef DEVCA_MUST_H
#define DEVCA_MUST_H

/* Ends the program if `condition` does not hold. */
#define MUST(condition) ((condition) ? (void)0 : must_fail(#condition, __FILE__, __LINE__))

/* must_fail - says on standard error what did not hold, and libcrypto's reason, and aborts */
_Noreturn void must_fail(const char *condition, const char *file, int line);

#endif
