#include "app/command_line.h"

#include "app/exit_code.h"
#include "base/clock.h"
#include "base/terminal.h"
#include "base/text.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

#define FIELD(name) offsetof(struct options, name)

const struct option_form option_forms[OPTION_COUNT] = {
    [OPTION_CONFIG] = {"config", 'c', "FILE", OPTION_IS_TEXT, FIELD(file)},
    [OPTION_WAIT] = {"wait", 'w', "TIME", OPTION_IS_DURATION, FIELD(wait_s)},
    [OPTION_JSON] = {"json", '\0', NULL, OPTION_IS_TRUE, FIELD(json)},
    [OPTION_ONLINE] = {"online", '\0', NULL, OPTION_IS_TRUE, FIELD(online)},
    [OPTION_SPEND] = {"spend", '\0', NULL, OPTION_IS_TRUE, FIELD(spend)},
    [OPTION_STRICT] = {"strict", '\0', NULL, OPTION_IS_TRUE, FIELD(strict)},
    [OPTION_NO_REISSUE] = {"no-reissue", '\0', NULL, OPTION_IS_TRUE, FIELD(no_reissue)},
    [OPTION_WATCH] = {"watch", '\0', NULL, OPTION_IS_TRUE, FIELD(watch)},
    [OPTION_EVERY] = {"every", '\0', "TIME", OPTION_IS_DURATION, FIELD(every_s)},
    [OPTION_ALL] = {"all", '\0', NULL, OPTION_IS_TRUE, FIELD(all)},
    [OPTION_FOLLOW] = {"follow", 'f', NULL, OPTION_IS_TRUE, FIELD(follow)},
    [OPTION_ADDRESS] = {"address", '\0', "URL", OPTION_IS_TEXT, FIELD(address)},
    [OPTION_AUTH] = {"auth", '\0', "METHOD", OPTION_IS_TEXT, FIELD(auth)},
    [OPTION_ROLE] = {"role", '\0', "NAME", OPTION_IS_TEXT, FIELD(role)},
    [OPTION_MOUNT] = {"mount", '\0', "PATH", OPTION_IS_TEXT, FIELD(mount)},
    [OPTION_DNS_NAMES] = {"dns-names", '\0', "NAMES", OPTION_IS_TEXT, FIELD(dns_names)},
    [OPTION_DIRECTORY] = {"directory", '\0', "DIR", OPTION_IS_TEXT, FIELD(directory)},
    [OPTION_OUTPUT] = {"output", 'o', "FILE", OPTION_IS_TEXT, FIELD(output)},
    [OPTION_HELP] = {"help", 'h', NULL, OPTION_IS_TRUE, FIELD(help)},
    [OPTION_VERSION] = {"version", '\0', NULL, OPTION_IS_TRUE, FIELD(version)},
};

/* What getopt_long returns for an option: this and its id. */
enum { OPTION_BASE = 256, LETTERS_BYTES = 3 * OPTION_COUNT + 3 };

/* -- the tables -----------------------------------------------------------------------------------
 */

const struct command *command_find(const struct command *commands, const char *name)
{
    for (const struct command *at = commands; at->name != NULL; at++)
        if (strcmp(at->name, name) == 0)
            return at;
    return NULL;
}

const struct option_use *command_takes(const struct command *command, enum option_id id)
{
    for (const struct option_use *at = command->options; at != NULL && at->id != OPTION_END; at++)
        if (at->id == id)
            return at;
    return NULL;
}

/* Every command has help; the version belongs to none. */
static bool takes(const struct command *command, enum option_id id)
{
    return id == OPTION_HELP || id == OPTION_VERSION || command_takes(command, id) != NULL;
}

/* -- complaints -----------------------------------------------------------------------------------
 */

/* What is wrong with the first wrong option, before its command is known. */
struct mistake {
    enum { NO_MISTAKE, NO_SUCH_OPTION, NO_VALUE, NEEDLESS_VALUE, NO_DURATION } what;
    enum option_id id;
    char typed[64];
};

/* Printed as "leafd COMMAND ...". */
static int complain(const struct command *command, const char *text)
{
    terminal_line(stderr, "leafd%s%s%s", command == NULL ? "" : " ",
                  command == NULL ? "" : command->name, text);
    return EXIT_USAGE;
}

