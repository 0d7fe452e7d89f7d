#include "http/curl_library.h"

#ifdef LEAFD_CURL

#include <curl/curl.h>

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>

/* Those that take any type look at it by themselves, see below. */
#undef curl_easy_setopt
#undef curl_easy_getinfo
#undef curl_multi_setopt

/* libcurl 8 has a const that libcurl 7 has not. */
typedef __typeof__(_Generic(curl_url_get, CURLUcode (*)(CURLU *, CURLUPart, char **, unsigned)
                            : (CURLU *)NULL, default
                            : (const CURLU *)NULL)) read_url;

/* clang-format off */
#define FIXED(use)                                                                                 \
    use(CURL *, curl_easy_init, (void), ())                                                        \
    use(void, curl_easy_cleanup, (CURL *curl), (curl))                                             \
    use(const char *, curl_easy_strerror, (CURLcode code), (code))                                 \
    use(CURLHcode, curl_easy_header,                                                               \
        (CURL *easy, const char *name, size_t index, unsigned origin, int request,                 \
         struct curl_header **hout),                                                               \
        (easy, name, index, origin, request, hout))                                                \
    use(void, curl_free, (void *p), (p))                                                           \
    use(time_t, curl_getdate, (const char *p, const time_t *unused), (p, unused))                  \
    use(CURLcode, curl_global_init_mem,                                                            \
        (long flags, curl_malloc_callback m, curl_free_callback f, curl_realloc_callback r,        \
         curl_strdup_callback s, curl_calloc_callback c),                                          \
        (flags, m, f, r, s, c))                                                                    \
    use(CURLM *, curl_multi_init, (void), ())                                                      \
    use(CURLMcode, curl_multi_cleanup, (CURLM *multi), (multi))                                    \
    use(CURLMcode, curl_multi_add_handle, (CURLM *multi_handle, CURL *curl_handle),                \
        (multi_handle, curl_handle))                                                               \
    use(CURLMcode, curl_multi_remove_handle, (CURLM *multi_handle, CURL *curl_handle),             \
        (multi_handle, curl_handle))                                                               \
    use(CURLMcode, curl_multi_assign,                                                              \
        (CURLM *multi_handle, curl_socket_t sockfd, void *sockp),                                  \
        (multi_handle, sockfd, sockp))                                                             \
    use(CURLMsg *, curl_multi_info_read, (CURLM *multi_handle, int *msgs_in_queue),                \
        (multi_handle, msgs_in_queue))                                                             \
    use(CURLMcode, curl_multi_socket_action,                                                       \
        (CURLM *multi_handle, curl_socket_t s, int ev_bitmask, int *running_handles),              \
        (multi_handle, s, ev_bitmask, running_handles))                                            \
    use(struct curl_slist *, curl_slist_append,                                                    \
        (struct curl_slist *list, const char *data),                                               \
        (list, data))                                                                              \
    use(void, curl_slist_free_all, (struct curl_slist *list), (list))                              \
    use(CURLU *, curl_url, (void), ())                                                             \
    use(void, curl_url_cleanup, (CURLU *handle), (handle))                                         \
    use(CURLUcode, curl_url_get,                                                                   \
        (read_url handle, CURLUPart what, char **part, unsigned flags),                            \
        (handle, what, part, flags))                                                               \
    use(CURLUcode, curl_url_set,                                                                   \
        (CURLU *handle, CURLUPart what, const char *part, unsigned flags),                         \
        (handle, what, part, flags))                                                               \
    use(curl_version_info_data *, curl_version_info, (CURLversion age), (age))

/* These take one argument more, of the type that the option has. */
#define VARIADIC(use)                                                                              \
    use(CURLcode, curl_easy_setopt)                                                                \
    use(CURLcode, curl_easy_getinfo)                                                               \
    use(CURLMcode, curl_multi_setopt)
/* clang-format on */

enum { PAGE_MOST_BYTES = 64 * 1024 };

/*
 * Written by the thread that loads the library, and read-only from then on, as the linker's own
 * table is: it lies alone on its pages.
 */
