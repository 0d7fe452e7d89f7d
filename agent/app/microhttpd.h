/*
 * microhttpd - libmicrohttpd, loaded when it is first needed
 *
 * It loads GnuTLS, which costs memory and time: an agent without clients does without.
 */
#ifndef LEAFD_APP_MICROHTTPD_H
#define LEAFD_APP_MICROHTTPD_H

#include "base/err.h"

#include <microhttpd.h>

#define MICROHTTPD_FUNCTIONS(use)                                                                  \
    use(MHD_start_daemon) use(MHD_stop_daemon) use(MHD_run) use(MHD_get_timeout)                   \
        use(MHD_get_daemon_info) use(MHD_add_connection) use(MHD_get_connection_info)              \
            use(MHD_suspend_connection) use(MHD_resume_connection)                                 \
                use(MHD_lookup_connection_value) use(MHD_create_response_from_buffer)              \
                    use(MHD_create_response_from_buffer_with_free_callback)                        \
                        use(MHD_add_response_header) use(MHD_queue_response)                       \
                            use(MHD_destroy_response)

#define MICROHTTPD_MEMBER(name) __typeof__(name) *name;

/* The functions; a worker writes them, and the loop calls them afterwards. */
extern struct microhttpd {
    MICROHTTPD_FUNCTIONS(MICROHTTPD_MEMBER)
} microhttpd;

/* microhttpd_load - a worker's job: loads the library for good; fails with class local */
bool microhttpd_load(void *job, struct err *err);

#endif
