/*
 * main - options, subcommands, exit codes
 *
 * It finds the command, reads its options, loads the configuration, and calls the command's
 * function in app/.
 */
#include "app/agent_commands.h"
#include "app/ask.h"
#include "app/check.h"
#include "app/configuration.h"
#include "app/daemon.h"
#include "app/harden.h"
#include "app/once.h"
#include "base/err.h"
#include "base/keeper.h"
#include "base/log.h"
#include "base/terminal.h"
#include "http/curl_library.h"
#include "http/http_loop.h"

#include <getopt.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define CONFIGURATION_FILE LEAFD_CONFIGURATION_DIRECTORY "/leafd.ini"

struct options {
    const char *file;
    const char *const *names;
    size_t name_count;
    uint64_t wait_s;
    bool json, online, no_reissue, spend;
};

enum option_code {
    OPTION_JSON = 256,
    OPTION_ONLINE,
    OPTION_NO_REISSUE,
    OPTION_SPEND,
    OPTION_HELP,
    OPTION_VERSION
};

static const struct option long_options[] = {
    {"config", required_argument, NULL, 'c'},
    {"wait", required_argument, NULL, 'w'},
    {"json", no_argument, NULL, OPTION_JSON},
    {"online", no_argument, NULL, OPTION_ONLINE},
    {"no-reissue", no_argument, NULL, OPTION_NO_REISSUE},
    {"spend", no_argument, NULL, OPTION_SPEND},
    {"help", no_argument, NULL, OPTION_HELP},
    {"version", no_argument, NULL, OPTION_VERSION},
    {NULL, 0, NULL, 0},
};

static const char usage[] =
    "leafd keeps short-lived certificates from Vault or OpenBao fresh on disk.\n"
    "\n"
    "  leafd run                        keep all certificates fresh until SIGTERM\n"
    "  leafd once [-w TIME] [CERT...]   issue what is missing or due, reload, exit\n"
    "  leafd check [--online [--spend]]\n"
    "                                   check the configuration, and what the CA would refuse\n"
    "  leafd status [--json] [CERT...]  show what is on disk and what failed\n"
    "  leafd ready [-w TIME]            exit 0 if every certificate is usable, for probes\n"
    "  leafd reload [-w TIME]           make the running agent read its configuration, and\n"
    "                                   show the result\n"
    "  leafd revoke [--no-reissue] CERT...\n"
    "                                   revoke, then issue a replacement\n"
    "\n"
    "  -c, --config FILE   configuration [" CONFIGURATION_FILE "]\n"
    "  -w, --wait TIME     once: retry failures for so long, such as 90s or 5m; ready, reload:\n"
    "                      wait so long\n"
    "      --help          show this\n"
    "      --version       show the version\n"
    "\n"
    "Exit codes: 0 fine, 1 worth retrying, 2 usage or configuration, 3 refused or denied,\n"
    "4 not for this user to read.\n"
    "See leafd(8), leafd.ini(5), leafd-templates(7).\n";

/* -- the commands ---------------------------------------------------------------------------------
 */

/* Takes the reference of the configuration; returns the exit code. */
typedef int command_run(struct config *config, const struct options *options);

/* Prepares the process for secrets and for requests to the CA. */
static bool prepare(const struct config *config, struct err *err)
{
    return curl_library_open(err) && http_library_open(err) && harden_enter(config, err);
}

static int fail(struct config *config, const struct err *err)
{
    terminal_line(stderr, "leafd: %s", err->text);
    config_unref(config);
    return EXIT_RETRY;
}

static int run_daemon(struct config *config, const struct options *options)
{
    struct err err;

    log_setup(config->agent.log_format, config->agent.log_level);
    return prepare(config, &err) ? daemon_run(config, options->file) : fail(config, &err);
}

static int run_once(struct config *config, const struct options *options)
{
    struct err err;

    log_setup(config->agent.log_format, config->agent.log_level);
    return prepare(config, &err)
               ? once_run(config, options->names, options->name_count, options->wait_s)
               : fail(config, &err);
}

static int run_check(struct config *config, const struct options *options)
{
    int code = check_print(config, options->online) ? EXIT_FINE : EXIT_RETRY;
    struct err err;

    if (options->online) {
        log_setup(LOG_FORMAT_TEXT, LOG_LEVEL_ERR);
        if (!prepare(config, &err))
            return fail(config, &err);
        code = exit_code_worse(code, check_online(config, options->spend));
    }
    config_unref(config);
    return code;
}

static int run_revoke(struct config *config, const struct options *options)
{
    struct err err;
    int code;

    log_setup(LOG_FORMAT_TEXT, LOG_LEVEL_NOTICE);
    if (!prepare(config, &err))
        return fail(config, &err);
    code = ask_revoke(config, options->names, options->name_count, !options->no_reissue);
    config_unref(config);
    return code;
}

/* These find the agent by the name of the configuration, which may be what is wrong. */

static int run_reload(const struct options *options)
{
    harden_relax();
    return reload_command(options->file, options->wait_s);
}

static int run_status(const struct options *options)
{
    harden_relax();
    return status_command(options->file, options->names, options->name_count, options->json);
}

static int run_ready(const struct options *options)
{
    harden_relax();
    return ready_command(options->file, options->wait_s);
}

