/* RFC 9605 frames straight on OpenSSL's EVP interface: the floor that benchmarks/frames.py compares with.
 *
 *     cc -O2 -o openssl_evp openssl_evp.c -lcrypto
 *     openssl_evp KEY SALT BASE_KEY KID     hex, hex, hex (not used), decimal; AES-GCM, the key's length says which
 *
 * It answers requests line by line; processes.py says which. One context a direction, keyed once; no replay window.
 */

#include <inttypes.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { TAG = 16, NONCE = 12, HEADER = 17, LINE = 1 << 16 };
#define FIRST_CTR 65536u

static uint8_t salt[NONCE];
static uint64_t kid;

static void fail(const char *what) {
    fprintf(stderr, "openssl_evp: %s\n", what);
    exit(1);
}

static size_t from_hex(const char *text, uint8_t *out, size_t room) {
    size_t length = strlen(text) / 2;
    if (length > room) fail("too long");
    for (size_t i = 0; i < length; i++) {
        unsigned byte;
        if (sscanf(text + 2 * i, "%2x", &byte) != 1) fail("not hex");
        out[i] = (uint8_t)byte;
    }
    return length;
}

/* RFC 9605 §4.3: one field of the config byte, and its bytes where it does not fit. */
static unsigned field(uint64_t value, uint8_t *out, size_t *at) {
    if (value < 8) return (unsigned)value;
    unsigned length = (64 - (unsigned)__builtin_clzll(value) + 7) / 8;
    for (unsigned i = length; i-- > 0;) out[(*at)++] = (uint8_t)(value >> 8 * i);
    return 8 | (length - 1);
}

static size_t header(uint64_t ctr, uint8_t *out) {
    size_t at = 1;
    unsigned of_kid = field(kid, out, &at);
    out[0] = (uint8_t)(of_kid << 4 | field(ctr, out, &at));
    return at;
}

static void nonce_of(uint64_t ctr, uint8_t *nonce) {
    memcpy(nonce, salt, NONCE);
    for (int i = 0; i < 8; i++) nonce[NONCE - 1 - i] ^= (uint8_t)(ctr >> 8 * i);
}

static size_t seal(EVP_CIPHER_CTX *ctx, uint64_t ctr, const uint8_t *plain, size_t size, uint8_t *out) {
    uint8_t nonce[NONCE];
    int done, rest;
    size_t start = header(ctr, out);
    nonce_of(ctr, nonce);
    if (EVP_EncryptInit_ex(ctx, NULL, NULL, NULL, nonce) != 1 ||
        EVP_EncryptUpdate(ctx, NULL, &done, out, (int)start) != 1 ||
        EVP_EncryptUpdate(ctx, out + start, &done, plain, (int)size) != 1 ||
        EVP_EncryptFinal_ex(ctx, out + start + done, &rest) != 1 ||
        EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_GET_TAG, TAG, out + start + size) != 1)
        fail("seal");
    return start + size + TAG;
}

static uint64_t read_field(unsigned bits, const uint8_t *data, size_t *at) {
    if (bits < 8) return bits;
    uint64_t value = 0;
    for (unsigned i = 0; i <= (bits & 7); i++) value = value << 8 | data[(*at)++];
    return value;
}

static size_t open_frame(EVP_CIPHER_CTX *ctx, uint8_t *sealed, size_t length, uint8_t *out) {
    uint8_t nonce[NONCE];
    int done, rest;
    size_t start = 1;
    if (read_field(sealed[0] >> 4, sealed, &start) != kid) fail("another KID");
    uint64_t ctr = read_field(sealed[0] & 15, sealed, &start);
    size_t size = length - start - TAG;
    nonce_of(ctr, nonce);
    if (EVP_DecryptInit_ex(ctx, NULL, NULL, NULL, nonce) != 1 ||
        EVP_DecryptUpdate(ctx, NULL, &done, sealed, (int)start) != 1 ||
        EVP_DecryptUpdate(ctx, out, &done, sealed + start, (int)size) != 1 ||
        EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_SET_TAG, TAG, sealed + start + size) != 1 ||
        EVP_DecryptFinal_ex(ctx, out + done, &rest) != 1)
        fail("open");
    return size;
}

static int64_t now(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* Every frame of a batch has its own buffer, as it has in Python; sealed and opened bytes go to one place. */
static void batch(EVP_CIPHER_CTX *ctx, EVP_CIPHER_CTX *back, int opening, size_t size, int count) {
    static uint64_t ctr = FIRST_CTR;
    size_t room = size + HEADER + TAG, length = 0;
    uint8_t *plain = malloc(size * (size_t)count), *sealed = malloc(room * (size_t)count), *out = malloc(room);
    if (!plain || !sealed || !out) fail("memory");
    for (size_t i = 0; i < size * (size_t)count; i++) plain[i] = (uint8_t)(i * 167 + i / 251);
    memset(out, 1, room);
    for (int i = 0; opening && i < count; i++) length = seal(ctx, ctr++, plain + size * (size_t)i, size, sealed + room * (size_t)i);
    int64_t cpu = now(CLOCK_THREAD_CPUTIME_ID), wall = now(CLOCK_MONOTONIC);
    for (int i = 0; i < count; i++) {
        if (opening) open_frame(back, sealed + room * (size_t)i, length, out);
        else seal(ctx, ctr++, plain + size * (size_t)i, size, out);
    }
    cpu = now(CLOCK_THREAD_CPUTIME_ID) - cpu;
    wall = now(CLOCK_MONOTONIC) - wall;
    printf("%" PRId64 " %" PRId64 "\n", cpu, wall);
    free(plain), free(sealed), free(out);
}

static void one_frame(EVP_CIPHER_CTX *ctx, uint64_t ctr, const char *hex) {
    static uint8_t plain[LINE], sealed[LINE + HEADER + TAG];
    size_t length = seal(ctx, ctr, plain, from_hex(hex, plain, LINE), sealed);
    for (size_t i = 0; i < length; i++) printf("%02x", sealed[i]);
    printf("\n");
}

int main(int argc, char **argv) {
    uint8_t key[32];
    static char line[LINE], text[LINE];
    if (argc == 2 && !strcmp(argv[1], "version")) return puts(OpenSSL_version(OPENSSL_VERSION_STRING)) < 0;
    if (argc != 5) fail("KEY SALT BASE_KEY KID");
    const EVP_CIPHER *cipher = from_hex(argv[1], key, sizeof key) == 32 ? EVP_aes_256_gcm() : EVP_aes_128_gcm();
    from_hex(argv[2], salt, NONCE);
    kid = strtoull(argv[4], NULL, 10);
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new(), *back = EVP_CIPHER_CTX_new();
    if (EVP_EncryptInit_ex(ctx, cipher, NULL, key, NULL) != 1 || EVP_DecryptInit_ex(back, cipher, NULL, key, NULL) != 1)
        fail("key");
    while (fgets(line, sizeof line, stdin)) {
        uint64_t ctr;
        size_t size;
        int count;
        if (sscanf(line, "frame %" SCNu64 " %65535s", &ctr, text) == 2) one_frame(ctx, ctr, text);
        else if (sscanf(line, "seal %zu %d", &size, &count) == 2) batch(ctx, back, 0, size, count);
        else if (sscanf(line, "open %zu %d", &size, &count) == 2) batch(ctx, back, 1, size, count);
        else fail("which request?");
        fflush(stdout);
    }
    return 0;
}
