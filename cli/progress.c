/* Shows how far an operation is, on stderr: a bar for people on a terminal, lines or JSON where they are wanted. */
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "cli.h"

enum { NONE, BAR, PLAIN, JSON };

volatile sig_atomic_t progress_drawn;

static struct {
  int how;
  double began;
  double shown; /* when the last line of PLAIN was printed */
  int phase;    /* the rate is of one phase: what is packed is not what is sent */
  double rate_at;
  uint64_t rate_bytes;
  double rate; /* bytes a second of late; 0: not known yet */
} bar;

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static bool capable(void) {
  const char *term = getenv("TERM");
  return isatty(STDERR_FILENO) && term != NULL && strcmp(term, "dumb") != 0;
}

bool coloured(void) {
  const char *none = getenv("NO_COLOR");
  return capable() && (none == NULL || *none == 0);
}

void progress_clear(void) {
  if (!progress_drawn) return;
  fputs("\r\033[K", stderr);
  fflush(stderr);
  progress_drawn = 0;
}

void progress_begin(void) {
  const char *how = flag_value(FLAG_PROGRESS);
  memset(&bar, 0, sizeof bar);
  bar.began = bar.shown = now();
  if (how == NULL) how = "auto";
  if (strcmp(how, "bar") == 0) bar.how = capable() ? BAR : PLAIN;
  else if (strcmp(how, "plain") == 0) bar.how = PLAIN;
  else if (strcmp(how, "json") == 0) bar.how = JSON;
  else if (strcmp(how, "auto") == 0 && capable() && !tool.quiet && flag_value(FLAG_DEBUG) == NULL) bar.how = BAR;
}

static const char *phase_name(int32_t phase) {
  static const char *const names[] = {"waiting",     "resolving",  "packing", "uploading",
                                      "downloading", "publishing", "done"};
  return phase >= 0 && phase <= CLDOCI_PHASE_DONE ? names[phase] : "working";
}

static void amount(uint64_t bytes, char *text, size_t size) {
  static const char *const units[] = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};
  double number = (double)bytes;
  size_t unit = 0;
  while (number >= 999.5 && unit < 6) {
    number /= 1000;
    unit++;
  }
  snprintf(text, size, unit == 0 || number >= 99.95 ? "%.0f %s" : "%.1f %s", number, units[unit]);
}

/* Averages over about two seconds. */
static void measure(const cldoci_progress *progress) {
  double at = now(), passed = at - bar.rate_at;
  if (bar.phase != progress->phase || bar.rate_at == 0 || progress->bytes_done < bar.rate_bytes) {
    bar.phase = progress->phase;
    bar.rate = 0;
  } else if (passed >= 0.09) {
    double rate = (double)(progress->bytes_done - bar.rate_bytes) / passed;
    double weight = passed / (passed + 2);
    bar.rate = bar.rate == 0 ? rate : bar.rate + (rate - bar.rate) * weight;
  } else {
    return;
  }
  bar.rate_at = at;
  bar.rate_bytes = progress->bytes_done;
}

/* Percent, bytes, rate, time left: what is known of them, each in `parts`. */
static int describe(const cldoci_progress *progress, char parts[4][40]) {
  char done[16], total[16], rate[16];
  int count = 0;
  amount(progress->bytes_done, done, sizeof done);
  amount(progress->bytes_total, total, sizeof total);
  amount((uint64_t)bar.rate, rate, sizeof rate);
  if (progress->bytes_total > 0) {
    double part = (double)progress->bytes_done / (double)progress->bytes_total;
    snprintf(parts[count++], 40, "%3d%%", part < 1 ? (int)(part * 100) : 100);
    snprintf(parts[count++], 40, "%s of %s", done, total);
  } else if (progress->bytes_done > 0) {
    snprintf(parts[count++], 40, "%s", done);
    if (progress->entries_done > 0) {
      snprintf(parts[count++], 40, "%llu entries", (unsigned long long)progress->entries_done);
    }
  }
  if (bar.rate >= 1) {
    snprintf(parts[count++], 40, "%s/s", rate);
    if (progress->bytes_total > progress->bytes_done) {
      double left = (double)(progress->bytes_total - progress->bytes_done) / bar.rate;
      if (left < 360000) {
        int seconds = (int)(left + 0.5);
        int hours = seconds / 3600, minutes = seconds / 60;
        if (hours > 0) snprintf(parts[count++], 40, "%d:%02d:%02d left", hours, minutes % 60, seconds % 60);
        else snprintf(parts[count++], 40, "%d:%02d left", minutes, seconds % 60);
      }
    }
  }
  return count;
}

