#include "config/config_orders.h"

#include "base/cleanup.h"
#include "base/json.h"
#include "base/text.h"
#include "base/trust_process.h"
#include "config/config_target.h"

#include <arpa/inet.h>
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

/* -- owners ---------------------------------------------------------------------------------------
 */

enum { ROOM_LEAST_BYTES = 4096, ROOM_MOST_BYTES = 4 << 20 };

enum account { A_USER, A_GROUP };

/* 0, or an errno: ENOENT if the name does not exist. */
static int look_up_within(enum account kind, const char *name, char *room, size_t room_bytes,
                          int64_t *ret_number)
{
    struct passwd user, *found_user = NULL;
    struct group group, *found_group = NULL;
    int r = kind == A_USER ? getpwnam_r(name, &user, room, room_bytes, &found_user)
                           : getgrnam_r(name, &group, room, room_bytes, &found_group);

    if (found_user != NULL)
        *ret_number = found_user->pw_uid;
    else if (found_group != NULL)
        *ret_number = found_group->gr_gid;
    else
        r = r == 0 ? ENOENT : r;
    return r;
}

/* The buffer must also hold all members of a group, so it grows until the result fits. */
static int look_up(enum account kind, const char *name, int64_t *ret_number)
{
    int r = ERANGE;

    for (size_t bytes = ROOM_LEAST_BYTES; r == ERANGE && bytes <= ROOM_MOST_BYTES; bytes *= 2) {
        char *room = malloc(bytes);

        r = room == NULL ? ENOMEM : look_up_within(kind, name, room, bytes, ret_number);
        free(room);
    }
    return r;
}

static const char *number_of(struct config_scope *scope, enum account kind, const char *what,
                             const char *name, int64_t *ret_number)
{
    const char *why;
    uint64_t number;
    int r;

    if (text_number(name, UINT32_MAX - 1, &number)) {
        *ret_number = (int64_t)number;
        return NULL;
    }
    r = look_up(kind, name, ret_number);
    if (r == 0)
        return NULL;
    /* All four mean that the name does not exist: getpwnam(3). */
    if (r == ENOENT || r == ESRCH || r == EBADF || r == EPERM)
        why = arena_format(scope->arena, "names %s that this machine does not know", what);
    else
        why = arena_format(scope->arena,
                           "names %s that cannot be looked up now: %s; a number needs no lookup",
                           what, strerrordesc_np(r));
    return why == NULL ? config_no_memory : why;
}

static const char *find_owner(struct config_scope *scope, const char *name, int64_t *ret_owner)
{
    return number_of(scope, A_USER, "an owner", name, ret_owner);
}

static const char *find_user(struct config_scope *scope, const char *name, int64_t *ret_user)
{
    return number_of(scope, A_USER, "a user", name, ret_user);
}

static const char *find_group(struct config_scope *scope, const char *name, int64_t *ret_group)
{
    return number_of(scope, A_GROUP, "a group", name, ret_group);
}

const char *parse_group(struct config_scope *scope, const char *value, void *field)
{
    return find_group(scope, value, field);
}

/* -- file, link and validate ----------------------------------------------------------------------
 */

enum { FILE_NAME_MOST_BYTES = 200 };

static const char *check_file_name(const char *name)
{
    if (name[0] == '\0' || strchr(name, '/') != NULL || text_starts(name, "..") != NULL ||
        strcmp(name, ".") == 0 || strlen(name) > FILE_NAME_MOST_BYTES)
        return "has a file name with a slash or with .. at its start; a set has no folders";
    return NULL;
}

static const char *parse_mode(const char *text, enum content content, mode_t *ret_mode)
{
    unsigned mode = 0;

    if (strlen(text) < 3 || strlen(text) > 4 || text[strspn(text, "01234567")] != '\0')
        return "has a mode that is not octal, such as 0640";
    for (; *text != '\0'; text++)
        mode = mode * 8 + (unsigned)(*text - '0');
    if ((mode & 0400) == 0 || (mode & 0111) != 0 || (mode & 022) != 0 || mode > 0777)
        return "has a mode that lets others write, lets somebody execute, or hides the file from "
               "its owner";
    if (content_holds_key(content) && (mode & 07) != 0)
        return "lets everybody read a private key; take 0600, or 0640 and a group";
    *ret_mode = mode;
    return NULL;
}

/* Reads OWNER, OWNER:GROUP or :GROUP. */
static const char *parse_ownership(struct config_scope *scope, const char *text,
                                   struct output *output)
{
    size_t length = strcspn(text, ":");
    const char *owner = arena_copy_part(scope->arena, text, length);
    const char *why = NULL;

    if (owner == NULL)
        return config_no_memory;
    if (length > 0)
        why = find_owner(scope, owner, &output->owner);
    if (why == NULL && text[length] == ':')
        why = find_group(scope, text + length + 1, &output->group);
    return why;
}

