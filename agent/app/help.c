#include "app/help.h"

#include "base/terminal.h"

#include <stdio.h>
#include <string.h>

enum { NAME_WIDTH = 10, OPTION_WIDTH = 24 };

/* Prints each line of `text` behind `indent` blanks; the first one behind `head`. */
static void print_lines(const char *head, int indent, const char *text)
{
    for (const char *end; *text != '\0'; text = *end == '\0' ? end : end + 1) {
        end = text + strcspn(text, "\n");
        terminal_line(stdout, "%-*s%.*s", indent, head, (int)(end - text), text);
        head = "";
    }
}

static void print_option(enum option_id id, const char *help)
{
    const struct option_form *form = &option_forms[id];
    char letter[] = {'-', form->letter, ',', ' ', '\0'};
    char head[64];

    snprintf(head, sizeof head, "  %s--%s%s%s", form->letter == '\0' ? "    " : letter, form->name,
             form->value == NULL ? "" : " ", form->value == NULL ? "" : form->value);
    /* A long name has a line of its own. */
    if (strlen(head) >= OPTION_WIDTH) {
        terminal_line(stdout, "%s", head);
        head[0] = '\0';
    }
    print_lines(head, OPTION_WIDTH, help);
}

static const char *operands_of(const struct command *command)
{
    switch (command->operands) {
    case OPERANDS_CERTS:
        return command->needs_operand ? " CERT..." : " [CERT...]";
    case OPERANDS_COMMAND:
        return " [COMMAND]";
    case OPERANDS_TEMPLATE:
        return " [TEMPLATE]";
    case OPERANDS_NONE:
    case OPERANDS_WORDS:
        break;
    }
    return "";
}

void help_print_all(const struct command *commands)
{
    print_lines("", 0,
                "leafd keeps short-lived certificates from Vault or OpenBao fresh on disk.\n"
                "\n"
                "usage: leafd COMMAND [OPTION...] [CERT...]\n"
                "\n");
    for (const struct command *at = commands; at->name != NULL; at++)
        if (at->summary != NULL)
            terminal_line(stdout, "  %-*s%s", NAME_WIDTH, at->name, at->summary);
    terminal_line(stdout, "%s", "");
    print_option(OPTION_CONFIG, "configuration [" CONFIGURATION_FILE "]");
    print_option(OPTION_HELP, "show this, or the help of the command");
    print_option(OPTION_VERSION, "show the version");
    print_lines("", 0,
                "\n"
                "leafd help COMMAND shows the options of a command, and an example.\n"
                "\n"
                "Exit codes: 0 fine, 1 worth retrying, 2 usage or configuration, 3 refused or\n"
                "denied, 4 not for this user to read.\n"
                "See leafd(8), leafd.ini(5), leafd-templates(7).\n");
}

void help_print(const struct command *command)
{
    terminal_line(stdout, "leafd %s - %s", command->name,
                  command->summary == NULL ? "for programs" : command->summary);
    terminal_line(stdout, "%s", "");
    terminal_line(stdout, "usage: leafd %s [OPTION...]%s", command->name, operands_of(command));
    terminal_line(stdout, "%s", "");
    for (const struct option_use *at = command->options; at != NULL && at->id != OPTION_END; at++)
        print_option(at->id, at->help);
    print_option(OPTION_HELP, "show this");
    if (command->about != NULL) {
        terminal_line(stdout, "%s", "");
        print_lines("", 0, command->about);
    }
    if (command->example != NULL) {
        terminal_line(stdout, "%s", "");
        terminal_line(stdout, "Example:");
        print_lines("  ", 2, command->example);
    }
    terminal_line(stdout, "%s", "");
    terminal_line(stdout, "See leafd(8).");
}
