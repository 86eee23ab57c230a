/* Writes one JSON value, valid whatever the texts hold. */
#include <string.h>

#include "cli.h"

static struct {
  FILE *to;
  int depth;
  char closes[16];
  bool begun[16]; /* something stands in it already, so that a comma comes first */
} json;

void json_start(FILE *to) {
  json.to = to;
  json.depth = 0;
  json.begun[0] = false;
}

/* How many bytes of UTF-8 make the character at `text`; 0 when they make none. */
static size_t character(const unsigned char *text) {
  size_t size = 0;
  if (text[0] < 0x80) size = 1;
  else if (text[0] >= 0xc2 && text[0] < 0xe0) size = 2;
  else if (text[0] >= 0xe0 && text[0] < 0xf0) size = 3;
  else if (text[0] >= 0xf0 && text[0] < 0xf5) size = 4;
  for (size_t i = 1; i < size; i++) {
    if ((text[i] & 0xc0) != 0x80) return 0;
  }
  /* Longer than needed, a surrogate, or beyond the last character. */
  if (text[0] == 0xe0 && text[1] < 0xa0) return 0;
  if (text[0] == 0xed && text[1] > 0x9f) return 0;
  if (text[0] == 0xf0 && text[1] < 0x90) return 0;
  if (text[0] == 0xf4 && text[1] > 0x8f) return 0;
  return size;
}

static void string(const char *text) {
  const unsigned char *at = (const unsigned char *)text;
  fputc('"', json.to);
  while (*at) {
    size_t size = character(at);
    if (size == 0) {
      fputs("\\ufffd", json.to);
      at++;
    } else if (size > 1) {
      fwrite(at, 1, size, json.to);
      at += size;
    } else {
      if (*at == '"' || *at == '\\') fprintf(json.to, "\\%c", *at);
      else if (*at < 0x20 || *at == 0x7f) fprintf(json.to, "\\u%04x", *at);
      else fputc(*at, json.to);
      at++;
    }
  }
  fputc('"', json.to);
}

/* The comma and the name before a value. */
static void member(const char *name) {
  if (json.begun[json.depth]) fputc(',', json.to);
  json.begun[json.depth] = true;
  if (name != NULL) {
    string(name);
    fputc(':', json.to);
  }
}

static void open(const char *name, char opens, char closes) {
  member(name);
  fputc(opens, json.to);
  json.closes[++json.depth] = closes;
  json.begun[json.depth] = false;
}

void json_object(const char *name) { open(name, '{', '}'); }
void json_array(const char *name) { open(name, '[', ']'); }

void json_end(void) {
  fputc(json.closes[json.depth--], json.to);
  if (json.depth == 0) fputc('\n', json.to);
}

void json_null(const char *name) {
  member(name);
  fputs("null", json.to);
}

void json_text(const char *name, const char *value) {
  if (value == NULL) {
    json_null(name);
    return;
  }
  member(name);
  string(value);
}

void json_number(const char *name, uint64_t value) {
  member(name);
  fprintf(json.to, "%llu", (unsigned long long)value);
}

void json_signed(const char *name, int64_t value) {
  member(name);
  fprintf(json.to, "%lld", (long long)value);
}

void json_bool(const char *name, bool value) {
  member(name);
  fputs(value ? "true" : "false", json.to);
}

void json_raw(const char *name, const uint8_t *bytes, size_t size) {
  member(name);
  fwrite(bytes, 1, size, json.to);
}

void json_base64(const char *name, const uint8_t *bytes, size_t size) {
  static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  member(name);
  fputc('"', json.to);
  for (size_t i = 0; i < size; i += 3) {
    size_t left = size - i;
    uint32_t three = (uint32_t)bytes[i] << 16;
    if (left > 1) three |= (uint32_t)bytes[i + 1] << 8;
    if (left > 2) three |= bytes[i + 2];
    fputc(letters[three >> 18], json.to);
    fputc(letters[three >> 12 & 63], json.to);
    fputc(left > 1 ? letters[three >> 6 & 63] : '=', json.to);
    fputc(left > 2 ? letters[three & 63] : '=', json.to);
  }
  fputc('"', json.to);
}