static const char *fill_output(struct config_scope *scope, const struct text_list *words,
                               struct output *output)
{
    const char *why = check_file_name(words->items[0]);
    size_t content = 0;

    while (content < CONTENT_COUNT && strcmp(words->items[1], content_words[content]) != 0)
        content++;
    if (why == NULL && content == CONTENT_COUNT)
        why = "has a content that does not exist; there are certificate, chain, fullchain, ca, "
              "key, combined, bundle, metadata, pkcs12, truststore, certificate-der, key-der, "
              "envoy-sds and envoy-sds-ca";
    if (why != NULL)
        return why;
    output->name = words->items[0];
    output->content = (enum content)content;
    output->mode = content_holds_key(output->content) ? 0600 : 0644;
    output->owner = output->group = OWNER_UNCHANGED;
    output->mode_given = words->count > 2;
    if (words->count > 2)
        why = parse_mode(words->items[2], output->content, &output->mode);
    if (why == NULL && words->count > 3)
        why = parse_ownership(scope, words->items[3], output);
    return why;
}

const char *parse_file(struct config_scope *scope, const char *value, void *field)
{
    struct output_list *list = field;
    struct text_list words = {0};
    struct output output = {0}, *added;
    const char *why = words_split(scope, value, &words);

    if (why != NULL)
        return why;
    if (words.count < 2 || words.count > 4)
        return "is not NAME CONTENT [MODE [OWNER[:GROUP]]]";
    why = fill_output(scope, &words, &output);
    if (why != NULL)
        return why;
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->items[i].name, output.name) == 0)
            return "gives a file name twice";
    added = arena_append(scope->arena, &list->items, &list->count, sizeof output);
    if (added == NULL)
        return config_no_memory;
    *added = output;
    return NULL;
}

const char *parse_link(struct config_scope *scope, const char *value, void *field)
{
    struct link_list *list = field;
    struct text_list words = {0};
    struct outside_link *link;
    const char *why = words_split(scope, value, &words);

    if (why != NULL)
        return why;
    if (words.count != 2)
        return "is not PATH NAME";
    why = check_path(words.items[0]);
    if (why != NULL)
        return why;
    link = arena_append(scope->arena, &list->items, &list->count, sizeof *link);
    if (link == NULL)
        return config_no_memory;
    *link = (struct outside_link){.path = words.items[0], .name = words.items[1]};
    return NULL;
}

const char *parse_validate(struct config_scope *scope, const char *value, void *field)
{
    struct text_list words = {0};
    const char *why = words_split(scope, value, &words);

    if (why != NULL)
        return why;
    if (words.count == 0 || strcmp(words.items[0], "exec") != 0)
        return "is not exec PROGRAM [ARGUMENT...]";
    return words_argv(scope, &words, field);
}

/* -- prove ----------------------------------------------------------------------------------------
 */

static const char *take_server_name(const char *name, const char **ret_name)
{
    struct in6_addr v6;
    struct in_addr v4;

    /* RFC 6066 section 3: SNI must not be an IP address. */
    if (inet_pton(AF_INET, name, &v4) == 1 || inet_pton(AF_INET6, name, &v6) == 1)
        return "has an address after sni, which carries DNS names only";
    if (strchr(name, '*') != NULL)
        return "has a wildcard after sni; write a name that it covers";
    if (name[0] == '\0' ||
        name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._")] !=
            '\0')
        return "has something after sni that is not a DNS name";
    *ret_name = name;
    return NULL;
}

static const char *take_starttls(const char *word, enum starttls *ret_starttls)
{
    for (unsigned i = STARTTLS_NONE + 1; i < STARTTLS_COUNT; i++) {
        if (strcmp(word, starttls_words[i]) == 0) {
            *ret_starttls = (enum starttls)i;
            return NULL;
        }
    }
    return "has a starttls that does not exist; there are postgres, mysql, smtp, imap and ldap";
}

static const char not_tls[] = "is not tls HOST:PORT [sni NAME] [starttls PROTOCOL] [mutual]";

static const char *take_tls(struct config_scope *scope, const struct text_list *words,
                            struct tls_target *tls)
{
    const char *why;

    if (words->count < 2)
        return not_tls;
    why = target_parse_address(scope, words->items[1], tls);
    for (size_t i = 2; i < words->count && why == NULL; i++) {
        if (strcmp(words->items[i], "mutual") == 0 && !tls->mutual)
            tls->mutual = true;
        else if (i + 1 == words->count)
            why = not_tls;
        else if (strcmp(words->items[i], "sni") == 0 && tls->server_name == NULL)
            why = take_server_name(words->items[++i], &tls->server_name);
        else if (strcmp(words->items[i], "starttls") == 0 && tls->starttls == STARTTLS_NONE)
            why = take_starttls(words->items[++i], &tls->starttls);
        else
            why = not_tls;
    }
    return why;
}

