/* A registry that demands a credential: one answer for each connection, 200 for user:secret, else 401. */
#ifndef DEMANDING_H
#define DEMANDING_H

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void *demand_credential(void *listener) {
  for (;;) {
    char request[8192];
    size_t size = 0;
    ssize_t count;
    int fd = accept(*(int *)listener, NULL, NULL);
    if (fd < 0) return NULL;
    request[0] = 0;
    while (strstr(request, "\r\n\r\n") == NULL && (count = read(fd, request + size, sizeof request - size - 1)) > 0) {
      size += (size_t)count;
      request[size] = 0;
    }
    const char *answer = strstr(request, "Basic dXNlcjpzZWNyZXQ=") != NULL
                             ? "HTTP/1.1 200 OK\r\nContent-Length: 512\r\nContent-Type: "
                               "application/vnd.oci.image.manifest.v1+json\r\nDocker-Content-Digest: sha256:"
                               "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a\r\n"
                               "Connection: close\r\n\r\n"
                             : "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nWWW-Authenticate: Basic "
                               "realm=\"test\"\r\nConnection: close\r\n\r\n";
    /* Who asked may have gone. */
    if (send(fd, answer, strlen(answer), MSG_NOSIGNAL) < 0) size = 0;
    close(fd);
  }
}

#endif
