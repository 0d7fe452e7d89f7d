/*
 * config_template - the defaults that suit one consumer
 *
 * template = nginx takes the [template] section of nginx.ini, from the site's own folder
 * ([agent] template_directory) or from those that come with leafd. A template is read once, however
 * many certificates name it.
 */
#ifndef LEAFD_CONFIG_CONFIG_TEMPLATE_H
#define LEAFD_CONFIG_CONFIG_TEMPLATE_H

#include "config/config_document.h"
#include "config/config_expand.h"

struct config_templates {
    struct arena *arena;
    const char *directory; /* the site's own; NULL: none */
    struct config_scope *scope;
    struct config_problems *problems;
    struct config_template *known;
};

/*
 * config_template_of - the [template] section that a certificate names, itself or by [defaults]
 *
 * NULL if it names none, or if that template is missing or broken, which is told once then.
 */
struct config_section *config_template_of(struct config_templates *templates,
                                          const struct config_section *cert,
                                          const struct config_section *defaults);

#endif
