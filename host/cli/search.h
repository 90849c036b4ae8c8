/* Finding the fastest way to compute each convolution of some networks, for the device's profile.
 */
#ifndef RT_CLI_SEARCH_H
#define RT_CLI_SEARCH_H

#include "cli/options.h"
#include "device/choices.h"
#include "retort/model.h"

/* What is to be found, each key once. */
struct search {
    struct rt_device *device;
    int batch; /* images to measure with */
    struct search_part {
        char key[RT_CHOICE_KEY_BYTES];
        double flops; /* of an image, in all the places that the key stands for */
    } * parts;
    size_t count, capacity;
};

void search_finish(struct search *search);

rt_status search_add(struct search *search, const char *key, double flops);

/* Adds the parts of the model's convolutions at its patch size, those of training or those of a
 * forward pass alone. */
rt_status search_add_model(struct search *search, struct rt_model *model, bool training);

/* Goes through the parts in their order and writes what was found into the profile at once, so that
 * an interrupted search loses nothing. After `seconds` (INFINITY: never), or where the first part
 * shows that nothing can be measured, it stops; *found of the parts have a choice then. Errors: IO
 * and ARGUMENT (the profile cannot be written), INTERRUPTED, MEMORY. */
rt_status search_run(const struct search *search, double seconds, size_t *found);

/* --- before the first training ------------------------------------------------------------- */

struct first_search {
    double seconds; /* that are left for it; below 0: what is usual on the device */
};

/* --tune SECONDS. */
void add_first_search(struct command_line *line, struct first_search *first);

/* For rt_train_options.prepare, with a struct first_search: searches for the networks of which the
 * profile knows no convolution, the most costly parts first. What goes wrong is no reason not to
 * train. Errors: MEMORY, INTERRUPTED. */
rt_status first_search(void *user, struct rt_model *const *models, int count, int batch);

#endif
