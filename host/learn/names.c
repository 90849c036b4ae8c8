#include "learn/names.h"

#include <stddef.h>

const char *const rt_split_names[] = {"patch", "image", NULL};
const char *const rt_scaling_names[] = {"data", "patch", NULL};
const char *const rt_schedule_names[] = {"cosine", "constant", NULL};
const char *const rt_hard_loss_names[] = {"ce", "dice", "focal", "dice+focal", NULL};
const char *const rt_soft_loss_names[] = {"none", "kl", "logits", NULL};
const char *const rt_optimizer_names[] = {"sgd", "adam", "adamw", NULL};
const char *const rt_math_names[] = {"fast", "exact", NULL};
