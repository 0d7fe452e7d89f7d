#include "app/microhttpd.h"

#include <dlfcn.h>
#include <stddef.h>
#include <string.h>

#define SYMBOL(name) {#name, offsetof(struct microhttpd, name)},

struct microhttpd microhttpd;

static const struct symbol {
    const char *name;
    size_t offset;
} symbols[] = {MICROHTTPD_FUNCTIONS(SYMBOL)};

bool microhttpd_load(void *job, struct err *err)
{
    void *handle = dlopen(LEAFD_MICROHTTPD, RTLD_NOW | RTLD_LOCAL);

    (void)job;
    if (handle == NULL)
        return err_set(err, ERR_LOCAL, "%s", dlerror());
    for (size_t i = 0; i < sizeof symbols / sizeof *symbols; i++) {
        void *found = dlsym(handle, symbols[i].name);

        if (found == NULL)
            return err_set(err, ERR_LOCAL, "%s has no %s", LEAFD_MICROHTTPD, symbols[i].name);
        memcpy((char *)&microhttpd + symbols[i].offset, &found, sizeof found);
    }
    return true;
}
