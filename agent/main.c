/*
 * main - prepares the process, and runs the command that the command line names
 */
#include "app/commands.h"
#include "app/exit_code.h"
#include "app/harden.h"
#include "app/help.h"
#include "base/err.h"
#include "base/keeper.h"
#include "base/terminal.h"

#include <malloc.h>
#include <stdio.h>

static int show_help(const struct command *command)
{
    if (command == NULL)
        help_print_all(commands);
    else
        help_print(command);
    return EXIT_FINE;
}

int main(int argc, char **argv)
{
    struct options options = {.file = CONFIGURATION_FILE};
    const struct command *command = NULL;
    int code;

    if (keeper_is_wanted(argc, argv))
        return keeper_run(argv);
    harden_begin();
    /* One heap for all threads: a second one costs more time and memory than it saves for threads
     * that wait for the CA and the disk. */
    mallopt(M_ARENA_MAX, 1);
    if (!shortage_watch_libraries()) {
        terminal_line(stderr, "leafd: OpenSSL was used before it was set up");
        return EXIT_USAGE;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    code = command_line_read(argc, argv, commands, &command, &options);
    if (code >= 0)
        return code;
    if (options.help)
        return show_help(command);
    if (options.version) {
        terminal_line(stdout, "leafd " LEAFD_VERSION);
        return EXIT_FINE;
    }
    return command->run(&options);
}
