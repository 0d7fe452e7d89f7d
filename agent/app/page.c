#include "app/page.h"

#include "app/view.h"
#include "base/cleanup.h"

#include <stdlib.h>
#include <string.h>

enum { PART_MOST_BYTES = 16 * 1024 * 1024, SHOWN_MOST = 500, MOMENT_BYTES = 128 };

const char page_style[] =
    ":root{color-scheme:light dark;--ink:#1b1f24;--paper:#fff;--soft:#57606a;--line:#d0d7de;"
    "--band:#f6f8fa;--good:#116329;--wait:#7d4e00;--bad:#a40e26;--link:#0a58ca}"
    "@media(prefers-color-scheme:dark){:root{--ink:#e6edf3;--paper:#0d1117;--soft:#9ea7b3;"
    "--line:#30363d;--band:#161b22;--good:#56d364;--wait:#e3b341;--bad:#ff938a;--link:#79b8ff}}"
    "*{box-sizing:border-box}"
    "body{margin:0 auto;padding:1.5rem;max-width:72rem;background:var(--paper);color:var(--ink);"
    "font:1rem/1.45 system-ui,sans-serif}"
    "h1{margin:0;font-size:1.5rem;font-weight:600}"
    ".sum{margin:.2rem 0 1rem;font-size:1.1rem}"
    ".alert{margin:0 0 .8rem;padding:.6rem .8rem;border:1px solid var(--bad);"
    "border-left-width:.4rem;border-radius:.3rem;overflow-wrap:anywhere}"
    ".scroll{overflow-x:auto}"
    "table{width:100%;border-collapse:collapse;font-variant-numeric:tabular-nums}"
    "caption{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}"
    "thead th{padding:.4rem .6rem;border-bottom:2px solid var(--line);text-align:left;"
    "color:var(--soft);font-size:.85rem;white-space:nowrap}"
    "tbody{border-bottom:1px solid var(--line)}"
    "tbody th,tbody td{padding:.45rem .6rem;text-align:left;vertical-align:top;font-weight:400}"
    "tbody th{font-weight:600;overflow-wrap:anywhere;min-width:9rem}"
    ".why p{margin:.1rem 0}"
    "td.why{padding-top:0;color:var(--soft);font-size:.9rem;overflow-wrap:anywhere}"
    ".when{white-space:nowrap}"
    ".sub{display:block;color:var(--soft);font-size:.85rem;font-weight:400}"
    ".state{font-weight:600;white-space:nowrap}"
    ".u0 .state{color:var(--bad)}.u1 .state{color:var(--bad)}.u2 .state{color:var(--wait)}"
    ".u3 .state{color:var(--good)}.u0,.u1{background:var(--band)}"
    "footer{margin-top:1.2rem;color:var(--soft);font-size:.9rem;overflow-wrap:anywhere}"
    "footer p{margin:.2rem 0}"
    "a{color:var(--link)}"
    "@media print{body{padding:0;max-width:none;font-size:9pt}"
    ":root{--ink:#000;--paper:#fff;--soft:#333;--line:#999;--band:#fff;--good:#000;--wait:#000;"
    "--bad:#000}nav{display:none}tbody{break-inside:avoid}.scroll{overflow:visible}}";

const char page_style_hash[] = "YRylSgVLF5Vb/035iYoyCWtOazZ+NyXorFxeedPk4O4=";

static const struct serve_kind html = {
    .type = "text/html; charset=utf-8",
    .policy = "default-src 'none'; style-src "
              "'sha256-YRylSgVLF5Vb/035iYoyCWtOazZ+NyXorFxeedPk4O4='; base-uri 'none'; "
              "form-action 'none'; frame-ancestors 'none'",
};

enum { RANKS = RANK_FRESH + 1 };

struct page {
    json_t *agent;
    uint64_t now_s;
    bool is_short; /* of memory */
    struct bytes parts[RANKS];
    size_t counts[RANKS];
};

/* -- texts ----------------------------------------------------------------------------------------
 */

/* Our own markup. */
static void mark(struct page *page, struct bytes *to, const char *markup)
{
    page->is_short |= !bytes_add(to, markup, strlen(markup));
}