int command_complain_unknown(const struct command *commands, const char *typed)
{
    struct arena arena = {0};
    struct text_list names = {0};
    const char *near;

    for (const struct command *at = commands; at->name != NULL; at++)
        if (at->summary != NULL)
            text_list_add(&names, &arena, at->name, strlen(at->name));
    near = text_near(&arena, typed, names.items, names.count);
    if (near == NULL)
        terminal_line(stderr, "leafd: unknown command %s; leafd help lists all", typed);
    else
        terminal_line(stderr, "leafd: unknown command %s; did you mean %s?", typed, near);
    arena_free(&arena);
    return EXIT_USAGE;
}

/* The options of the command, or of all, that a mistyped one may mean. */
static const char *options_near(struct arena *arena, const struct command *command,
                                const char *typed)
{
    struct text_list names = {0};

    for (enum option_id id = OPTION_END + 1; id < OPTION_COUNT; id++) {
        const char *name = arena_format(arena, "--%s", option_forms[id].name);

        if (name != NULL && (command == NULL || takes(command, id)))
            text_list_add(&names, arena, name, strlen(name));
    }
    return text_near(arena, typed, names.items, names.count);
}

static int complain_of_unknown(const struct command *command, const char *typed)
{
    struct arena arena = {0};
    const char *near = options_near(&arena, command, typed);
    const char *text;

    if (near != NULL)
        text = arena_format(&arena, " has no option %s; did you mean %s?", typed, near);
    else
        text = arena_format(&arena, " has no option %s; leafd help%s%s lists all", typed,
                            command == NULL ? "" : " ", command == NULL ? "" : command->name);
    complain(command, text == NULL ? ": memory ran out" : text);
    arena_free(&arena);
    return EXIT_USAGE;
}

static int complain_of_mistake(const struct command *command, const struct mistake *mistake)
{
    const struct option_form *form = &option_forms[mistake->id];
    char text[128] = "";

    switch (mistake->what) {
    case NO_VALUE:
        snprintf(text, sizeof text, ": --%s needs a value; write --%s %s", form->name, form->name,
                 form->value);
        break;
    case NEEDLESS_VALUE:
        snprintf(text, sizeof text, ": --%s takes no value", form->name);
        break;
    case NO_DURATION:
        snprintf(text, sizeof text, ": --%s takes a duration such as 90s or 5m", form->name);
        break;
    case NO_MISTAKE:
    case NO_SUCH_OPTION:
        return complain_of_unknown(command, mistake->typed);
    }
    return complain(command, text);
}

/* Names the commands that take the option. */
static int complain_of_place(const struct command *commands, const struct command *command,
                             enum option_id id)
{
    const char *name = option_forms[id].name, *others = "";
    struct arena arena = {0};
    size_t count = 0, told = 0;

    for (const struct command *at = commands; at->name != NULL; at++)
        count += at->summary != NULL && takes(at, id);
    for (const struct command *at = commands; at->name != NULL && others != NULL; at++)
        if (at->summary != NULL && takes(at, id)) {
            told++;
            others = arena_format(&arena, "%s%sleafd %s", others,
                                  told == 1       ? ""
                                  : told == count ? " and "
                                                  : ", ",
                                  at->name);
        }
    if (others != NULL && count > 0)
        terminal_line(stderr, "leafd %s takes no --%s; %s %s", command->name, name, others,
                      count == 1 ? "does" : "do");
    else
        terminal_line(stderr, "leafd %s takes no --%s", command->name, name);
    arena_free(&arena);
    return EXIT_USAGE;
}

/* -- reading --------------------------------------------------------------------------------------
 */

/* The arguments so far: which options were given, and what is wrong with the first wrong one. */
struct reading {
    struct option long_options[OPTION_COUNT];
    char letters[LETTERS_BYTES];
    bool given[OPTION_COUNT];
    struct mistake mistake;
    struct options *options;
    int operands; /* moved to the front of argv */
};

/* In the form of getopt_long: the first operand ends the options, and a missing value is ':'. */
static void list_options(struct reading *reading)
{
    char *letter = reading->letters;

    *letter++ = '+';
    *letter++ = ':';
    for (enum option_id id = OPTION_END + 1; id < OPTION_COUNT; id++) {
        const struct option_form *form = &option_forms[id];

        reading->long_options[id - 1] =
            (struct option){form->name, form->value == NULL ? no_argument : required_argument, NULL,
                            (int)(OPTION_BASE + id)};
        if (form->letter == '\0')
            continue;
        *letter++ = form->letter;
        if (form->value != NULL)
            *letter++ = ':';
    }
    *letter = '\0';
}

