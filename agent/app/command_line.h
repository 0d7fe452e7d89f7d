/*
 * command_line - commands and options, and how they are read from the command line
 *
 * A command is one row of a table, which app/commands.c has. Parsing, help and completions all come
 * from that table and from the one of the options here. Options may stand before the command, after
 * it, and after names; all after -- are names.
 */
#ifndef LEAFD_APP_COMMAND_LINE_H
#define LEAFD_APP_COMMAND_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONFIGURATION_FILE LEAFD_CONFIGURATION_DIRECTORY "/leafd.ini"

/* An option has one spelling and one kind of value in all commands. A new one is a line here, a
 * field below, a line in option_forms, and a line in each command that takes it. */
enum option_id {
    OPTION_END, /* ends the options of a command */
    OPTION_CONFIG,
    OPTION_WAIT,
    OPTION_JSON,
    OPTION_ONLINE,
    OPTION_SPEND,
    OPTION_STRICT,
    OPTION_NO_REISSUE,
    OPTION_WATCH,
    OPTION_EVERY,
    OPTION_ALL,
    OPTION_FOLLOW,
    OPTION_ADDRESS,
    OPTION_AUTH,
    OPTION_ROLE,
    OPTION_MOUNT,
    OPTION_DNS_NAMES,
    OPTION_DIRECTORY,
    OPTION_OUTPUT,
    OPTION_HELP,
    OPTION_VERSION,
    OPTION_COUNT
};

/* The values of all options; what was not given is as before the call. */
struct options {
    const char *file;
    const char *const *names; /* what the command works on: certificates, a command, a template */
    size_t name_count;
    uint64_t wait_s, every_s;
    bool watch, json, online, spend, strict, no_reissue, all, follow, help, version;
    const char *address, *auth, *role, *mount, *dns_names, *directory, *output; /* of init */
};

enum option_kind { OPTION_IS_TRUE, OPTION_IS_TEXT, OPTION_IS_DURATION };

struct option_form {
    const char *name;
    char letter;       /* '\0': none */
    const char *value; /* what it takes, for help; NULL: nothing */
    enum option_kind kind;
    size_t offset; /* of its field in struct options */
};

/* By enum option_id. */
extern const struct option_form option_forms[OPTION_COUNT];

/* An option of a command. */
struct option_use {
    enum option_id id;
    const char *help; /* one line; a second one begins after a \n */
};

enum operands {
    OPERANDS_NONE,
    OPERANDS_CERTS,
    OPERANDS_COMMAND,
    OPERANDS_TEMPLATE,
    OPERANDS_WORDS
};

struct command;

/* Returns the exit code. */
typedef int command_run(const struct options *options);

struct command {
    const char *name;
    const char *summary; /* one line; NULL: the command is for programs, and help omits it */
    const char *about;   /* more lines for its own help; NULL: none */
    const char *example; /* lines: a command, or a comment that begins with # */
    const struct option_use *options; /* beside --help, which all have; NULL: none */
    enum operands operands;
    bool needs_operand;
    command_run *run;
};

/* command_find - the row of that name; NULL if there is none. The table ends with {0} */
const struct command *command_find(const struct command *commands, const char *name);

/* command_takes - the command's line on an option; NULL if it does not take it */
const struct option_use *command_takes(const struct command *command, enum option_id id);

/* command_complain_unknown - prints that there is no such command, and what is near; EXIT_USAGE */
int command_complain_unknown(const struct command *commands, const char *typed);

/*
 * command_line_read - reads the arguments of the process
 *
 * -1 if the command can run. Else the exit code: the error was printed, and names the option, the
 * command, and what is near. *ret_command is NULL only with options->help or options->version. The
 * names are borrowed from `argv`, whose order changes.
 */
int command_line_read(int argc, char **argv, const struct command *commands,
                      const struct command **ret_command, struct options *options);

#endif
