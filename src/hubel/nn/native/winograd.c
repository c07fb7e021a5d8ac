/* The transforms of Winograd's convolution F(4 x 4, 3 x 3); see hubel.nn.winograd for the formula.

   Pictures are float32, (pictures, height, width, channels); tiles are (36, tiles, channels), where
   tile = (picture * rows + row) * columns + column. Channels are a multiple of LANES. What a tile
   reaches beyond a picture is read as zero and not written. */

#include "lanes.h"

#define IN 6
#define OUT 4

typedef struct {
    long pictures, height, width, channels;
    long rows, columns;  /* of tiles */
    long above, left;    /* where the first tile begins, before the picture */
    long threads;
} shape;

/* B^T, from 6 to 6. */
static inline void to_input(lanes *d, long step) {
    const lanes a = d[0], b = d[step], c = d[2 * step];
    const lanes e = d[3 * step], f = d[4 * step], g = d[5 * step];
    const lanes even = f - 4 * c, odd = e - 4 * b, near = f - c, far = 2 * (e - b);
    d[0] = 4 * a - 5 * c + f;
    d[step] = even + odd;
    d[2 * step] = even - odd;
    d[3 * step] = near + far;
    d[4 * step] = near - far;
    d[5 * step] = 4 * b - 5 * e + g;
}

/* B, from 6 to 6. */
static inline void from_input(lanes *v, long step) {
    const lanes a = v[0], b = v[step], c = v[2 * step];
    const lanes e = v[3 * step], f = v[4 * step], g = v[5 * step];
    const lanes one = b + c, one_less = c - b, two = e + f, two_less = f - e;
    v[0] = 4 * a;
    v[step] = 4 * one_less + 2 * two_less + 4 * g;
    v[2 * step] = -5 * a - 4 * one - two;
    v[3 * step] = -one_less - 2 * two_less - 5 * g;
    v[4 * step] = a + one + two;
    v[5 * step] = g;
}

/* A^T, from 6 to 4. */
static inline void to_output(lanes *m, long step) {
    const lanes one = m[step] + m[2 * step], one_less = m[step] - m[2 * step];
    const lanes two = m[3 * step] + m[4 * step], two_less = m[3 * step] - m[4 * step];
    m[0] = m[0] + one + two;
    m[step] = one_less + 2 * two_less;
    m[2 * step] = one + 4 * two;
    m[3 * step] = one_less + 8 * two_less + m[5 * step];
}

/* A, from 4 to 6. */
static inline void from_output(lanes *y, long step) {
    const lanes a = y[0], b = y[step], c = y[2 * step], e = y[3 * step];
    const lanes even = a + c, odd = b + e, even_far = a + 4 * c, odd_far = 2 * b + 8 * e;
    y[step] = even + odd;
    y[2 * step] = even - odd;
    y[3 * step] = even_far + odd_far;
    y[4 * step] = even_far - odd_far;
    y[5 * step] = e;
}

static inline long inside(long place, long side) { return place >= 0 && place < side; }

/* Fill the tile's first `side` rows and columns from a picture. */
static inline void read_tile(
    lanes tile[IN][IN], const float *picture, const shape *s, long top, long start, long side
) {
    const lanes zero = {0};
    for (long i = 0; i < side; i++) {
        const float *line = picture + ((top + i) * s->width + start) * s->channels;
        for (long j = 0; j < side; j++)
            tile[i][j] = inside(top + i, s->height) && inside(start + j, s->width)
                ? *(const lanes *)(line + j * s->channels) : zero;
    }
}

static inline void write_planes(const lanes tile[IN][IN], float *to, long plane) {
    for (long i = 0; i < IN; i++)
        for (long j = 0; j < IN; j++)
            *(lanes *)(to + (i * IN + j) * plane) = tile[i][j];
}

static inline void read_planes(lanes tile[IN][IN], const float *from, long plane) {
    for (long i = 0; i < IN; i++)
        for (long j = 0; j < IN; j++)
            tile[i][j] = *(const lanes *)(from + (i * IN + j) * plane);
}

