/* How the choices of a training run are spelt, in config.json as on the command line: by enum, NULL
 * after the last. */
#ifndef RT_LEARN_NAMES_H
#define RT_LEARN_NAMES_H

extern const char *const rt_split_names[];     /* enum rt_split */
extern const char *const rt_scaling_names[];   /* enum rt_scaling_mode */
extern const char *const rt_schedule_names[];  /* enum rt_schedule */
extern const char *const rt_hard_loss_names[]; /* enum rt_hard_loss */
extern const char *const rt_soft_loss_names[]; /* enum rt_soft_loss */
extern const char *const rt_optimizer_names[]; /* enum rt_optimizer_kind */
extern const char *const rt_math_names[];      /* enum rt_math */

#endif
