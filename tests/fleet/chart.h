/*
 * chart - two small line charts side by side, as SVG
 *
 * Just enough for the README: a linear x axis, a y axis that is linear or logarithmic, a legend.
 */
#ifndef LEAFD_TESTS_FLEET_CHART_H
#define LEAFD_TESTS_FLEET_CHART_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct point {
    double x, y;
};

struct line {
    const char *name, *colour;
    struct point *points;
    size_t count;
};

struct chart {
    const char *title, *x_label, *y_label;
    double x_from, x_to, x_step, y_from, y_to, y_step;
    bool is_logarithmic; /* y: a grid line at each power of ten, y_step unused */
    double shade_from, shade_to;
    const char *shade_label; /* NULL: no shade */
    const struct line *lines;
    size_t line_count;
};

/* chart_write - the charts beside each other, the legend of the first one below them */
void chart_write(FILE *file, const struct chart *charts, size_t count);

#endif
