/* deliver DIR: lays the mail on standard input into the Maildir DIR, durably; what fetchmail hands its mails to. */
#include <fcntl.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

int main(int count, char **words) {
  char part[4096], whole[4096], piece[65536];
  struct timespec now;
  long got;
  if (count != 2) return 64;
  clock_gettime(CLOCK_REALTIME, &now);
  snprintf(part, sizeof part, "%s/tmp/%ld.M%ldP%d.bench", words[1], (long)now.tv_sec, now.tv_nsec / 1000, getpid());
  snprintf(whole, sizeof whole, "%s/new/%ld.M%ldP%d.bench", words[1], (long)now.tv_sec, now.tv_nsec / 1000, getpid());
  int file = open(part, O_CREAT | O_EXCL | O_WRONLY, 0600);
  if (file < 0) return 75;
  while ((got = read(0, piece, sizeof piece)) > 0)
    if (write(file, piece, got) != got) return 75;
  return got < 0 || fsync(file) || close(file) || rename(part, whole) ? 75 : 0;
}
