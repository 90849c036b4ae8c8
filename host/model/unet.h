/* The U-Net: its specification and its graph. */
#ifndef RT_MODEL_UNET_H
#define RT_MODEL_UNET_H

#include "graph/graph.h"

enum rt_unet_up { RT_UNET_TRANSPOSE, RT_UNET_NEAREST, RT_UNET_BILINEAR };
enum rt_unet_norm { RT_UNET_NO_NORM, RT_UNET_BATCH_NORM };

struct rt_unet {
    int width; /* channels at full size */
    int depth; /* how often the size is halved and the channels are doubled */
    enum rt_unet_up up;
    enum rt_unet_norm norm;
    float dropout; /* in every block; below 0: 0.2, and 0.3 in the bottleneck */
};

/* Reads "unet:W[,depth=D][,up=...][,norm=...][,dropout=P]". Errors: ARGUMENT. */
rt_status rt_unet_parse(struct rt_unet *unet, const char *text);

/* The specification in full form: the options in order, those at their defaults left out. */
void rt_unet_format(const struct rt_unet *unet, char *text, size_t size);

/* Adds the network to an empty graph. Errors: those of rt_graph_add. */
rt_status rt_unet_build(const struct rt_unet *unet, struct rt_graph *graph, int channels,
                        int classes);

#endif
