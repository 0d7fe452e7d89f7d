#include "app/init.h"

#include "app/exit_code.h"
#include "base/cleanup.h"
#include "base/environment.h"
#include "base/err.h"
#include "base/terminal.h"
#include "config/config.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What ${...} in the texts stands for. */
enum answer {
    ANSWER_ADDRESS,
    ANSWER_CA_FILE,
    ANSWER_AUTH,
    ANSWER_MOUNT,
    ANSWER_ROLE,
    ANSWER_DNS_NAMES,
    ANSWER_TEMPLATE,
    ANSWER_DIRECTORY,
    ANSWER_FOLDER,  /* of the configuration, where credentials lie as well */
    ANSWER_PROGRAM, /* vault or bao */
    ANSWER_COUNT
};

static const char *const answer_names[ANSWER_COUNT] = {
    [ANSWER_ADDRESS] = "address",   [ANSWER_CA_FILE] = "ca_file",
    [ANSWER_AUTH] = "auth",         [ANSWER_MOUNT] = "mount",
    [ANSWER_ROLE] = "role",         [ANSWER_DNS_NAMES] = "dns_names",
    [ANSWER_TEMPLATE] = "template", [ANSWER_DIRECTORY] = "directory",
    [ANSWER_FOLDER] = "folder",     [ANSWER_PROGRAM] = "vault",
};

struct init {
    struct arena arena;
    const struct options *options;
    const char *answers[ANSWER_COUNT];
    bool has_keystore; /* the template writes one */
};

/* -- the texts ------------------------------------------------------------------------------------
 */

static const char begin[] =
    "# The configuration of leafd. leafd.ini(5) explains every key; leafd check checks it.\n"
    "\n"
    "[vault]\n"
    "address = ${address}\n";

static const char with_ca_file[] = "ca_file = ${ca_file}\n";

static const char without_ca_file[] =
    "# The CA of the server's own certificate; without it, the CAs of the system are trusted.\n"
    "# ca_file = ${folder}/vault-ca.pem\n";

static const char section[] =
    "\n"
    "# One certificate; a second one is another section.\n"
    "[cert ${role}]\n"
    "# Files, reload and proof for the consumer, which leafd-templates(7) lists. Keys that are "
    "set\n"
    "# here take precedence.\n"
    "template  = ${template}\n"
    "pki_mount = ${mount}\n"
    "pki_role  = ${role}\n"
    "# The lifetime; the renewal starts at about half of it.\n"
    "ttl       = 24h\n"
    "dns_names = ${dns_names}\n"
    "directory = ${directory}\n"
    "# The CA certificate at which the certificates must end. Without it peers that use the file\n"
    "# with CA certificates trust whatever CA signs for the role.\n"
    "# trust_anchor = ${folder}/root.pem\n";

static const char keystore[] = "keystore_password_file = ${folder}/keystore-password\n";

static const char policy[] =
    "# Run this where ${vault} is logged in as an administrator. The PKI engine is at ${mount}.\n"
    "\n"
    "# The role signs these names and no others.\n"
    "${vault} write ${mount}/roles/${role} allowed_domains='${dns_names}' allow_bare_domains=true "
    "\\\n"
    "    allow_localhost=false allow_ip_sans=false key_type=any require_cn=false max_ttl=24h\n"
    "\n"
    "# The first path is needed to issue; leafd check --online reads the other two.\n"
    "${vault} policy write ${role} - <<'END'\n"
    "path \"${mount}/sign/${role}\" { capabilities = [\"update\"] }\n"
    "path \"${mount}/roles/${role}\" { capabilities = [\"read\"] }\n"
    "path \"${mount}/issuer/default\" { capabilities = [\"read\"] }\n"
    "END\n"
    "\n";

static const char enable[] =
    "# The login.\n"
    "${vault} auth list | grep -q '^${auth}/' || ${vault} auth enable ${auth}\n";

static const char end[] =
    "\n"
    "# Then, on the machine: leafd check --online, and leafd once or leafd run.\n";

