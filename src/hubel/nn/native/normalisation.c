/* Batch normalisation with the clamp that follows it; see hubel.nn.normalised_clamp for the formula.

   Activations are float32, (places, channels), channels a multiple of LANES. Sums over the places
   are taken in float over BLOCK places, and these in double, by thread and then over the threads. */

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lanes.h"

#define WIDE 4
#define BLOCK 256

typedef int masks __attribute__((vector_size(LANES * sizeof(int))));

typedef struct {
    long places, channels, threads;
    float low, high;  /* bounds of the clamp */
    double momentum, epsilon;
} task;

static inline lanes load(const float *from) { return *(const lanes *)from; }

/* The gradient where the result lies between the bounds, or is no number; else 0. */
static inline lanes passed(lanes gradient, lanes result, float low, float high) {
    const masks stopped = (result <= low) | (result >= high);
    return (lanes)((masks)gradient & ~stopped);
}

static inline lanes clamped(lanes value, float low, float high) {
    const lanes lows = low - (lanes){0}, highs = high - (lanes){0};
    const masks under = value < lows, over = value > highs;
    return (lanes)(((masks)lows & under) | ((masks)highs & over) | ((masks)value & ~(under | over)));
}

static inline void flush(const lanes *sums, double *totals, long channel, long count) {
    for (long k = 0; k < count; k++)
        for (long i = 0; i < LANES; i++) totals[channel + k * LANES + i] += sums[k][i];
}

/* Σ (x - shift) and Σ (x - shift)² */
static inline __attribute__((always_inline)) void add_moments(
    const float *x, const float *shift, const task *t, long first, long last, long channel,
    const long count, double *totals
) {
    lanes one[WIDE], two[WIDE], from[WIDE];
    for (long k = 0; k < count; k++) {
        one[k] = two[k] = (lanes){0};
        from[k] = load(shift + channel + k * LANES);
    }
    for (long place = first; place < last; place++) {
        const float *row = x + place * t->channels + channel;
        for (long k = 0; k < count; k++) {
            const lanes apart = load(row + k * LANES) - from[k];
            one[k] += apart;
            two[k] += apart * apart;
        }
    }
    flush(one, totals, channel, count);
    flush(two, totals + t->channels, channel, count);
}

/* Σ g and Σ g (x - mean) */
static inline __attribute__((always_inline)) void add_gradients(
    const float *x, const float *dy, const float *mean, const float *scale, const float *offset,
    const task *t, long first, long last, long channel, const long count, double *totals
) {
    lanes one[WIDE], two[WIDE];
    for (long k = 0; k < count; k++) one[k] = two[k] = (lanes){0};
    for (long place = first; place < last; place++) {
        const long at = place * t->channels + channel;
        for (long k = 0; k < count; k++) {
            const long c = channel + k * LANES;
            const lanes value = load(x + at + k * LANES);
            const lanes result = value * load(scale + c) + load(offset + c);
            const lanes g = passed(load(dy + at + k * LANES), result, t->low, t->high);
            one[k] += g;
            two[k] += g * (value - load(mean + c));
        }
    }
    flush(one, totals, channel, count);
    flush(two, totals + t->channels, channel, count);
}

/* Both sums of all places, (2, channels), by `ADD` on blocks of places and WIDE vectors. */
#define SUM(ADD_WIDE, ADD_ONE)                                                                    \
    const long blocks = (t->places + BLOCK - 1) / BLOCK, numbers = 2 * t->channels;              \
    double *parts = calloc(t->threads * numbers, sizeof(double));                                \
    if (!parts) return 1;                                                                        \
    _Pragma("omp parallel for schedule(static) num_threads(t->threads)")                         \
    for (long part = 0; part < t->threads; part++) {                                             \
        double *totals = parts + part * numbers;                                                 \
        for (long b = part * blocks / t->threads; b < (part + 1) * blocks / t->threads; b++) {   \
            const long first = b * BLOCK;                                                        \
            const long last = first + BLOCK < t->places ? first + BLOCK : t->places;             \
            long c = 0;                                                                          \
            for (; c + WIDE * LANES <= t->channels; c += WIDE * LANES) ADD_WIDE;                 \
            for (; c < t->channels; c += LANES) ADD_ONE;                                         \
        }                                                                                        \
    }                                                                                            \
    memset(sums, 0, numbers * sizeof(double));                                                   \
    for (long part = 0; part < t->threads; part++)                                               \
        for (long i = 0; i < numbers; i++) sums[i] += parts[part * numbers + i];                 \
    free(parts);                                                                                 \
    return 0

