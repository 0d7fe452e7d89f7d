/*
 * deaf_names - name servers that do not answer, for one process
 *
 * A library to preload. A lookup of a name that ends with ".deaf.test" never comes back; all others
 * are the machine's own.
 */
#include <dlfcn.h>
#include <netdb.h>
#include <string.h>
#include <unistd.h>

typedef int lookup(const char *, const char *, const struct addrinfo *, struct addrinfo **);

int getaddrinfo(const char *host, const char *service, const struct addrinfo *hints,
                struct addrinfo **found)
{
    static const char deaf[] = ".deaf.test";
    size_t length = host == NULL ? 0 : strlen(host);
    lookup *next;

    if (hints != NULL && (hints->ai_flags & AI_NUMERICHOST) == 0 && length >= sizeof deaf &&
        strcmp(host + length - (sizeof deaf - 1), deaf) == 0)
        for (;;)
            pause();
    *(void **)&next = dlsym(RTLD_NEXT, "getaddrinfo");
    return next(host, service, hints, found);
}