static const char password[] =
    "\n"
    "# The password of the keystores, for the machine: ${folder}/keystore-password.\n"
    "(umask 077 && openssl rand -hex 16 >keystore-password)\n";

/* What each method adds to [auth], and to the commands. By enum auth_method. */
static const struct method {
    const char *keys, *commands;
} methods[AUTH_METHOD_COUNT] = {
    [AUTH_KUBERNETES] =
        {"# The ServiceAccount of the pod.\n"
         "method = kubernetes\n"
         "role   = ${role}\n",
         "# Once, if Vault runs in the same cluster:\n"
         "# ${vault} write auth/kubernetes/config kubernetes_host=https://kubernetes.default.svc\n"
         "# The pod's ServiceAccount, and its namespace; its token has this audience.\n"
         "${vault} write auth/kubernetes/role/${role} bound_service_account_names=${role} \\\n"
         "    bound_service_account_namespaces=default audience=vault \\\n"
         "    token_policies=${role} token_ttl=10m\n"},
    [AUTH_JWT] = {"# A token in a file, from a provider of identities.\n"
                  "method     = jwt\n"
                  "role       = ${role}\n"
                  "token_file = ${folder}/token\n",
                  "# Once, with the provider's address:\n"
                  "# ${vault} write auth/jwt/config oidc_discovery_url=https://issuer.example.com\n"
                  "# The subject is that of the machine's token.\n"
                  "${vault} write auth/jwt/role/${role} role_type=jwt user_claim=sub "
                  "bound_audiences=vault \\\n"
                  "    bound_subject=${role} token_policies=${role} token_ttl=10m\n"},
    [AUTH_APPROLE] =
        {"# Two files, which only leafd's user and root may read.\n"
         "method         = approle\n"
         "role_id_file   = ${folder}/role-id\n"
         "secret_id_file = ${folder}/secret-id\n",
         "${vault} write auth/approle/role/${role} token_policies=${role} token_ttl=1h\n"
         "# Two files for the machine: ${folder}/role-id and ${folder}/secret-id.\n"
         "${vault} read -field=role_id auth/approle/role/${role}/role-id >role-id\n"
         "(umask 077 && ${vault} write -f -field=secret_id auth/approle/role/${role}/secret-id \\\n"
         "    >secret-id)\n"},
    [AUTH_CERT] = {"# The certificate that the machine has already: client_certificate and "
                   "client_key in [vault].\n"
                   "method = cert\n"
                   "role   = ${role}\n",
                   "# client-ca.pem is the CA certificate of the machines' own certificates.\n"
                   "${vault} write auth/cert/certs/${role} certificate=@client-ca.pem \\\n"
                   "    allowed_dns_sans='${dns_names}' token_policies=${role} token_ttl=10m\n"},
    [AUTH_TOKEN] =
        {"# A token in a file, which leafd renews; another program replaces it.\n"
         "method     = token\n"
         "token_file = ${folder}/token\n",
         "# For the machine: ${folder}/token.\n"
         "(umask 077 && ${vault} token create -policy=${role} -period=72h -field=token >token)\n"},
};

static const char client_certificate[] = "client_certificate = ${folder}/client.crt\n"
                                         "client_key = ${folder}/client.key\n";

/* The value of the answer that begins at `name`, such as "role}"; NULL if it is none. */
static const char *value_of(const struct init *init, const char *name)
{
    for (size_t i = 0; i < ANSWER_COUNT; i++) {
        const char *rest = text_starts(name, answer_names[i]);

        if (rest != NULL && *rest == '}')
            return init->answers[i];
    }
    return NULL;
}

/* Prints the lines of a text with its answers; false if they could not be written. */
static bool print(struct init *init, FILE *to, const char *text)
{
    const char *line = "";
    bool written = true;

    while (line != NULL && *text != '\0') {
        const char *value = text_starts(text, "${") == NULL ? NULL : value_of(init, text + 2);
        size_t length = 1 + strcspn(text + 1, "$\n");

        if (*text == '\n') {
            written &= terminal_line(to, "%s", line);
            line = "";
            text++;
        } else if (value != NULL) {
            line = arena_format(&init->arena, "%s%s", line, value);
            text = strchr(text, '}') + 1;
        } else {
            line = arena_format(&init->arena, "%s%.*s", line, (int)length, text);
            text += length;
        }
    }
    return line != NULL && written;
}

