/*
 * shared_view - a text that is made of the whole document of app/status, for all who ask for it
 *
 * A worker reads the sets page by page and writes the text; in between, the loop adds to each page
 * what only the agent's memory has. Requests that come meanwhile wait for the same text. It is
 * given to later ones as well, for a second at least, and until making it has cost no more than
 * some two percent of the time: ten thousand sets take a second of CPU to read. Then it is freed. A
 * request that has waited too long, for a disk that hangs, is told so.
 */
#ifndef LEAFD_APP_SHARED_VIEW_H
#define LEAFD_APP_SHARED_VIEW_H

#include "app/serve.h"
#include "config/config.h"

/* How a text is made. `making` is the maker's own; no two functions run at the same time. */
struct view_maker {
    /* on the loop, at first; NULL if memory ran out */
    void *(*begin)(void *arg);
    /* on the loop: `rows` are those of the certificates from number `first` on; NULL: not needed */
    void (*note)(void *making, void *arg, json_t *rows, size_t first);
    /* on a worker: adds the rows; false if memory ran out */
    bool (*add)(void *making, const struct config *config, const json_t *rows, size_t first);
    /* on a worker, at last; NULL if memory ran out */
    struct serve_text *(*end)(void *making);
    /* on the loop */
    void (*free)(void *making);
};

/* Where texts come from; lives as long as the views. */
struct view_source {
    sd_event *loop;
    struct workers *workers;
    struct config *(*config_of)(void *arg); /* the configuration in use, borrowed */
    void *arg;                              /* also of the makers */
};

struct shared_view;

/* shared_view_open - nothing is made yet; borrows the arguments. Fails with class local */
bool shared_view_open(const struct view_source *source, const struct view_maker *maker,
                      struct shared_view **ret_view, struct err *err);

/* shared_view_ask - replies to the request with the text, now or later */
void shared_view_ask(struct shared_view *view, struct serve_request *request);

/* shared_view_close - replies that the agent is stopping, and frees; NULL is fine */
void shared_view_close(struct shared_view *view);

#endif
