/*
 * config_values - parsers of values
 *
 * A parser expands the text of a value, writes the result into `field` and returns NULL; or it
 * returns what is wrong, in words that follow the value, such as "is not a duration". If the text
 * has a semicolon, a remedy follows it; otherwise config_keys adds the key's example as the remedy.
 * For a key that repeats, the parser is called for each entry and appends.
 */
#ifndef LEAFD_CONFIG_CONFIG_VALUES_H
#define LEAFD_CONFIG_CONFIG_VALUES_H

#include "base/text.h"
#include "config/config_expand.h"

typedef const char *config_parser(struct config_scope *scope, const char *value, void *field);

/* What parsers return if memory ran out. */
extern const char *const config_no_memory;

/* parse_text - `const char *`: any text that is not empty */
config_parser parse_text;

/* parse_path - `const char *`: an absolute path without . and .. parts */
config_parser parse_path;

/* check_path - why a text is no such path, or NULL */
const char *check_path(const char *path);

/* parse_directory - `const char *`: as parse_path, but not / */
config_parser parse_directory;

/* parse_readable_file - `const char *`: the path of a file that is readable now, and that only
 * trusted users may write */
config_parser parse_readable_file;

/* parse_credential_file - the same, but the file may be missing */
config_parser parse_credential_file;

/* parse_ca_directory - `const char *`: the path of a directory in which only trusted users may
 * write; it may be missing */
config_parser parse_ca_directory;

/* parse_password_file - `const char *`: as parse_readable_file; the content must be a valid
 * password */
config_parser parse_password_file;

/* parse_api_path - `const char *`: a path of the CA's API, such as a mount; removes outer
 * slashes */
config_parser parse_api_path;

/* parse_api_paths - `struct text_list`: several, separated by commas */
config_parser parse_api_paths;

/* is_api_path - whether a text from elsewhere is such a path */
bool is_api_path(const char *text);

/* parse_api_name - `const char *`: one segment of such a path, such as a role */
config_parser parse_api_name;

/* parse_ignore - `uint64_t`, a mask: ids of warnings (base/posture) */
config_parser parse_ignore;

/* parse_duration - `uint64_t` seconds, at least one */
config_parser parse_duration;

/* parse_duration_or_auto - `uint64_t` seconds, at least one; UINT64_MAX for the word auto */
config_parser parse_duration_or_auto;

/* parse_poll - as parse_duration_or_auto, or 0, which disables the function */
config_parser parse_poll;

/* parse_duration_or_0 - `uint64_t` seconds; 0 disables the function */
config_parser parse_duration_or_0;

/* parse_yes_no - `bool` */
config_parser parse_yes_no;

/* parse_in_flight - `unsigned`, 1 to 64 */
config_parser parse_in_flight;

/* parse_window - the percentages of a `struct renewal_rule` */
config_parser parse_window;

/* parse_directory_mode - `mode_t`: rwx for the owner, no write permission for others */
config_parser parse_directory_mode;

/* parse_key_source - `struct key_origin`: local, vault, or "file" and a path that only trusted
 * users may write */
config_parser parse_key_source;

/* Parsers of one of a few words, into their enums. */
config_parser parse_auth_method, parse_log_format, parse_log_level, parse_ready_when,
    parse_key_type, parse_key_rotation, parse_key_encoding, parse_keystore_encryption, parse_usage;

/*
 * Values of several words. Spaces separate words; double quotes keep spaces in a word. A value is
 * split before its words are expanded, so that a variable of the environment cannot add an
 * argument.
 */

/*
 * words_split_raw - appends the words of `value`, without quotes and not expanded
 *
 * Refuses shell syntax (single quotes; after exec also | > && $NAME), because no shell runs.
 * Returns what is wrong, or NULL.
 */
const char *words_split_raw(struct config_scope *scope, const char *value, struct text_list *words);

/* words_split - appends the words of `value`, expanded; returns what is wrong, or NULL */
const char *words_split(struct config_scope *scope, const char *value, struct text_list *words);

/*
 * words_argv - appends program and arguments of exec PROGRAM [ARGUMENT...] to `argv`
 *
 * The program must be an absolute path, executable, and writable for trusted users only. Returns
 * what is wrong, or NULL.
 */
const char *words_argv(struct config_scope *scope, const struct text_list *words,
                       struct text_list *argv);

#endif
