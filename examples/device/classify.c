/* Classifies one raw uint8 image (H, W, C) by an exported network in int8, without Python and without a file system for
 * the network: network.h is the array that c_array.py makes of the .tflite file.
 *
 * The runtime is LiteRT (Apache License 2.0), by its C interface in libLiteRt.so, which the package ai-edge-litert 2.3.0
 * of PyPI holds; it comes without headers, so what is used of them is declared here (litert/c of its sources). */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "network.h"

typedef struct {
    int element_type;
    uint32_t rank_and_strides; /* the lower 7 bits are the rank */
    int32_t dimensions[8];
    uint32_t strides[8];
} TensorType;

typedef void *Handle;

int LiteRtCreateEnvironment(int count, const void *options, Handle *environment);
int LiteRtCreateModelFromBuffer(Handle environment, const void *bytes, size_t size, Handle *model);
int LiteRtGetModelSignature(Handle model, size_t number, Handle *signature);
int LiteRtGetSignatureInputTensorByIndex(Handle signature, size_t number, Handle *tensor);
int LiteRtGetSignatureOutputTensorByIndex(Handle signature, size_t number, Handle *tensor);
int LiteRtGetRankedTensorType(Handle tensor, TensorType *type);
int LiteRtCreateOptions(Handle *options);
int LiteRtSetOptionsHardwareAccelerators(Handle options, int accelerators);
int LiteRtCreateCompiledModel(Handle environment, Handle model, Handle options, Handle *compiled);
int LiteRtCreateTensorBufferFromHostMemory(const TensorType *type, void *bytes, size_t size, void *free_it,
                                           Handle *buffer);
int LiteRtRunCompiledModel(Handle compiled, size_t signature, size_t in_count, Handle *in, size_t out_count,
                           Handle *out);

enum { CPU = 1, ALIGNMENT = 64, FLOAT32 = 1, UINT8 = 3 };

static void require(int status, const char *what) {
    if (status != 0) {
        fprintf(stderr, "%s: LiteRT's status %d\n", what, status);
        exit(1);
    }
}

/* A tensor's bytes, zero at first, and its buffer; `count` is set to the number of its elements. */
static void *tensor_memory(Handle tensor, int element_type, size_t element_size, size_t *count, Handle *buffer) {
    TensorType type;
    require(LiteRtGetRankedTensorType(tensor, &type), "the tensor's type");
    if (type.element_type != element_type) {
        fprintf(stderr, "the network does not take uint8 images: export it with --int8\n");
        exit(1);
    }
    *count = 1;
    for (uint32_t axis = 0; axis < (type.rank_and_strides & 127); axis++) *count *= (size_t)type.dimensions[axis];
    size_t size = *count * element_size;
    void *bytes = aligned_alloc(ALIGNMENT, (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT);
    memset(bytes, 0, size);
    require(LiteRtCreateTensorBufferFromHostMemory(&type, bytes, size, NULL, buffer), "the tensor's buffer");
    return bytes;
}

int main(int argc, char **argv) {
    if (argc != 2) {
        fprintf(stderr, "usage: %s IMAGE.raw\n", argv[0]);
        return 2;
    }
    Handle environment, model, signature, options, compiled, in, out, in_buffer, out_buffer;
    require(LiteRtCreateEnvironment(0, NULL, &environment), "the environment");
    require(LiteRtCreateModelFromBuffer(environment, network, network_size, &model), "the network");
    require(LiteRtGetModelSignature(model, 0, &signature), "the signature");
    require(LiteRtGetSignatureInputTensorByIndex(signature, 0, &in), "the input");
    require(LiteRtGetSignatureOutputTensorByIndex(signature, 0, &out), "the output");
    require(LiteRtCreateOptions(&options), "the options");
    require(LiteRtSetOptionsHardwareAccelerators(options, CPU), "the processor");
    require(LiteRtCreateCompiledModel(environment, model, options, &compiled), "the compilation");

    size_t pixels, classes;
    uint8_t *image = tensor_memory(in, UINT8, sizeof(uint8_t), &pixels, &in_buffer);
    float *logits = tensor_memory(out, FLOAT32, sizeof(float), &classes, &out_buffer);
    FILE *file = fopen(argv[1], "rb");
    if (file == NULL || fread(image, 1, pixels, file) != pixels || fgetc(file) != EOF) {
        fprintf(stderr, "%s: it has to be a file of %zu bytes, an image (H, W, C)\n", argv[1], pixels);
        return 2;
    }
    fclose(file);
    require(LiteRtRunCompiledModel(compiled, 0, 1, &in_buffer, 1, &out_buffer), "the run");

    size_t best = 0;
    for (size_t n = 0; n < classes; n++) {
        printf("%zu %.6f\n", n, logits[n]);
        if (logits[n] > logits[best]) best = n;
    }
    printf("class %zu\n", best);
    return 0;
}
