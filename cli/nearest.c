/* The word that was meant, when an unknown one was typed. */
#include <string.h>

#include "cli.h"

enum { LONGEST = 40 };

bool has_word(const char *list, const char *word) {
  size_t size = strlen(word);
  while (*list) {
    size_t length = strcspn(list, " ");
    if (length == size && memcmp(list, word, size) == 0) return true;
    list += length;
    list += strspn(list, " ");
  }
  return false;
}

/* How many letters have to be changed, added, removed or swapped with their neighbour. */
static int distance(const char *one, size_t one_size, const char *two, size_t two_size) {
  int rows[3][LONGEST + 1];
  int *before = rows[0], *last = rows[1], *row = rows[2];
  if (one_size > LONGEST || two_size > LONGEST) return LONGEST;
  for (size_t j = 0; j <= two_size; j++) {
    before[j] = 0;
    last[j] = (int)j;
  }
  for (size_t i = 1; i <= one_size; i++) {
    int *next = before;
    row[0] = (int)i;
    for (size_t j = 1; j <= two_size; j++) {
      int best = last[j - 1] + (one[i - 1] != two[j - 1]);
      if (last[j] + 1 < best) best = last[j] + 1;
      if (row[j - 1] + 1 < best) best = row[j - 1] + 1;
      if (i > 1 && j > 1 && one[i - 1] == two[j - 2] && one[i - 2] == two[j - 1] && before[j - 2] + 1 < best) {
        best = before[j - 2] + 1;
      }
      row[j] = best;
    }
    before = last;
    last = row;
    row = next;
  }
  return last[two_size];
}

bool nearest_word(const char *word, const char *list, char *found, size_t size) {
  size_t word_size = strlen(word);
  /* A third of the letters may be wrong. */
  int best = (int)(word_size < 4 ? 1 : word_size / 3) + 1;
  bool any = false;
  while (*list) {
    size_t length = strcspn(list, " ");
    int far = distance(word, word_size, list, length);
    /* The beginning of a word is near it, too. */
    if (word_size >= 3 && word_size < length && strncmp(word, list, word_size) == 0) far = 1;
    if (far < best && length < size) {
      best = far;
      memcpy(found, list, length);
      found[length] = 0;
      any = true;
    }
    list += length;
    list += strspn(list, " ");
  }
  return any;
}
