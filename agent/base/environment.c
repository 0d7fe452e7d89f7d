#include "base/environment.h"

#include <string.h>
#include <unistd.h>

/* The first one that is set counts. */
static const char *const tokens[] = {"BAO_TOKEN", "VAULT_TOKEN"};

/* The protocols of sd_notify(3), sd_watchdog_enabled(3) and systemd.exec(5), and the bus for
 * `reload = unit`. */
static const char *const allowed[] = {
    "NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC", "JOURNAL_STREAM", "DBUS_SYSTEM_BUS_ADDRESS",
};

enum { ALLOWED = sizeof allowed / sizeof *allowed, TOKENS = sizeof tokens / sizeof *tokens };

/* Debian's libcurl loads GnuTLS, which leafd does not use; this skips its initialisation
 * (gnutls_global_init(3)). */
static char without_gnutls[] = "GNUTLS_NO_IMPLICIT_INIT=1";

static char **original; /* the block from the kernel; NULL: not narrowed */
static char *narrowed[ALLOWED + 2];
static struct secret token;

/* The value in an entry of that name, or NULL. */
static char *value_in(char *entry, const char *name)
{
    size_t length = strlen(name);

    return strncmp(entry, name, length) == 0 && entry[length] == '=' ? entry + length + 1 : NULL;
}

static char *find(char **entries, const char *name)
{
    char *value = NULL;

    for (; entries != NULL && *entries != NULL && value == NULL; entries++)
        value = value_in(*entries, name);
    return value;
}

static char **all(void)
{
    return original == NULL ? environ : original;
}

void environment_narrow(void)
{
    size_t count = 0;

    original = environ;
    for (size_t i = 0; i < ALLOWED; i++) {
        char *value = find(original, allowed[i]);

        if (value != NULL)
            narrowed[count++] = value - strlen(allowed[i]) - 1;
    }
    narrowed[count] = without_gnutls;
    environ = narrowed;
}

bool environment_is_token(const char *name)
{
    for (size_t i = 0; i < TOKENS; i++)
        if (strcmp(name, tokens[i]) == 0)
            return true;
    return false;
}

const char *environment_get(const char *name)
{
    return environment_is_token(name) ? NULL : find(all(), name);
}

bool environment_has_token(void)
{
    for (size_t i = 0; i < TOKENS; i++)
        if (find(all(), tokens[i]) != NULL)
            return true;
    return false;
}

bool environment_take_token(struct err *err)
{
    const char *value = NULL;

    for (size_t i = 0; i < TOKENS && value == NULL; i++)
        value = find(original, tokens[i]);
    if (value != NULL && !secret_copy(&token, value, strlen(value), err))
        return false;
    environment_forget_token();
    return true;
}

void environment_forget_token(void)
{
    for (char **entry = original; entry != NULL && *entry != NULL; entry++)
        for (size_t i = 0; i < TOKENS; i++) {
            char *value = value_in(*entry, tokens[i]);

            if (value != NULL)
                explicit_bzero(value, strlen(value));
        }
}

const struct secret *environment_token(void)
{
    return token.bytes == NULL ? NULL : &token;
}
