#include "app/commands.h"

#include "app/act_commands.h"
#include "app/agent_commands.h"
#include "app/ask.h"
#include "app/check.h"
#include "app/check_online.h"
#include "app/complete.h"
#include "app/configuration.h"
#include "app/daemon.h"
#include "app/events_command.h"
#include "app/exit_code.h"
#include "app/findings.h"
#include "app/harden.h"
#include "app/help.h"
#include "app/init.h"
#include "app/once.h"
#include "app/status_command.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "base/terminal.h"
#include "base/text.h"
#include "http/curl_library.h"
#include "http/http_loop.h"

#include <stdio.h>
#include <string.h>

/* -- commands with a configuration ----------------------------------------------------------------
 */

/* Takes the reference of the configuration; returns the exit code. */
typedef int run_configured(struct config *config, const struct options *options);

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

static int complain_of_name(const struct config *config, const char *name)
{
    struct arena arena = {0};
    struct text_list names = {0};
    const char *near;

    for (size_t i = 0; i < config->cert_count; i++)
        text_list_add(&names, &arena, config->certs[i].name, strlen(config->certs[i].name));
    near = text_near(&arena, name, names.items, names.count);
    terminal_line(stderr, "leafd: the configuration has no section of the name %s%s%s%s", name,
                  near == NULL ? "" : "; did you mean ", near == NULL ? "" : near,
                  near == NULL ? "" : "?");
    arena_free(&arena);
    return EXIT_USAGE;
}

/* Whether the configuration has all named certificates; the first other one is printed. */
static bool has_names(const struct config *config, const struct options *options)
{
    for (size_t i = 0; i < options->name_count; i++)
        if (config_cert(config, options->names[i]) == NULL)
            return complain_of_name(config, options->names[i]) == EXIT_FINE;
    return true;
}

/* Loads the configuration and runs the function with it; waits up to `patience_s` seconds for the
 * token that ${k8s...} needs. `ended` is the exit code if SIGTERM came meanwhile. */
static int with_configuration(const struct options *options, run_configured *run,
                              uint64_t patience_s, int ended)
{
    struct config_problems problems = {0};
    bool told_to_end = false;
    struct config *config;
    int code;

    config = configuration_await(options->file, patience_s, &problems, &told_to_end);
    if (told_to_end) {
        code = ended;
    } else if (config == NULL) {
        config_problems_print(&problems, stderr);
        code = problems.awaits_token ? EXIT_RETRY : EXIT_USAGE;
    } else if (!has_names(config, options)) {
        config_unref(config);
        code = EXIT_USAGE;
    } else {
        code = run(config, options);
    }
    config_problems_free(&problems);
    return code;
}

/* The same for a command that may ask the CA. */
static int with_ca(const struct options *options, run_configured *run, uint64_t patience_s,
                   int ended)
{
    int code;

    curl_library_begin();
    code = with_configuration(options, run, patience_s, ended);
    curl_library_end();
    return code;
}

static int keep_fresh(struct config *config, const struct options *options)
{
    struct err err;

    log_setup(config->agent.log_format, config->agent.log_level);
    return prepare(config, &err) ? daemon_run(config, options->file) : fail(config, &err);
}

static int run_daemon(const struct options *options)
{
    return with_ca(options, keep_fresh, UINT64_MAX, EXIT_FINE);
}

static int issue_once(struct config *config, const struct options *options)
{
    struct err err;

    log_setup(config->agent.log_format, config->agent.log_level);
    return prepare(config, &err)
               ? once_run(config, options->names, options->name_count, options->wait_s)
               : fail(config, &err);
}

static int run_once(const struct options *options)
{
    return with_ca(options, issue_once, options->wait_s, EXIT_RETRY);
}

/* Its errors are findings, so it loads the configuration itself. */
static int check_all(const struct options *options, struct findings *findings)
{
    CLEANUP(config_problems_free) struct config_problems problems = {0};
    bool told_to_end = false;
    struct config *config = configuration_await(options->file, 0, &problems, &told_to_end);
    struct err err;
    int code;

    if (config == NULL) {
        findings_add_problems(findings, &problems);
        return problems.awaits_token || told_to_end ? EXIT_RETRY : EXIT_USAGE;
    }
    code = check_configuration(findings, config, options->online) ? EXIT_FINE : EXIT_RETRY;
    if (options->online) {
        log_setup(LOG_FORMAT_TEXT, LOG_LEVEL_ERR);
        if (!prepare(config, &err))
            return fail(config, &err);
        code = exit_code_worse(code, check_online(findings, config, options->spend));
    }
    config_unref(config);
    return code;
}

