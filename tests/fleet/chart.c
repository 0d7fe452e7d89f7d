#include "chart.h"

#include <math.h>

enum { WIDE = 480, HIGH = 300, LEFT = 58, RIGHT = 14, TOP = 30, BOTTOM = 42, LEGEND = 26 };

static double place_x(const struct chart *chart, double x)
{
    return LEFT + (WIDE - LEFT - RIGHT) * (x - chart->x_from) / (chart->x_to - chart->x_from);
}

static double place_y(const struct chart *chart, double y)
{
    double part = (y - chart->y_from) / (chart->y_to - chart->y_from);

    if (chart->is_logarithmic) {
        double least = y < chart->y_from ? chart->y_from : y;

        part = log10(least / chart->y_from) / log10(chart->y_to / chart->y_from);
    }
    return HIGH - BOTTOM - (HIGH - TOP - BOTTOM) * part;
}

static void write_grid_line(FILE *file, const struct chart *chart, double y)
{
    double at = place_y(chart, y);

    fprintf(file, "<path class='grid' d='M%d %.1fH%d'/>", LEFT, at, WIDE - RIGHT);
    fprintf(file, "<text x='%d' y='%.1f' text-anchor='end'>%g</text>\n", LEFT - 5, at + 4, y);
}

static void write_axes(FILE *file, const struct chart *chart)
{
    int middle_x = (LEFT + WIDE - RIGHT) / 2, middle_y = (TOP + HIGH - BOTTOM) / 2;

    if (chart->shade_label != NULL) {
        double from = place_x(chart, chart->shade_from), to = place_x(chart, chart->shade_to);

        fprintf(file, "<rect x='%.1f' y='%d' width='%.1f' height='%d' fill='#eee'/>", from, TOP,
                to - from, HIGH - TOP - BOTTOM);
        fprintf(file, "<text x='%.1f' y='%d' fill='#777'>%s</text>\n", from + 6, TOP + 13,
                chart->shade_label);
    }
    if (chart->is_logarithmic)
        for (double y = chart->y_from; y <= chart->y_to * 1.001; y *= 10)
            write_grid_line(file, chart, y);
    else
        for (double y = chart->y_from; y <= chart->y_to * 1.001; y += chart->y_step)
            write_grid_line(file, chart, y);
    for (double x = chart->x_from; x <= chart->x_to + 0.001; x += chart->x_step)
        fprintf(file, "<text x='%.1f' y='%d' text-anchor='middle'>%g</text>", place_x(chart, x),
                HIGH - BOTTOM + 15, x);
    fprintf(file, "\n<text class='title' x='%d' y='18' text-anchor='middle'>%s</text>\n", middle_x,
            chart->title);
    fprintf(file, "<text x='%d' y='%d' text-anchor='middle'>%s</text>\n", middle_x, HIGH - 8,
            chart->x_label);
    fprintf(file,
            "<text x='14' y='%d' text-anchor='middle' transform='rotate(-90 14 %d)'>%s</text>\n",
            middle_y, middle_y, chart->y_label);
}

static void write_line(FILE *file, const struct chart *chart, const struct line *line)
{
    fprintf(file, "<path class='line' stroke='%s' d='", line->colour);
    for (size_t i = 0; i < line->count; i++)
        fprintf(file, "%c%.1f %.1f", i == 0 ? 'M' : 'L', place_x(chart, line->points[i].x),
                place_y(chart, line->points[i].y));
    fprintf(file, "'/>\n");
}

static void write_legend(FILE *file, const struct chart *chart, int wide)
{
    int each = (wide - LEFT) / (int)chart->line_count;

    for (size_t i = 0; i < chart->line_count; i++) {
        int x = LEFT + (int)i * each, y = HIGH + LEGEND / 2 - 4;

        fprintf(file, "<path class='line' stroke='%s' d='M%d %dh22'/>", chart->lines[i].colour, x,
                y);
        fprintf(file, "<text x='%d' y='%d'>%s</text>\n", x + 27, y + 4, chart->lines[i].name);
    }
}

void chart_write(FILE *file, const struct chart *charts, size_t count)
{
    int wide = WIDE * (int)count;

    fprintf(file,
            "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 %d %d' width='%d' "
            "height='%d'>\n<style>text{font:12px sans-serif}.title{font-weight:bold}"
            ".grid{stroke:#ccc;stroke-width:.5;fill:none}"
            ".line{fill:none;stroke-width:1.8;stroke-linejoin:round}</style>\n"
            "<rect width='100%%' height='100%%' fill='#fff'/>\n",
            wide, HIGH + LEGEND, wide, HIGH + LEGEND);
    for (size_t i = 0; i < count; i++) {
        fprintf(file, "<g transform='translate(%d 0)'>\n", WIDE * (int)i);
        write_axes(file, &charts[i]);
        for (size_t j = charts[i].line_count; j-- > 0;)
            write_line(file, &charts[i], &charts[i].lines[j]); /* the first one on top */
        fprintf(file, "</g>\n");
    }
    write_legend(file, &charts[0], wide);
    fprintf(file, "</svg>\n");
}
