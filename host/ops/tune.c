#include "ops/tune.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/child.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/process.h"

#define SEED 1
#define SEED_AGAIN 2

/* --- a candidate's answer ------------------------------------------------------------------- */

char *rt_tune_answer(rt_status status, const struct rt_choice_variant *measured)
{
    char text[1024];
    json_t *answer;
    if (status < 0) {
        snprintf(text, sizeof text, "%s", rt_error_message());
        for (char *letter = text; *letter; letter++)
            if ((unsigned char)*letter > 126) /* a compiler's log may be no UTF-8 */
                *letter = '?';
        answer = json_pack("{s:s}", "problem", text);
    } else {
        answer = json_pack("{s:f, s:f}", "seconds", measured->seconds, "error", measured->error);
    }
    char *line = answer ? json_dumps(answer, JSON_COMPACT) : NULL;
    json_decref(answer);
    return line;
}

/* The answer is the last line: a driver may have printed others. */
static rt_status read_answer(char *output, struct rt_choice_variant *measured)
{
    rt_status status = RT_OK;
    size_t length = strlen(output);
    while (length > 0 && output[length - 1] == '\n')
        output[--length] = 0;
    const char *line = strrchr(output, '\n');
    json_t *answer = json_loads(line ? line + 1 : output, 0, NULL);
    const char *problem = json_string_value(json_object_get(answer, "problem"));
    const json_t *seconds = json_object_get(answer, "seconds"),
                 *error = json_object_get(answer, "error");
    measured->seconds = json_number_value(seconds);
    measured->error = json_number_value(error);
    if (problem)
        status = rt_fail(RT_ERROR_DEVICE, "%s", problem);
    else if (!json_is_number(seconds) || !json_is_number(error))
        status = rt_fail(RT_ERROR_FORMAT, "it gave no answer");
    else if (!(measured->error <= RT_TUNE_TOLERANCE))
        status = rt_fail(RT_ERROR_DEVICE,
                         "its results are wrong by %.2g of the largest, and %.2g "
                         "is allowed",
                         measured->error, RT_TUNE_TOLERANCE);
    json_decref(answer);
    return status;
}

/* --- candidates ----------------------------------------------------------------------------- */

struct candidate {
    const char *key, *name;
    int seed;
    double best;
};

/* Seconds until the end. */
static double time_left(const struct rt_tuner *tuner)
{
    if (tuner->stop && tuner->stop(NULL))
        return 0;
    return tuner->deadline > 0 ? tuner->deadline - rt_clock_seconds() : INFINITY;
}

static rt_status try_candidate(const struct rt_tuner *tuner, const struct candidate *candidate,
                               struct rt_choice_variant *measured)
{
    rt_status status = RT_OK;
    char batch[16], seed[16], best[32], *output = NULL;
    const char *arguments[RT_TUNER_ARGUMENTS + 11] = {NULL};
    size_t count = 0;
    while (count < RT_TUNER_ARGUMENTS && tuner->command[count]) {
        arguments[count] = tuner->command[count];
        count++;
    }
    snprintf(batch, sizeof batch, "%d", tuner->batch);
    snprintf(seed, sizeof seed, "%d", candidate->seed);
    snprintf(best, sizeof best, "%.9g", candidate->best);
    const char *const added[] = {"--key",         candidate->key, "--batch", batch,    "--variant",
                                 candidate->name, "--seed",       seed,      "--best", best};
    memcpy(arguments + count, added, sizeof added);
    *measured = (struct rt_choice_variant){0};
    snprintf(measured->name, sizeof measured->name, "%s", candidate->name);
    RT_TRY(rt_child_run(arguments, fmin(tuner->seconds, time_left(tuner)), tuner->quiet, &output));
    status = read_answer(output, measured);
end:
    if (status < 0 && status != RT_ERROR_MEMORY && time_left(tuner) > 0)
        rt_warn("%s is left out for %s: %s", candidate->name, candidate->key, rt_error_message());
    free(output);
    return status;
}

/* Puts a candidate among those before it by its time. */
static void insert(struct rt_choice *choice, const struct rt_choice_variant *measured)
{
    int place = choice->count++;
    for (; place > 0 && choice->variants[place - 1].seconds > measured->seconds; place--)
        choice->variants[place] = choice->variants[place - 1];
    choice->variants[place] = *measured;
}

static void remove_first(struct rt_choice *choice)
{
    choice->count--;
    memmove(choice->variants, choice->variants + 1,
            (size_t)choice->count * sizeof *choice->variants);
}

rt_status rt_tune(const struct rt_tuner *tuner, const char *key, const char *const *names,
                  int count, struct rt_choice *choice)
{
    struct rt_choice_variant measured;
    rt_status status = RT_OK;
    *choice = (struct rt_choice){.batch = tuner->batch};
    snprintf(choice->key, sizeof choice->key, "%s", key);
    for (int i = 0; i < count && time_left(tuner) > 0; i++) {
        const double best = choice->count > 0 ? choice->variants[0].seconds : 0;
        status = try_candidate(tuner, &(struct candidate){key, names[i], SEED, best}, &measured);
        if (status == RT_ERROR_MEMORY)
            return status;
        if (status == RT_OK)
            insert(choice, &measured);
    }
    while (choice->count > 0 && time_left(tuner) > 0) {
        const struct candidate again = {key, choice->variants[0].name, SEED_AGAIN, 0};
        status = try_candidate(tuner, &again, &measured);
        if (status == RT_OK || status == RT_ERROR_MEMORY)
            return status;
        remove_first(choice);
    }
    choice->count = 0;
    return RT_OK;
}