static enum auth_method method_of(const struct init *init)
{
    enum auth_method method = AUTH_KUBERNETES;

    while (method < AUTH_METHOD_COUNT &&
           strcmp(auth_method_words[method], init->answers[ANSWER_AUTH]) != 0)
        method++;
    return method;
}

static bool print_configuration(struct init *init, FILE *to)
{
    enum auth_method method = method_of(init);

    return print(init, to, begin) &&
           print(init, to,
                 init->answers[ANSWER_CA_FILE] == NULL ? without_ca_file : with_ca_file) &&
           (method != AUTH_CERT || print(init, to, client_certificate)) &&
           print(init, to, "\n[auth]\n") && print(init, to, methods[method].keys) &&
           print(init, to, section) && (!init->has_keystore || print(init, to, keystore));
}

static bool print_commands(struct init *init, FILE *to)
{
    enum auth_method method = method_of(init);

    return print(init, to, policy) && (method == AUTH_TOKEN || print(init, to, enable)) &&
           print(init, to, methods[method].commands) &&
           (!init->has_keystore || print(init, to, password)) && print(init, to, end);
}

/* -- templates ------------------------------------------------------------------------------------
 */

static const char *const template_folders[] = {LEAFD_CONFIGURATION_DIRECTORY "/templates",
                                               LEAFD_TEMPLATE_DIRECTORY};

void init_list_templates(struct arena *arena, struct text_list *names)
{
    for (size_t i = 0; i < sizeof template_folders / sizeof *template_folders; i++) {
        DIR *folder = opendir(template_folders[i]);
        const struct dirent *entry;

        while (folder != NULL && (entry = readdir(folder)) != NULL) {
            size_t length = strlen(entry->d_name);

            if (length > 4 && strcmp(entry->d_name + length - 4, ".ini") == 0)
                text_list_add(names, arena, entry->d_name, length - 4);
        }
        if (folder != NULL)
            closedir(folder);
    }
}

/* Whether the template writes a keystore, which needs a password. */
static bool writes_keystore(struct init *init)
{
    char line[512];
    bool found = false;

    for (size_t i = 0; i < sizeof template_folders / sizeof *template_folders; i++) {
        const char *path = arena_format(&init->arena, "%s/%s.ini", template_folders[i],
                                        init->answers[ANSWER_TEMPLATE]);
        FILE *file = path == NULL ? NULL : fopen(path, "re");

        while (file != NULL && fgets(line, sizeof line, file) != NULL)
            found |= text_starts(line, "file") != NULL &&
                     (strstr(line, " pkcs12") != NULL || strstr(line, " truststore") != NULL);
        if (file != NULL) {
            fclose(file);
            break;
        }
    }
    return found;
}

/* -- the answers ----------------------------------------------------------------------------------
 */

/*
 * An answer becomes part of a configuration and of shell commands, so each has a few plain
 * characters beside letters and digits, and must not begin with a dash.
 */
static const struct question {
    enum answer answer;
    const char *option, *words, *plain;
} questions[] = {
    {ANSWER_TEMPLATE, "TEMPLATE", "The template of the consumer; leafd-templates(7) lists all",
     "-_."},
    {ANSWER_ADDRESS, "--address", "The address of Vault or OpenBao", "-_.:/[]"},
    {ANSWER_AUTH, "--auth", "The login: kubernetes, jwt, approle, cert or token", ""},
    {ANSWER_MOUNT, "--mount", "The mount of the PKI engine", "-_./"},
    {ANSWER_ROLE, "--role", "The name for the PKI role, its policy, its login and the section",
     "-_."},
    {ANSWER_DNS_NAMES, "--dns-names", "The DNS names of the certificate, with commas between",
     "-_.,"},
    {ANSWER_DIRECTORY, "--directory", "The directory for the files", "-_./"},
};