#define EACH_TILE(s)                                                                     \
    const long plane = (s)->pictures * (s)->rows * (s)->columns * (s)->channels;         \
    _Pragma("omp parallel for collapse(2) schedule(static) num_threads(s->threads)")     \
    for (long n = 0; n < (s)->pictures; n++)                                             \
        for (long r = 0; r < (s)->rows; r++)                                             \
            for (long q = 0; q < (s)->columns; q++)                                      \
                for (long c = 0; c < (s)->channels; c += LANES)

#define PICTURE(s) n * (s)->height * (s)->width * (s)->channels + c
#define TILE(s) ((n * (s)->rows + r) * (s)->columns + q) * (s)->channels + c

/* tiles = B^T picture B */
void input_tiles(const float *pictures, float *tiles, const shape *s) {
    EACH_TILE(s) {
        lanes tile[IN][IN];
        read_tile(tile, pictures + PICTURE(s), s, r * OUT - s->above, q * OUT - s->left, IN);
        for (long j = 0; j < IN; j++) to_input(&tile[0][j], IN);
        for (long i = 0; i < IN; i++) to_input(tile[i], 1);
        write_planes((const lanes (*)[IN])tile, tiles + TILE(s), plane);
    }
}

/* tiles = A picture A^T */
void output_tiles(const float *pictures, float *tiles, const shape *s) {
    EACH_TILE(s) {
        lanes tile[IN][IN];
        read_tile(tile, pictures + PICTURE(s), s, r * OUT, q * OUT, OUT);
        for (long j = 0; j < OUT; j++) from_output(&tile[0][j], IN);
        for (long i = 0; i < IN; i++) from_output(tile[i], 1);
        write_planes((const lanes (*)[IN])tile, tiles + TILE(s), plane);
    }
}

/* pictures = A^T tiles A */
void join_outputs(const float *tiles, float *pictures, const shape *s) {
    EACH_TILE(s) {
        lanes tile[IN][IN];
        read_planes(tile, tiles + TILE(s), plane);
        for (long j = 0; j < IN; j++) to_output(&tile[0][j], IN);
        for (long i = 0; i < OUT; i++) to_output(tile[i], 1);
        float *picture = pictures + PICTURE(s);
        for (long i = 0; i < OUT; i++)
            for (long j = 0; j < OUT; j++)
                if (r * OUT + i < s->height && q * OUT + j < s->width)
                    *(lanes *)(picture + ((r * OUT + i) * s->width + q * OUT + j) * s->channels) =
                        tile[i][j];
    }
}

/* pictures = sum over the tiles that a place lies in of B tiles B^T */
void add_inputs(const float *tiles, float *pictures, const shape *s) {
    const long plane = s->pictures * s->rows * s->columns * s->channels;
    const lanes zero = {0};
#pragma omp parallel for collapse(2) schedule(static) num_threads(s->threads)
    for (long n = 0; n < s->pictures; n++)
        for (long c = 0; c < s->channels; c += LANES) {
            float *picture = pictures + PICTURE(s);
            for (long place = 0; place < s->height * s->width; place++)
                *(lanes *)(picture + place * s->channels) = zero;
            for (long r = 0; r < s->rows; r++)
                for (long q = 0; q < s->columns; q++) {
                    lanes tile[IN][IN];
                    const long top = r * OUT - s->above, start = q * OUT - s->left;
                    read_planes(tile, tiles + TILE(s), plane);
                    for (long j = 0; j < IN; j++) from_input(&tile[0][j], IN);
                    for (long i = 0; i < IN; i++) from_input(tile[i], 1);
                    for (long i = 0; i < IN; i++)
                        for (long j = 0; j < IN; j++)
                            if (inside(top + i, s->height) && inside(start + j, s->width))
                                *(lanes *)(picture +
                                           ((top + i) * s->width + start + j) * s->channels) +=
                                    tile[i][j];
                }
        }
}
