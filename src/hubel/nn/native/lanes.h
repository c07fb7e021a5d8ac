/* Vectors of LANES float32 numbers, however wide the processor's own are. LANES is set by the command
   that compiles. */

#ifndef LANES_H
#define LANES_H

typedef float lanes __attribute__((vector_size(LANES * sizeof(float)), aligned(4), may_alias));

#endif