static int complain(const char *option, const char *what)
{
    terminal_line(stderr, "leafd init: %s %s", option, what);
    return EXIT_USAGE;
}

static bool is_plain(const char *text, const char *plain)
{
    for (const char *at = text; *at != '\0'; at++)
        if (!(*at >= 'a' && *at <= 'z') && !(*at >= 'A' && *at <= 'Z') &&
            !(*at >= '0' && *at <= '9') && strchr(plain, *at) == NULL)
            return false;
    return text[0] != '\0' && text[0] != '-' && text[0] != '.';
}

static int check_template(struct init *init)
{
    const char *name = init->answers[ANSWER_TEMPLATE], *near, *text;
    struct text_list names = {0};

    init_list_templates(&init->arena, &names);
    /* Where none is installed, the configuration names a directory of its own later. */
    if (names.count == 0 || text_list_has(&names, name))
        return -1;
    near = text_near(&init->arena, name, names.items, names.count);
    text = near == NULL
               ? arena_format(&init->arena,
                              "%s is not there; leafd-templates(7) lists "
                              "all",
                              name)
               : arena_format(&init->arena, "%s is not there; did you mean %s?", name, near);
    return complain("the template", text == NULL ? "is not there" : text);
}

/* -1 if all answers are good. */
static int check_answers(struct init *init)
{
    for (size_t i = 0; i < sizeof questions / sizeof *questions; i++) {
        const char *answer = init->answers[questions[i].answer];

        if (answer == NULL)
            return complain(questions[i].option, "is missing; give it as an option");
        if (!is_plain(answer, questions[i].plain))
            return complain(questions[i].option,
                            arena_format(&init->arena, "takes letters, digits%s%s",
                                         questions[i].plain[0] == '\0' ? "" : " and ",
                                         questions[i].plain));
    }
    if (text_starts(init->answers[ANSWER_ADDRESS], "https://") == NULL)
        return complain("--address", "takes an address such as https://vault.example.com:8200");
    if (method_of(init) == AUTH_METHOD_COUNT)
        return complain("--auth", "is one of kubernetes, jwt, approle, cert and token");
    if (init->answers[ANSWER_DIRECTORY][0] != '/')
        return complain("--directory", "takes an absolute path");
    return check_template(init);
}

/* Asks a person; an empty line is the proposed answer. */
static void ask(struct init *init, const struct question *question)
{
    const char *proposed = init->answers[question->answer];
    char line[512];

    terminal_line(stderr, "%s%s%s%s:", question->words, proposed == NULL ? "" : " [",
                  proposed == NULL ? "" : proposed, proposed == NULL ? "" : "]");
    if (fgets(line, sizeof line, stdin) == NULL || text_trim(line)[0] == '\0')
        return;
    init->answers[question->answer] = arena_copy(&init->arena, text_trim(line));
}

static const char *from_environment(const char *bao, const char *vault)
{
    const char *value = environment_get(bao);

    if (value == NULL)
        value = environment_get(vault);
    return value == NULL || value[0] == '\0' ? NULL : value;
}

/* The name of this machine if it is a full one. */
static const char *own_name(struct init *init)
{
    char name[256] = "";

    return gethostname(name, sizeof name - 1) == 0 && strchr(name, '.') != NULL
               ? arena_copy(&init->arena, name)
               : NULL;
}

/* The folder of the file that is written, as an absolute path. */
static const char *folder_of(struct init *init, const char *file)
{
    const char *slash = file == NULL ? NULL : strrchr(file, '/');
    CLEANUP(free_memory) char *here = NULL;

    if (file == NULL)
        return LEAFD_CONFIGURATION_DIRECTORY;
    if (file[0] == '/')
        return slash == file ? "" : arena_copy_part(&init->arena, file, (size_t)(slash - file));
    here = getcwd(NULL, 0);
    if (here == NULL)
        return NULL;
    return slash == NULL ? arena_copy(&init->arena, here)
                         : arena_format(&init->arena, "%s/%.*s", here, (int)(slash - file), file);
}