/* Whether a character of UTF-8 begins there that controls a terminal: C0, DEL, or C1. */
static bool is_control(const char *text)
{
    unsigned char first = (unsigned char)text[0], second = (unsigned char)text[first != '\0'];

    return first < ' ' || first == 0x7f || (first == 0xc2 && second >= 0x80 && second < 0xa0);
}

/* A text, escaped; control characters as \xNN, for who reads the page on a terminal. */
static void put(struct page *page, struct bytes *to, const char *text)
{
    static const char special[] = "&<>\"'";
    static const char *const escapes[] = {"&amp;", "&lt;", "&gt;", "&quot;", "&#39;"};

    for (size_t plain = 0; *text != '\0'; text += plain + 1, plain = 0) {
        char code[sizeof "\\xNN"];

        while (strchr(special, text[plain]) == NULL && !is_control(text + plain))
            plain++;
        page->is_short |= !bytes_add(to, text, plain);
        if (text[plain] == '\0')
            return;
        if (!is_control(text + plain)) {
            mark(page, to, escapes[strchr(special, text[plain]) - special]);
            continue;
        }
        plain += (unsigned char)text[plain] == 0xc2;
        snprintf(code, sizeof code, "\\x%02x", (unsigned char)text[plain]);
        mark(page, to, code);
    }
}

/* A text between markup. */
static void put_in(struct page *page, struct bytes *to, const char *before, const char *text,
                   const char *after)
{
    mark(page, to, before);
    put(page, to, text);
    mark(page, to, after);
}

/* "in 5h12m" or "3m ago"; "" for an unknown time. */
static void relative(const struct page *page, const char *moment, char to[static MOMENT_BYTES])
{
    char text[DURATION_TEXT_BYTES];
    uint64_t moment_s;

    to[0] = '\0';
    if (!clock_read_text(moment, &moment_s))
        return;
    duration_text(moment_s > page->now_s ? moment_s - page->now_s : page->now_s - moment_s, text);
    snprintf(to, MOMENT_BYTES, moment_s > page->now_s ? "in %s" : "%s ago", text);
}

/* 2026-11-22T10:44:06Z without its T and Z, and how far off it is. */
static void put_moment(struct page *page, struct bytes *to, const char *moment)
{
    char shown[MOMENT_BYTES], off[MOMENT_BYTES], *t;

    if (moment[0] == '\0') {
        mark(page, to, "<td>–</td>");
        return;
    }
    snprintf(shown, sizeof shown, "%.*s", (int)strcspn(moment, "Z"), moment);
    t = strchr(shown, 'T');
    if (t != NULL)
        *t = ' ';
    relative(page, moment, off);
    put_in(page, to, "<td class=\"when\"><time datetime=\"", moment, "\">");
    put(page, to, off);
    put_in(page, to, "</time><span class=\"sub\">", shown, "</span></td>");
}

/* -- certificates ---------------------------------------------------------------------------------
 */

static void put_served(struct page *page, struct bytes *to, const json_t *row)
{
    const struct view view = {.now_s = page->now_s};
    const char *served = view_served(&view, row);
    char off[MOMENT_BYTES];

    relative(page, view_text(json_object_get(row, "served"), "seen_at"), off);
    put_in(page, to, "<td>", strcmp(served, "-") == 0 ? "–" : served, "");
    if (off[0] != '\0')
        put_in(page, to, "<span class=\"sub\">seen ", off, "</span>");
    mark(page, to, "</td>");
}

/* A failure, how often it occurred and when the next try is. */
static void put_failure(struct page *page, struct bytes *to, const json_t *failure)
{
    int64_t failures = view_number(failure, "failures");
    char count[MOMENT_BYTES], off[MOMENT_BYTES];

    if (failures == 0)
        failures = view_number(failure, "reload_failures");
    snprintf(count, sizeof count, "%lld times in a row", (long long)failures);
    put_in(page, to, "<p>", view_text(failure, "error"), "");
    put_in(page, to, " (", view_text(failure, "class"), ")</p>");
    put_in(page, to, "<p>failed ", failures == 1 ? "once" : count, ", next try ");
    relative(page, view_text(failure, "try_again_at"), off);
    put_in(page, to, "", view_moment(failure, "try_again_at") > page->now_s ? off : "now", "</p>");
}

