/*
 * page - the page at /: the document of app/status as HTML, for people
 *
 * Without scripts and without anything from elsewhere; its Content-Security-Policy permits its own
 * style only. All texts are escaped. The most urgent certificates come first, and the length is
 * limited: of very many it shows so many of each urgency.
 */
#ifndef LEAFD_APP_PAGE_H
#define LEAFD_APP_PAGE_H

#include "app/serve_text.h"

#include <jansson.h>

struct page; /* in the making */

/* The style of the page, and the hash of it that the policy names: base64 of its SHA-256. */
extern const char page_style[];
extern const char page_style_hash[];

/* page_new - begins a page; takes the reference of `agent`, that part of the document. NULL if
 * memory ran out */
struct page *page_new(json_t *agent);

/* page_add - adds certificates of the document; false if memory ran out */
bool page_add(struct page *page, const json_t *rows);

/* page_end - the page; NULL if memory ran out */
struct serve_text *page_end(struct page *page);

/* page_free - frees what is left; NULL is fine */
void page_free(struct page *page);

#endif