static const char *take_proof_url(struct config_scope *scope, const struct text_list *words,
                                  struct prove_order *order)
{
    if (words->count != 3)
        return "is not none, tls ..., exec ... or http URL JSON-PATH";
    order->json_path = words->items[2];
    if (!json_path_valid(order->json_path))
        return "has a JSON path that is not made of names, dots, [NUMBER] and [*]";
    return target_parse_url(scope, words->items[1], &order->http);
}

const char *parse_prove(struct config_scope *scope, const char *value, void *field)
{
    struct prove_order *order = field;
    struct text_list words = {0};
    const char *why = words_split(scope, value, &words);

    if (why != NULL)
        return why;
    if (words.count == 1 && strcmp(words.items[0], "none") == 0)
        return NULL;
    if (words.count > 0 && strcmp(words.items[0], "tls") == 0) {
        order->method = PROVE_TLS;
        return take_tls(scope, &words, &order->tls);
    }
    if (words.count > 0 && strcmp(words.items[0], "exec") == 0) {
        order->method = PROVE_EXEC;
        return words_argv(scope, &words, &order->argv);
    }
    if (words.count > 0 && strcmp(words.items[0], "http") == 0) {
        order->method = PROVE_HTTP;
        return take_proof_url(scope, &words, order);
    }
    return "is not none, tls ..., exec ... or http ...";
}

/* -- reload ---------------------------------------------------------------------------------------
 */

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
    return find_user(scope, words->items[5], &action->user);
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

/* Characters of unit names: systemd.unit(5). */
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
        return "has a unit name that systemd does not accept";
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

/* Counts spaces and semicolons, which end a word or a command on HAProxy's socket. */
static size_t count_ends(const char *text)
{
    size_t count = 0;

    while ((text = strpbrk(text, " \t;")) != NULL) {
        text++;
        count++;
    }
    return count;
}

/* Refuses an expansion that would add a word or a command to the line. */
static const char *check_expanded(struct config_scope *scope, const char *value,
                                  const struct text_list *words)
{
    struct text_list raw = {0};
    const char *why = words_split_raw(scope, value, &raw);

    for (size_t i = 2; why == NULL && i < raw.count; i++)
        if (count_ends(words->items[i]) > count_ends(raw.items[i]))
            why = "has a ${...} whose text contains a space or ; and would send another word or "
                  "command; it must be one word";
    return why;
}

/* Joins the words of the text with single spaces to one line. */
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
        return "has a socket path longer than 107 bytes, the limit of the kernel";
    if (first == 4 && (why = find_user(scope, words->items[3], &action->user)) != NULL)
        return why;
    for (size_t i = first; i < count; i++) {
        if (strcmp(words->items[i], "<<") == 0)
            return "has << elsewhere than before the last word, the name of a file";
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

/* -- on_event -------------------------------------------------------------------------------------
 */

enum { HOOKS_MOST = 16 };

static const char *tell_unknown_kind(struct config_scope *scope, const char *kind)
{
    const char *near = event_choice_near(scope->arena, kind);
    const char *all = event_choice_words(scope->arena);
    const char *why = NULL;

    scope->item = kind;
    if (all != NULL)
        why = arena_format(scope->arena, "is no kind of event%s%s%s; there are %s",
                           near == NULL ? "" : " (did you mean ", near == NULL ? "" : near,
                           near == NULL ? "" : "?)", all);
    return why == NULL ? config_no_memory : why;
}

/* The beginning of the word exec in the value; its end if there is none. */
static const char *find_exec(const char *value)
{
    const char *at = value;

    for (;;) {
        size_t length = strcspn(at, " \t");

        if (*at == '\0' || (length == strlen("exec") && text_starts(at, "exec") != NULL))
            return at;
        at += length;
        at += strspn(at, " \t");
    }
}

const char *parse_on_event(struct config_scope *scope, const char *value, void *field)
{
    const char *exec = find_exec(value), *kinds_text, *why;
    struct text_list kinds = {0}, words = {0};
    struct hook_list *list = field;
    struct hook hook = {0}, *added;
    bool empty;

    kinds_text = arena_copy_part(scope->arena, value, (size_t)(exec - value));
    if (kinds_text == NULL || !text_list_split(&kinds, scope->arena, kinds_text, ", \t", &empty))
        return config_no_memory;
    if (kinds.count == 0 || *exec == '\0')
        return "is not KIND[, KIND...] exec PROGRAM [ARGUMENT...]";
    if (list->count == HOOKS_MOST)
        return "is one line too many; there may be 16, and one line may name several kinds";
    for (size_t i = 0; i < kinds.count; i++)
        if (!event_choice_add(&hook.choice, kinds.items[i]))
            return tell_unknown_kind(scope, kinds.items[i]);
    why = words_split(scope, exec, &words);
    if (why == NULL)
        why = words_argv(scope, &words, &hook.argv);
    if (why != NULL)
        return why;
    added = arena_append(scope->arena, &list->items, &list->count, sizeof hook);
    if (added == NULL)
        return config_no_memory;
    *added = hook;
    return NULL;
}
