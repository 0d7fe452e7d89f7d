#include "config/config_reload.h"

#include "base/trust_process.h"
#include "config/config_owner.h"
#include "config/config_target.h"
#include "config/config_words.h"

#include <signal.h>
#include <string.h>
#include <sys/un.h>

enum { UNIT_NAME_MOST_BYTES = 255 };

static int signal_number(const char *name)
{
    for (int number = 1; number < NSIG; number++) {
        const char *known = sigabbrev_np(number);

        if (known != NULL && strcmp(known, name) == 0)
            return number;
    }
    return 0;
}

#define SIGNAL_FORMS "is not signal SIGNAL pidfile PATH or signal SIGNAL process NAME [user NAME]"

static const char *take_process(struct config_scope *scope, const struct text_list *words,
                                struct reload_action *action)
{
    action->verb = RELOAD_SIGNAL_PROCESS;
    if (strcmp(words->items[2], "process") != 0)
        return SIGNAL_FORMS;
    if (strlen(words->items[3]) > PROCESS_NAME_MOST_BYTES)
        return "has a process name of more than the 15 bytes that the kernel keeps";
    if (words->count == 4)
        return NULL;
    if (words->count != 6 || strcmp(words->items[4], "user") != 0)
        return SIGNAL_FORMS;
    return config_user(scope, words->items[5], &action->user);
}

static const char *take_signal(struct config_scope *scope, const struct text_list *words,
                               struct reload_action *action)
{
    const char *name;

    if (words->count < 4)
        return SIGNAL_FORMS;
    name = text_starts(words->items[1], "SIG");
    action->signal = signal_number(name == NULL ? words->items[1] : name);
    if (action->signal == 0)
        return "names no signal; write for example HUP or USR1";
    if (action->signal == SIGKILL || action->signal == SIGSTOP)
        return "names a signal that no program can answer by reloading";
    action->target = words->items[3];
    if (strcmp(words->items[2], "pidfile") != 0)
        return take_process(scope, words, action);
    action->verb = RELOAD_SIGNAL_PIDFILE;
    if (words->count != 4)
        return SIGNAL_FORMS;
    return words->items[3][0] == '/' ? NULL : "has a pidfile without an absolute path";
}

/* What a unit's name may hold: systemd.unit(5). */
#define UNIT_CHARACTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:-_.\\@"

static const char *take_unit(const struct text_list *words, struct reload_action *action)
{
    static const char suffix[] = ".service";
    const char *name;
    size_t length;

    if (words->count != 2)
        return "is not unit NAME.service";
    name = words->items[1];
    length = strlen(name);
    if (length < sizeof suffix || strcmp(name + length - strlen(suffix), suffix) != 0)
        return "names a unit that is no service; write for example unit nginx.service";
    if (length > UNIT_NAME_MOST_BYTES || name[strspn(name, UNIT_CHARACTERS)] != '\0')
        return "has a unit's name that systemd would not take";
    action->verb = RELOAD_UNIT;
    action->target = name;
    return NULL;
}

static bool has_control(const char *text)
{
    for (; *text != '\0'; text++)
        if ((unsigned char)*text < ' ' || *text == 0x7f)
            return true;
    return false;
}

/* How many blanks and semicolons, which end a word or an order at HAProxy's socket. */
static size_t count_ends(const char *text)
{
    size_t count = 0;

    while ((text = strpbrk(text, " \t;")) != NULL) {
        text++;
        count++;
    }
    return count;
}

/* Whether an expansion made more words or orders of what is sent than were written. */
static const char *check_expanded(struct config_scope *scope, const char *value,
                                  const struct text_list *words)
{
    struct text_list raw = {0};
    const char *why = words_split_raw(scope, value, &raw);

    for (size_t i = 2; why == NULL && i < raw.count; i++)
        if (count_ends(words->items[i]) > count_ends(raw.items[i]))
            why = "has a ${...} that stands for a text with a blank or ; in it, and would send "
                  "another word or order; let it stand for one word";
    return why;
}

/* The words of the text are joined by single blanks: one line, in which nothing expanded may begin
 * another. */
static const char *take_socket(struct config_scope *scope, const char *value,
                               const struct text_list *words, struct reload_action *action)
{
    size_t first = words->count > 3 && strcmp(words->items[2], "user") == 0 ? 4 : 2;
    size_t count = words->count;
    const char *line = "", *why;

    if (count > 3 && strcmp(words->items[count - 2], "<<") == 0) {
        action->payload = words->items[count - 1];
        count -= 2;
    }
    if (count <= first)
        return "is not socket PATH [user NAME] TEXT... [<< NAME]";
    if (words->items[1][0] != '/')
        return "has a socket without an absolute path";
    if (strlen(words->items[1]) >= sizeof((struct sockaddr_un *)0)->sun_path)
        return "has a socket whose path is longer than the kernel takes, 107 bytes";
    if (first == 4 && (why = config_user(scope, words->items[3], &action->user)) != NULL)
        return why;
    for (size_t i = first; i < count; i++) {
        if (strcmp(words->items[i], "<<") == 0)
            return "has << in another place than before the last word, the name of a file";
        if (has_control(words->items[i]))
            return "has a line break or another control character in the text to send";
        line = arena_format(scope->arena, "%s%s%s", line, i > first ? " " : "", words->items[i]);
        if (line == NULL)
            return config_no_memory;
    }
    action->verb = RELOAD_SOCKET;
    action->target = words->items[1];
    action->line = line;
    return check_expanded(scope, value, words);
}

static const char *take_http(struct config_scope *scope, const struct text_list *words,
                             struct reload_action *action)
{
    static const char *const methods[] = {"GET", "POST", "PUT", "PATCH", "DELETE"};

    if (words->count != 3)
        return "is not http METHOD URL";
    action->verb = RELOAD_HTTP;
    for (size_t i = 0; i < sizeof methods / sizeof *methods && action->method == NULL; i++)
        if (strcmp(words->items[1], methods[i]) == 0)
            action->method = methods[i];
    if (action->method == NULL)
        return "has a method that is none of GET, POST, PUT, PATCH and DELETE";
    return target_parse_url(scope, words->items[2], &action->http);
}

const char *parse_reload(struct config_scope *scope, const char *value, void *field)
{
    struct reload_list *list = field;
    struct text_list words = {0};
    struct reload_action action = {.user = -1}, *added;
    const char *why = words_split(scope, value, &words);

    if (why != NULL)
        return why;
    if (words.count == 0)
        return "has no value";
    if (strcmp(words.items[0], "none") == 0 && words.count == 1) {
        action.verb = RELOAD_NONE;
    } else if (strcmp(words.items[0], "signal") == 0) {
        why = take_signal(scope, &words, &action);
    } else if (strcmp(words.items[0], "exec") == 0) {
        action.verb = RELOAD_EXEC;
        why = words_argv(scope, &words, &action.argv);
    } else if (strcmp(words.items[0], "unit") == 0) {
        why = take_unit(&words, &action);
    } else if (strcmp(words.items[0], "socket") == 0) {
        why = take_socket(scope, value, &words, &action);
    } else if (strcmp(words.items[0], "http") == 0) {
        why = take_http(scope, &words, &action);
    } else {
        why = "is not none, signal ..., unit ..., socket ..., exec ... or http ...";
    }
    if (why != NULL)
        return why;
    added = arena_append(scope->arena, &list->items, &list->count, sizeof action);
    if (added == NULL)
        return config_no_memory;
    *added = action;
    return NULL;
}