/* A second row: why it is not fresh, the last failure, and what to do. */
static void put_why(struct page *page, struct bytes *to, const json_t *row)
{
    const json_t *failure = view_failure(row);
    bool is_plain = failure == NULL && view_is_fresh(row);
    const char *detail = is_plain ? "" : view_text(row, "detail");
    const char *advice = is_plain ? "" : view_text(row, "advice");
    const char *held_until = view_text(row, "held_until");
    char awaited[VIEW_LINE_BYTES];

    view_awaited(row, awaited);
    if (detail[0] == '\0' && advice[0] == '\0' && awaited[0] == '\0' && held_until[0] == '\0' &&
        failure == NULL)
        return;
    mark(page, to, "<tr><td class=\"why\" colspan=\"5\">");
    if (detail[0] != '\0')
        put_in(page, to, "<p>", detail, "</p>");
    if (held_until[0] != '\0')
        put_in(page, to, "<p>a new certificate is held until ", held_until, "</p>");
    if (failure != NULL)
        put_failure(page, to, failure);
    if (awaited[0] != '\0')
        put_in(page, to, "<p>", awaited, "</p>");
    if (advice[0] != '\0')
        put_in(page, to, "<p>", advice, "</p>");
    mark(page, to, "</td></tr>");
}

static void put_row(struct page *page, const json_t *row)
{
    static const char *const begins[RANKS] = {
        "<tbody class=\"u0\"><tr><th scope=\"row\">", "<tbody class=\"u1\"><tr><th scope=\"row\">",
        "<tbody class=\"u2\"><tr><th scope=\"row\">", "<tbody class=\"u3\"><tr><th scope=\"row\">"};
    enum view_rank rank = view_rank(row);
    struct bytes *to = &page->parts[rank];
    const char *doing = view_text(row, "doing"), *service = view_text(row, "service");

    if (page->counts[rank]++ >= SHOWN_MOST)
        return;
    put_in(page, to, begins[rank], view_text(row, "cert"), "");
    if (service[0] != '\0')
        put_in(page, to, "<span class=\"sub\">", service, "</span>");
    put_in(page, to, "</th><td><span class=\"state\">", view_text(row, "state"), "</span>");
    if (doing[0] != '\0')
        put_in(page, to, "<span class=\"sub\">", doing, "</span>");
    mark(page, to, "</td>");
    put_moment(page, to, view_text(row, "end"));
    put_moment(page, to, view_text(row, "renewal"));
    put_served(page, to, row);
    mark(page, to, "</tr>");
    put_why(page, to, row);
    mark(page, to, "</tbody>\n");
}

struct page *page_new(json_t *agent)
{
    struct page *page = agent == NULL ? NULL : calloc(1, sizeof *page);

    if (page == NULL) {
        json_decref(agent);
        return NULL;
    }
    page->agent = agent;
    page->now_s = clock_now_s();
    for (size_t i = 0; i < RANKS; i++)
        page->parts[i].limit = PART_MOST_BYTES;
    return page;
}

bool page_add(struct page *page, const json_t *rows)
{
    const json_t *row;
    size_t i;

    json_array_foreach (rows, i, row)
        put_row(page, row);
    return !page->is_short;
}

/* -- the frame ------------------------------------------------------------------------------------
 */

static void write_summary(const struct page *page, char to[static MOMENT_BYTES])
{
    static const char *const words[RANKS] = {"not ready", "failing", "not fresh", "fresh"};
    size_t used = 0;

    to[0] = '\0';
    for (size_t i = 0; i < RANKS; i++)
        if (page->counts[i] > 0)
            used += (size_t)snprintf(to + used, MOMENT_BYTES - used, "%s%zu %s",
                                     used == 0 ? "" : ", ", page->counts[i], words[i]);
    if (used == 0)
        snprintf(to, MOMENT_BYTES, "no certificates");
}