static int run_check(const struct options *options)
{
    struct findings findings = {.is_json = options->json, .is_strict = options->strict};
    int code;

    if (options->online)
        curl_library_begin();
    else
        harden_relax();
    code = findings_end(&findings, options->file, check_all(options, &findings));
    if (options->online)
        curl_library_end();
    return code;
}

static int revoke_all(struct config *config, const struct options *options)
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

/* The agent does it, with its session; without one, this process logs in. */
static int run_revoke(const struct options *options)
{
    int code =
        revoke_command(options->file, options->names, options->name_count, options->no_reissue);

    return code >= 0 ? code : with_ca(options, revoke_all, 0, EXIT_RETRY);
}

/* -- commands without -----------------------------------------------------------------------------
 *
 * Some find the agent by the name of the configuration, which may be what is wrong.
 */

static int run_status(const struct options *options)
{
    harden_relax();
    return status_command(&(struct status_order){.file = options->file,
                                                 .names = options->names,
                                                 .count = options->name_count,
                                                 .json = options->json,
                                                 .watch = options->watch || options->every_s > 0,
                                                 .every_s = options->every_s});
}

static int run_ready(const struct options *options)
{
    harden_relax();
    return ready_command(options->file, options->wait_s);
}

static int run_reload(const struct options *options)
{
    harden_relax();
    return reload_command(options->file, options->wait_s);
}

static int run_renew(const struct options *options)
{
    harden_relax();
    if (options->all == (options->name_count > 0)) {
        terminal_line(stderr, "leafd renew needs the names of certificates, or --all");
        return EXIT_USAGE;
    }
    return renew_command(options->file, options->names, options->name_count, options->wait_s);
}

static int run_retry(const struct options *options)
{
    harden_relax();
    return retry_command(options->file, options->names, options->name_count, options->wait_s);
}

static int run_events(const struct options *options)
{
    const struct events_wish wish = {options->names, options->name_count, options->follow,
                                     options->json};

    harden_relax();
    return events_command(options->file, &wish);
}

static int run_init(const struct options *options)
{
    harden_relax();
    return init_command(options);
}

static int run_help(const struct options *options)
{
    const struct command *command;

    if (options->name_count == 0) {
        help_print_all(commands);
        return EXIT_FINE;
    }
    command = command_find(commands, options->names[0]);
    if (command == NULL)
        return command_complain_unknown(commands, options->names[0]);
    help_print(command);
    return EXIT_FINE;
}

static int run_complete(const struct options *options)
{
    harden_relax();
    complete_print(commands, options->names, options->name_count);
    return EXIT_FINE;
}

/* -- the table ------------------------------------------------------------------------------------
 */

#define OPTIONS(...) ((const struct option_use[]){__VA_ARGS__, {OPTION_END, NULL}})
#define CONFIG                                                                                     \
    {                                                                                              \
        OPTION_CONFIG, "configuration [" CONFIGURATION_FILE "]"                                    \
    }