static const struct command {
    const char *name;
    command_run *run;
    const char *options; /* the accepted options beside -c, by their first letters */
    bool takes_names, needs_names;
    int (*run_alone)(const struct options
                         *options); /* used instead of `run`, without reading the configuration */
} commands[] = {
    {"run", run_daemon, "", false, false, NULL},    {"once", run_once, "w", true, false, NULL},
    {"check", run_check, "os", false, false, NULL}, {"status", NULL, "j", true, false, run_status},
    {"ready", NULL, "w", false, false, run_ready},  {"reload", NULL, "w", false, false, run_reload},
    {"revoke", run_revoke, "n", true, true, NULL},
};

/* -- reading the command line ---------------------------------------------------------------------
 */

static int complain(const char *what, const char *which)
{
    terminal_line(stderr, "leafd: %s%s%s; leafd --help lists commands and options", what,
                  which == NULL ? "" : " ", which == NULL ? "" : which);
    return EXIT_USAGE;
}

static const struct command *find_command(const char *name)
{
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}

/* Handles an option; returns the exit code if the program ends here, else -1. */
static int take_option(const struct command *command, int option, struct options *options)
{
    static const struct letter {
        int option;
        char letter;
    } letters[] = {{'w', 'w'},
                   {OPTION_JSON, 'j'},
                   {OPTION_ONLINE, 'o'},
                   {OPTION_NO_REISSUE, 'n'},
                   {OPTION_SPEND, 's'}};

    for (size_t i = 0; i < sizeof letters / sizeof *letters; i++)
        if (option == letters[i].option && strchr(command->options, letters[i].letter) == NULL)
            return complain("that option does not belong to", command->name);
    switch (option) {
    case 'c':
        options->file = optarg;
        return -1;
    case 'w':
        return duration_parse(optarg, &options->wait_s)
                   ? -1
                   : complain("--wait takes a duration such as 90s or 5m", NULL);
    case OPTION_JSON:
        options->json = true;
        return -1;
    case OPTION_ONLINE:
        options->online = true;
        return -1;
    case OPTION_SPEND:
        options->spend = true;
        return -1;
    case OPTION_NO_REISSUE:
        options->no_reissue = true;
        return -1;
    case OPTION_HELP:
        fputs(usage, stdout);
        return EXIT_FINE;
    case OPTION_VERSION:
        terminal_line(stdout, "leafd " LEAFD_VERSION);
        return EXIT_FINE;
    default:
        return complain("that option is not known, or its value is missing", NULL);
    }
}

static int check_names(const struct command *command, const struct config *config,
                       const struct options *options)
{
    if (command->needs_names && options->name_count == 0)
        return complain("name at least one certificate for", command->name);
    for (size_t i = 0; i < options->name_count; i++)
        if (config_cert(config, options->names[i]) == NULL)
            return complain("the configuration has no section of the name", options->names[i]);
    return -1;
}

/* How many seconds a command waits for the token that ${k8s...} needs. */
static uint64_t patience_of(const struct command *command, const struct options *options)
{
    return command->run == run_daemon ? UINT64_MAX : options->wait_s;
}

static int load_and_run(const struct command *command, const struct options *options)
{
    struct config_problems problems = {0};
    bool told_to_end = false;
    struct config *config;
    int code;

    if (command->run == run_check && !options->online)
        harden_relax();
    else
        curl_library_begin();
    config =
        configuration_await(options->file, patience_of(command, options), &problems, &told_to_end);
    code = problems.awaits_token ? EXIT_RETRY : EXIT_USAGE;

    if (told_to_end) {
        code = command->run == run_daemon ? EXIT_FINE : EXIT_RETRY;
    } else if (config == NULL) {
        config_problems_print(&problems, stderr);
    } else {
        code = check_names(command, config, options);
        if (code >= 0)
            config_unref(config);
        else
            code = command->run(config, options);
    }
    config_problems_free(&problems);
    curl_library_end();
    return code;
}

int main(int argc, char **argv)
{
    struct options options = {.file = CONFIGURATION_FILE};
    const struct command *command;
    int option, code;

    if (keeper_is_wanted(argc, argv))
        return keeper_run(argv);
    harden_begin();
    /* One heap for all threads: a second one costs more time and memory than it saves for threads
     * that wait for the CA and the disk. */
    mallopt(M_ARENA_MAX, 1);
    if (!shortage_watch_libraries())
        return complain("OpenSSL was used before it was set up", NULL);
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc < 2)
        return complain("name a command", NULL);
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "--version") == 0)
        return take_option(&commands[0], argv[1][2] == 'h' ? OPTION_HELP : OPTION_VERSION,
                           &options);
    command = find_command(argv[1]);
    if (command == NULL)
        return complain("unknown command", argv[1]);
    optind = 2;
    opterr = 0;
    while ((option = getopt_long(argc, argv, "c:w:", long_options, NULL)) != -1) {
        code = take_option(command, option, &options);
        if (code >= 0)
            return code;
    }
    options.names = (const char *const *)(argv + optind);
    options.name_count = (size_t)(argc - optind);
    if (!command->takes_names && options.name_count > 0)
        return complain("takes no names:", command->name);
    return command->run_alone == NULL ? load_and_run(command, &options)
                                      : command->run_alone(&options);
}