static void put_alerts(struct page *page, struct bytes *to)
{
    const char *away = view_text(page->agent, "ca_away_since");
    const char *why = view_text(page->agent, "ca_away_reason");
    const char *problem = view_text(page->agent, "problem");
    int64_t skew_s = view_number(page->agent, "clock_skew_s");
    char apart[DURATION_TEXT_BYTES];

    if (away[0] != '\0') {
        put_in(page, to, "<p class=\"alert\">The CA has issued no certificates since ", away, "");
        put_in(page, to, why[0] == '\0' ? "" : ": ", why, ".</p>\n");
    }
    duration_text((uint64_t)llabs(skew_s), apart);
    if (skew_s != 0)
        put_in(page, to, "<p class=\"alert\">This machine’s clock is ", apart,
               skew_s > 0 ? " behind the CA’s.</p>\n" : " ahead of the CA’s.</p>\n");
    if (problem[0] != '\0')
        put_in(page, to,
               "<p class=\"alert\">The configuration on disk was refused, the previous one stays: ",
               problem, "</p>\n");
}

static void put_head(struct page *page, struct bytes *to)
{
    char summary[MOMENT_BYTES];

    write_summary(page, summary);
    put_in(page, to,
           "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
           "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>",
           summary, " – leafd</title>\n<style>");
    mark(page, to, page_style);
    put_in(page, to, "</style>\n</head>\n<body>\n<h1>leafd</h1>\n<p class=\"sum\">", summary,
           "</p>\n");
    put_alerts(page, to);
    mark(page, to,
         "<main class=\"scroll\" tabindex=\"0\">\n<table>\n<caption>Certificates, the most urgent "
         "first; times in UTC</caption>\n<thead><tr><th scope=\"col\">Certificate</th>"
         "<th scope=\"col\">State</th><th scope=\"col\">Expires</th><th scope=\"col\">Renewal</th>"
         "<th scope=\"col\">Served</th></tr></thead>\n");
}

static void put_foot(struct page *page, struct bytes *to)
{
    char now[WHEN_TEXT_BYTES], off[MOMENT_BYTES], pid[MOMENT_BYTES];

    clock_text(page->now_s, now);
    relative(page, view_text(page->agent, "started_at"), off);
    snprintf(pid, sizeof pid, "%lld",
             (long long)json_integer_value(json_object_get(page->agent, "pid")));
    put_in(page, to, "</table>\n</main>\n<footer>\n<p>As of <time>", now,
           "</time>, times in UTC. ");
    put_in(page, to, "leafd ", view_text(page->agent, "version"), ", process ");
    put_in(page, to, "", pid, ", started ");
    put_in(page, to, "", off, ", configuration ");
    put_in(page, to, "", view_text(page->agent, "configuration"), ".</p>\n");
    mark(page, to,
         "<nav aria-label=\"More\"><p>This page refreshes itself every 30 seconds: "
         "<a href=\"/?refresh=off\">stop</a> or <a href=\"/\">go on</a>. "
         "Also here: <a href=\"/status\">status as JSON</a>, <a href=\"/readyz\">readiness</a>, "
         "<a href=\"/metrics\">metrics</a>.</p></nav>\n</footer>\n</body>\n</html>\n");
}

/* Says how many certificates of that rank are left out. */
static void put_rest(struct page *page, enum view_rank rank)
{
    char count[MOMENT_BYTES];

    if (page->counts[rank] <= SHOWN_MOST)
        return;
    snprintf(count, sizeof count, "%zu", page->counts[rank] - SHOWN_MOST);
    put_in(page, &page->parts[rank], "<tbody><tr><td colspan=\"5\">and ", count,
           " more like these; see the status as JSON</td></tr></tbody>\n");
}

struct serve_text *page_end(struct page *page)
{
    struct bytes all[RANKS + 2] = {0};
    struct serve_text *text = NULL;

    all[0].limit = all[RANKS + 1].limit = PART_MOST_BYTES;
    put_head(page, &all[0]);
    for (size_t i = 0; i < RANKS; i++) {
        put_rest(page, (enum view_rank)i);
        all[i + 1] = page->parts[i];
        page->parts[i] = (struct bytes){0};
    }
    put_foot(page, &all[RANKS + 1]);
    if (!page->is_short)
        text = serve_text_join(200, &html, all, RANKS + 2);
    for (size_t i = 0; i < RANKS + 2; i++)
        bytes_free(&all[i]);
    return text;
}

void page_free(struct page *page)
{
    if (page == NULL)
        return;
    for (size_t i = 0; i < RANKS; i++)
        bytes_free(&page->parts[i]);
    json_decref(page->agent);
    free(page);
}