/* Those of options and environment, what a person says, and what is usual. */
static int take_answers(struct init *init)
{
    const struct options *options = init->options;
    const char **answers = init->answers;
    const char *const given[ANSWER_COUNT] = {
        [ANSWER_TEMPLATE] = options->name_count > 0 ? options->names[0] : NULL,
        [ANSWER_ADDRESS] = options->address,
        [ANSWER_AUTH] = options->auth,
        [ANSWER_MOUNT] = options->mount,
        [ANSWER_ROLE] = options->role,
        [ANSWER_DNS_NAMES] = options->dns_names,
        [ANSWER_DIRECTORY] = options->directory,
    };
    bool is_asked = isatty(STDIN_FILENO) != 0 && isatty(STDERR_FILENO) != 0;

    answers[ANSWER_TEMPLATE] = "generic";
    answers[ANSWER_ADDRESS] = from_environment("BAO_ADDR", "VAULT_ADDR");
    answers[ANSWER_CA_FILE] = from_environment("BAO_CACERT", "VAULT_CACERT");
    answers[ANSWER_AUTH] = "approle";
    answers[ANSWER_MOUNT] = "pki";
    answers[ANSWER_ROLE] = "web";
    answers[ANSWER_DNS_NAMES] = own_name(init);
    answers[ANSWER_PROGRAM] =
        environment_get("BAO_ADDR") != NULL && environment_get("VAULT_ADDR") == NULL ? "bao"
                                                                                     : "vault";
    answers[ANSWER_FOLDER] = folder_of(init, options->output);
    for (size_t i = 0; i < sizeof questions / sizeof *questions; i++) {
        enum answer answer = questions[i].answer;

        if (answer == ANSWER_DIRECTORY)
            answers[answer] = arena_format(&init->arena, "/var/lib/leafd/%s", answers[ANSWER_ROLE]);
        if (given[answer] != NULL)
            answers[answer] = given[answer];
        else if (is_asked)
            ask(init, &questions[i]);
    }
    if (answers[ANSWER_FOLDER] == NULL || !is_plain(answers[ANSWER_FOLDER], "-_./"))
        return complain("--output", "is in a folder whose name has other characters than "
                                    "letters, digits and -_./");
    if (answers[ANSWER_CA_FILE] != NULL && !is_plain(answers[ANSWER_CA_FILE], "-_./"))
        answers[ANSWER_CA_FILE] = NULL;
    return check_answers(init);
}

/* -- the command ----------------------------------------------------------------------------------
 */

static int fail(const char *file)
{
    terminal_line(stderr, "leafd init: cannot write %s: %s%s", file, strerrordesc_np(errno),
                  errno == EEXIST ? "; it is never overwritten, name another one by --output" : "");
    return EXIT_RETRY;
}

/* Writes a new file, which others may read: the agent's user reads it, and it holds no secret. */
static int write_file(struct init *init, const char *name)
{
    int fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    FILE *file = fd < 0 || fchmod(fd, 0644) != 0 ? NULL : fdopen(fd, "w");
    bool written = file != NULL && print_configuration(init, file);
    int kept = errno;

    if (file != NULL && fclose(file) != 0 && written) {
        kept = errno;
        written = false;
    }
    if (written)
        return EXIT_FINE;
    /* A part of it would be in the way of the next try. */
    if (fd >= 0)
        unlink(name);
    errno = kept;
    return fail(name);
}

static int write_all(struct init *init)
{
    const char *output = init->options->output;
    int code = EXIT_FINE;

    init->has_keystore = writes_keystore(init);
    if (output != NULL)
        code = write_file(init, output);
    else if (!print_configuration(init, stdout))
        code = fail("to standard output");
    if (code == EXIT_FINE && !print_commands(init, output == NULL ? stderr : stdout))
        code = fail("the commands");
    return code;
}

int init_command(const struct options *options)
{
    struct init init = {.options = options};
    int code = take_answers(&init);

    if (code < 0)
        code = write_all(&init);
    arena_free(&init.arena);
    return code;
}