static int sum_moments(const float *x, double *sums, const task *t) {
    SUM(add_moments(x, x, t, first, last, c, WIDE, totals),
        add_moments(x, x, t, first, last, c, 1, totals));
}

static int sum_gradients(
    const float *x, const float *dy, const float *mean, const float *scale, const float *offset,
    double *sums, const task *t
) {
    SUM(add_gradients(x, dy, mean, scale, offset, t, first, last, c, WIDE, totals),
        add_gradients(x, dy, mean, scale, offset, t, first, last, c, 1, totals));
}

/* y = clamp(x scale + offset) */
void scale_and_clamp(
    const float *x, const float *scale, const float *offset, float *y, const task *t
) {
#pragma omp parallel for schedule(static) num_threads(t->threads)
    for (long place = 0; place < t->places; place++)
        for (long c = 0; c < t->channels; c += LANES) {
            const long at = place * t->channels + c;
            const lanes value = load(x + at) * load(scale + c) + load(offset + c);
            *(lanes *)(y + at) = clamped(value, t->low, t->high);
        }
}

/* y, and what its gradient needs; `factors` is (4, channels): mean, 1 / deviation, scale, offset.
   The running statistics may be NULL. Returns 1 where there is no memory. */
int normalise(
    const float *x, const float *weight, const float *bias, float *running_mean,
    float *running_variance, float *factors, float *y, const task *t
) {
    const long channels = t->channels;
    const double places = t->places;
    float *mean = factors, *inverse = mean + channels;
    float *scale = inverse + channels, *offset = scale + channels;
    double *sums = malloc(2 * channels * sizeof(double));
    if (!sums || sum_moments(x, sums, t)) {
        free(sums);
        return 1;
    }
    for (long c = 0; c < channels; c++) {
        /* Moments about the first place's values, which cancel less than those about 0. */
        const double apart = sums[c] / places, middle = x[c] + apart;
        const double squares = sums[channels + c] / places - apart * apart;
        const double variance = squares < 0 ? 0 : squares;
        const double factor = 1 / sqrt(variance + t->epsilon);
        mean[c] = middle;
        inverse[c] = factor;
        scale[c] = weight[c] * factor;
        offset[c] = bias[c] - middle * scale[c];
        if (!running_mean) continue;
        running_mean[c] += t->momentum * (middle - running_mean[c]);
        running_variance[c] +=
            t->momentum * (variance * places / (places - 1) - running_variance[c]);
    }
    free(sums);
    scale_and_clamp(x, scale, offset, y, t);
    return 0;
}

/* The gradients of x, weight and bias: dx = g scale + (x - mean) slope + constant */
int normalise_back(
    const float *x, const float *dy, const float *factors, float *dx, float *dweight, float *dbias,
    const task *t
) {
    const long channels = t->channels;
    const double places = t->places;
    const float *mean = factors, *inverse = mean + channels;
    const float *scale = inverse + channels, *offset = scale + channels;
    double *sums = malloc(2 * channels * sizeof(double));
    float *slope = malloc(2 * channels * sizeof(float)), *constant = slope + channels;
    if (!sums || !slope || sum_gradients(x, dy, mean, scale, offset, sums, t)) {
        free(sums);
        free(slope);
        return 1;
    }
    for (long c = 0; c < channels; c++) {
        dbias[c] = sums[c];
        dweight[c] = sums[channels + c] * inverse[c];
        slope[c] = -dweight[c] / places * inverse[c] * scale[c];
        constant[c] = -sums[c] / places * scale[c];
    }
#pragma omp parallel for schedule(static) num_threads(t->threads)
    for (long place = 0; place < t->places; place++)
        for (long c = 0; c < channels; c += LANES) {
            const long at = place * channels + c;
            const lanes value = load(x + at);
            const lanes result = value * load(scale + c) + load(offset + c);
            const lanes g = passed(load(dy + at), result, t->low, t->high);
            *(lanes *)(dx + at) =
                g * load(scale + c) + (value - load(mean + c)) * load(slope + c) + load(constant + c);
        }
    free(sums);
    free(slope);
    return 0;
}