#define MEMBER(type, name, ...) __typeof__(name) *name;
static union {
    struct functions {
        FIXED(MEMBER) VARIADIC(MEMBER)
    } call;
    char pages[PAGE_MOST_BYTES];
} library __attribute__((aligned(PAGE_MOST_BYTES)));

#define SYMBOL(type, name, ...) {#name, offsetof(struct functions, name)},
static const struct symbol {
    const char *name;
    size_t offset;
} symbols[] = {FIXED(SYMBOL) VARIADIC(SYMBOL)};

static struct {
    pthread_t thread;
    bool has_thread, is_tried, is_loaded;
    struct err err;
} loading;

static bool load(struct err *err)
{
    void *handle = dlopen(LEAFD_CURL, RTLD_LAZY | RTLD_LOCAL);

    if (handle == NULL)
        return err_set(err, ERR_LOCAL, "cannot load libcurl: %s", dlerror());
    for (size_t i = 0; i < sizeof symbols / sizeof *symbols; i++) {
        void *found = dlsym(handle, symbols[i].name);

        if (found == NULL)
            return err_set(err, ERR_LOCAL, "%s has no %s; leafd needs libcurl 7.87 or later",
                           LEAFD_CURL, symbols[i].name);
        memcpy((char *)&library.call + symbols[i].offset, &found, sizeof found);
    }
    return mprotect(&library, sizeof library, PROT_READ) == 0 ||
           err_errno(err, ERR_LOCAL, errno, "cannot protect the table of libcurl's functions");
}

static void *run(void *arg)
{
    (void)arg;
    loading.is_loaded = load(&loading.err);
    return NULL;
}

void curl_library_begin(void)
{
    /* Without a thread it is loaded when it is asked for. */
    loading.has_thread = pthread_create(&loading.thread, NULL, run, NULL) == 0;
    loading.is_tried = loading.has_thread;
}

void curl_library_end(void)
{
    if (loading.has_thread)
        pthread_join(loading.thread, NULL);
    loading.has_thread = false;
}

bool curl_library_open(struct err *err)
{
    curl_library_end();
    if (!loading.is_tried)
        run(NULL);
    loading.is_tried = true;
    if (!loading.is_loaded)
        *err = loading.err;
    return loading.is_loaded;
}

/* -- what the program calls -----------------------------------------------------------------------
 */

#define CALL(type, name, parameters, arguments)                                                    \
    type name parameters                                                                           \
    {                                                                                              \
        return library.call.name arguments;                                                        \
    }
FIXED(CALL)

/* Options are counted by the types of their values: numbers from 0 on, then pointers, offsets. */
#define SET_OPTION(function, handle, option, code)                                                 \
    do {                                                                                           \
        va_list value;                                                                             \
                                                                                                   \
        va_start(value, option);                                                                   \
        if ((option) < CURLOPTTYPE_OBJECTPOINT)                                                    \
            (code) = (function)(handle, option, va_arg(value, long));                              \
        else if ((option) >= CURLOPTTYPE_OFF_T && (option) < CURLOPTTYPE_BLOB)                     \
            (code) = (function)(handle, option, va_arg(value, curl_off_t));                        \
        else                                                                                       \
            (code) = (function)(handle, option, va_arg(value, void *));                            \
        va_end(value);                                                                             \
    } while (0)

CURLcode curl_easy_setopt(CURL *curl, CURLoption option, ...)
{
    CURLcode code;

    SET_OPTION(library.call.curl_easy_setopt, curl, option, code);
    return code;
}

CURLMcode curl_multi_setopt(CURLM *multi, CURLMoption option, ...)
{
    CURLMcode code;

    SET_OPTION(library.call.curl_multi_setopt, multi, option, code);
    return code;
}

CURLcode curl_easy_getinfo(CURL *curl, CURLINFO info, ...)
{
    va_list to;
    CURLcode code;

    va_start(to, info);
    code = library.call.curl_easy_getinfo(curl, info, va_arg(to, void *));
    va_end(to);
    return code;
}

#else

/* It is linked in. */
void curl_library_begin(void)
{
}

void curl_library_end(void)
{
}

bool curl_library_open(struct err *err)
{
    (void)err;
    return true;
}

#endif