/* clang-format off */
const struct command commands[] = {
    {
        .name = "run",
        .summary = "keep all certificates fresh until SIGTERM",
        .about = "The daemon, for a service manager or a container. SIGHUP makes it read its\n"
                 "configuration again.",
        .example = "leafd run --config /etc/leafd/leafd.ini",
        .options = OPTIONS(CONFIG),
        .run = run_daemon,
    },
    {
        .name = "once",
        .summary = "issue what is missing or due, reload the consumers, exit",
        .about = "For init containers and timers. A certificate that is fresh is left as it is.",
        .example = "# try for two minutes, and only the certificate web\n"
                   "leafd once --wait 2m web",
        .options = OPTIONS(CONFIG, {OPTION_WAIT, "retry failures for so long, such as 90s or 5m"}),
        .operands = OPERANDS_CERTS,
        .run = run_once,
    },
    {
        .name = "check",
        .summary = "check the configuration, and what the CA would refuse",
        .about = "Prints every error of the configuration, and warnings on what works but is\n"
                 "unwise. leafd.ini(5) explains each by its id, and ignore = ID silences it.",
        .example = "# before an agent is started for the first time\n"
                   "leafd check --online\n"
                   "# in a pipeline\n"
                   "leafd check --strict --json --config leafd.ini",
        .options = OPTIONS(CONFIG,
                           {OPTION_ONLINE, "also log in and compare each section with its role"},
                           {OPTION_SPEND, "with --online: log in also where that uses up a\n"
                                          "credential, such as a secret id"},
                           {OPTION_STRICT, "warnings are errors: exit with 2"},
                           {OPTION_JSON, "print JSON, for pipelines"}),
        .run = run_check,
    },
    {
        .name = "status",
        .summary = "show each certificate, and what failed",
        .about = "Asks the running agent; if none answers, reads the disk. Shows a table, the most\n"
                 "urgent first; of certificates that are named everything, with their history.\n"
                 "The exit code is 0 if all are fresh.",
        .example = "# everything about one\n"
                   "leafd status web",
        .options = OPTIONS(CONFIG, {OPTION_JSON, "print JSON, for programs"},
                           {OPTION_WATCH, "show it again and again"},
                           {OPTION_EVERY, "as --watch, after so long [2s]"}),
        .operands = OPERANDS_CERTS,
        .run = run_status,
    },
    {
        .name = "ready",
        .summary = "exit 0 if every certificate is usable, for probes",
        .about = "Prints nothing but the reason why not.",
        .example = "# order a service after its certificates\n"
                   "leafd ready --wait 5m && exec nginx",
        .options = OPTIONS(CONFIG, {OPTION_WAIT, "wait so long until it is 0"}),
        .run = run_ready,
    },
    {
        .name = "reload",
        .summary = "make the running agent read its configuration",
        .about = "Waits until the agent uses it, or prints what is wrong with it: then the agent\n"
                 "keeps the previous one.",
        .example = "leafd reload",
        .options = OPTIONS(CONFIG, {OPTION_WAIT, "wait so long for the agent [1m]"}),
        .run = run_reload,
    },
    {
        .name = "renew",
        .summary = "have the running agent issue certificates now",
        .about = "Also certificates that are not due. Shows the outcome of each. The agent goes on\n"
                 "if this command is interrupted.",
        .example = "# after a change at the CA\n"
                   "leafd renew --all --wait 10m",
        .options = OPTIONS(CONFIG, {OPTION_ALL, "all certificates of the configuration"},
                           {OPTION_WAIT, "wait so long for the outcomes [5m without any]"}),
        .operands = OPERANDS_CERTS,
        .run = run_renew,
    },
    {
        .name = "retry",
        .summary = "have the running agent retry what failed, at once",
        .about = "Logins, issuances, reloads and proofs that wait after a failure. Issues nothing\n"
                 "that is not wanted.",
        .example = "# the CA's policy was repaired\n"
                   "leafd retry",
        .options = OPTIONS(CONFIG, {OPTION_WAIT, "wait so long for the outcomes [5m without any]"}),
        .operands = OPERANDS_CERTS,
        .run = run_retry,
    },
    {
        .name = "events",
        .summary = "show the last events of the running agent",
        .about = "Of the named certificates, or of all. With --follow also those that come, until\n"
                 "it is interrupted.",
        .example = "leafd events --follow web",
        .options = OPTIONS(CONFIG, {OPTION_FOLLOW, "go on with new events"},
                           {OPTION_JSON, "print JSON, one object in each line"}),
        .operands = OPERANDS_CERTS,
        .run = run_events,
    },
    {
        .name = "revoke",
        .summary = "revoke certificates, and issue replacements",
        .about = "Revokes the published certificate of each section at the CA. The running agent\n"
                 "does it, or else this command.",
        .example = "# its key was seen by others\n"
                   "leafd revoke web",
        .options = OPTIONS(CONFIG, {OPTION_NO_REISSUE, "issue no replacement until one is asked for"}),
        .operands = OPERANDS_CERTS,
        .needs_operand = true,
        .run = run_revoke,
    },
    {
        .name = "init",
        .summary = "write a first configuration, and the commands for the CA",
        .about = "Asks on a terminal for what is not given. The commands set up role, policy and\n"
                 "login at Vault or OpenBao: run them as an administrator. They are printed to\n"
                 "standard output with --output, else to standard error.",
        .example = "# nginx on this machine, with the address in VAULT_ADDR\n"
                   "leafd init nginx --dns-names www.example.com --output leafd.ini",
        .options = OPTIONS({OPTION_ADDRESS, "of the CA [VAULT_ADDR]"},
                           {OPTION_AUTH, "kubernetes, jwt, approle, cert or token [approle]"},
                           {OPTION_ROLE, "the name for PKI role, policy, login and section [web]"},
                           {OPTION_MOUNT, "of the PKI engine [pki]"},
                           {OPTION_DNS_NAMES, "of the certificate, with commas between"},
                           {OPTION_DIRECTORY, "for the files [/var/lib/leafd/NAME]"},
                           {OPTION_OUTPUT, "write the configuration there; it must not exist"}),
        .operands = OPERANDS_TEMPLATE,
        .run = run_init,
    },
    {
        .name = "help",
        .summary = "show all commands, or the options of one",
        .example = "leafd help once",
        .operands = OPERANDS_COMMAND,
        .run = run_help,
    },
    {
        .name = "complete",
        .about = "Prints the completions of the last WORD of a command line, for the shells.",
        .example = "leafd complete -- status --j",
        .operands = OPERANDS_WORDS,
        .run = run_complete,
    },
    {.name = NULL},
};
/* clang-format on */