/* The option of that code of getopt_long; OPTION_END if there is none. */
static enum option_id option_of(int code)
{
    for (enum option_id id = OPTION_END + 1; id < OPTION_COUNT; id++)
        if (code == (int)(OPTION_BASE + id) || (code != '\0' && code == option_forms[id].letter))
            return id;
    return OPTION_END;
}

static void note_mistake(struct reading *reading, int code, const char *typed)
{
    struct mistake *mistake = &reading->mistake;

    if (mistake->what != NO_MISTAKE)
        return;
    mistake->id = option_of(optopt);
    if (code == ':')
        mistake->what = NO_VALUE;
    else
        mistake->what = mistake->id == OPTION_END ? NO_SUCH_OPTION : NEEDLESS_VALUE;
    if (optopt != 0 && optopt < OPTION_BASE)
        snprintf(mistake->typed, sizeof mistake->typed, "-%c", optopt);
    else
        snprintf(mistake->typed, sizeof mistake->typed, "%.*s", (int)strcspn(typed, "="), typed);
}

static void take_value(struct reading *reading, enum option_id id, const char *value)
{
    const struct option_form *form = &option_forms[id];
    void *field = (char *)reading->options + form->offset;

    reading->given[id] = true;
    switch (form->kind) {
    case OPTION_IS_TRUE:
        *(bool *)field = true;
        break;
    case OPTION_IS_TEXT:
        *(const char **)field = value;
        break;
    case OPTION_IS_DURATION:
        if (!duration_parse(value, field) && reading->mistake.what == NO_MISTAKE)
            reading->mistake = (struct mistake){.what = NO_DURATION, .id = id};
        break;
    }
}

/* Takes the options, and moves the operands to the front. */
static void read_all(struct reading *reading, int argc, char **argv)
{
    bool all_operands = false;

    opterr = 0;
    while (optind < argc) {
        int before = optind;
        int code = all_operands
                       ? -1
                       : getopt_long(argc, argv, reading->letters, reading->long_options, NULL);

        if (code == '?' || code == ':') {
            note_mistake(reading, code, argv[optind - 1]);
        } else if (code != -1) {
            take_value(reading, option_of(code), optarg);
        } else if (optind > before) {
            all_operands = true; /* it was -- */
        } else {
            argv[1 + reading->operands++] = argv[optind++];
        }
    }
}

static int check_operands(const struct command *command, const struct options *options)
{
    char text[128];

    if (command->operands == OPERANDS_NONE && options->name_count > 0) {
        snprintf(text, sizeof text, " takes no names: %s", options->names[0]);
        return complain(command, text);
    }
    if ((command->operands == OPERANDS_COMMAND || command->operands == OPERANDS_TEMPLATE) &&
        options->name_count > 1) {
        snprintf(text, sizeof text, " takes one name: %s is one too many", options->names[1]);
        return complain(command, text);
    }
    if (command->needs_operand && options->name_count == 0)
        return complain(command, " needs the name of a certificate; leafd status lists them");
    return -1;
}

int command_line_read(int argc, char **argv, const struct command *commands,
                      const struct command **ret_command, struct options *options)
{
    struct reading reading = {.options = options};
    const struct command *command = NULL;

    list_options(&reading);
    read_all(&reading, argc, argv);
    if (reading.operands > 0)
        *ret_command = command = command_find(commands, argv[1]);
    if (reading.operands > 0)
        options->names = (const char *const *)(argv + 2);
    options->name_count = reading.operands > 0 ? (size_t)reading.operands - 1 : 0;
    if (reading.mistake.what != NO_MISTAKE)
        return complain_of_mistake(command, &reading.mistake);
    if (reading.operands > 0 && command == NULL)
        return command_complain_unknown(commands, argv[1]);
    if (options->help || options->version)
        return -1;
    if (command == NULL) {
        terminal_line(stderr, "leafd: name a command; leafd help lists all");
        return EXIT_USAGE;
    }
    for (enum option_id id = OPTION_END + 1; id < OPTION_COUNT; id++)
        if (reading.given[id] && !takes(command, id))
            return complain_of_place(commands, command, id);
    return check_operands(command, options);
}