static int terminal_width(void) {
  struct winsize size;
  const char *columns = getenv("COLUMNS");
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  return columns != NULL && atoi(columns) > 0 ? atoi(columns) : 80;
}

static void draw(const cldoci_progress *progress) {
  char parts[4][40], text[200] = "", line[520], *end = line;
  /* The last column stays free: some terminals wrap when it is filled. */
  int width = terminal_width() - 1, count = describe(progress, parts), room, filled;
  /* A short bar says more than rate and time; the words of the phase have 11 columns. */
  int taken = 11 + (progress->bytes_total > 0 && width >= 30 ? 13 : 0);
  if (width > 300) width = 300;
  for (int i = 0; i < count; i++) {
    if (taken + (int)(strlen(text) + 2 + strlen(parts[i])) > width) break;
    strcat(strcat(text, "  "), parts[i]);
  }
  room = width - 11 - (int)strlen(text) - 3;
  if (room > 40) room = 40;
  if (width < 0) width = 0;
  end += sprintf(end, "\r%-*.*s", width < 11 ? 0 : 11, width, phase_name(progress->phase));
  if (progress->bytes_total > 0 && room >= 5) {
    double part = (double)progress->bytes_done / (double)progress->bytes_total;
    filled = (int)((part > 1 ? 1 : part) * room);
    end += sprintf(end, " [%s", coloured() ? "\033[36m" : "");
    for (int i = 0; i < room; i++) {
      if (i == filled && coloured()) end += sprintf(end, "\033[0m");
      *end++ = i < filled ? '#' : ' ';
    }
    end += sprintf(end, "%s]", coloured() ? "\033[0m" : "");
  }
  sprintf(end, "%s\033[K", text);
  /* A signal between the two clears a line too much, which shows nothing. */
  progress_drawn = 1;
  fputs(line, stderr);
  fflush(stderr);
}

static void print_line(const cldoci_progress *progress) {
  char parts[4][40];
  int count = describe(progress, parts);
  fprintf(stderr, "cldoci: %s", phase_name(progress->phase));
  for (int i = 0; i < count; i++) fprintf(stderr, "%s%s", i ? ", " : " ", parts[i] + strspn(parts[i], " "));
  fputc('\n', stderr);
}

static void print_json(const cldoci_progress *progress) {
  json_start(stderr);
  json_object(NULL);
  json_text("phase", phase_name(progress->phase));
  json_number("bytesDone", progress->bytes_done);
  json_number("bytesTotal", progress->bytes_total);
  json_number("entriesDone", progress->entries_done);
  json_number("entriesTotal", progress->entries_total);
  json_end();
}

static void show(const cldoci_operation *operation, bool last) {
  cldoci_progress progress = {.struct_size = sizeof progress};
  if (bar.how == NONE || cldoci_operation_progress(operation, &progress, NULL) != CLDOCI_OK) return;
  measure(&progress);
  if (bar.how == JSON) {
    print_json(&progress);
  } else if (bar.how == BAR) {
    if (!last) draw(&progress);
  } else if (last || now() - bar.shown >= 2) {
    bar.shown = now();
    print_line(&progress);
  }
}

void progress_show(const cldoci_operation *operation) { show(operation, false); }

void progress_end(const cldoci_operation *operation) {
  show(operation, true);
  progress_clear();
}
