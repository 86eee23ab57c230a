# Makes the man page libcldoci.3 of the page that include/cldoci.h begins with.
#   awk -f cli/libcldoci.3.awk include/cldoci.h

function out(line) {
  gsub(/\\/, "\\e", line)
  gsub(/-/, "\\-", line)
  if (line ~ /^[.']/) line = "\\&" line
  print line
}

BEGIN {
  print ".TH LIBCLDOCI 3 \"\" \"cldoci\" \"Library Functions\""
  print ".SH NAME\nlibcldoci \\- build, push, pull, tag and check OCI artifacts"
  print ".SH SYNOPSIS\n.B #include <cldoci.h>\n.PP\n.B cc program.c $(pkg\\-config \\-\\-cflags \\-\\-libs cldoci)\n.SH DESCRIPTION"
}
/^ \*\// { exit }
NR <= 3 { next }
{
  line = substr($0, 4)
  # A title is underlined in the next line, so each line waits for the one after it.
  if (line ~ /^---+$/) {
    if (code) print ".fi"
    code = 0
    print ".SH " toupper(held)
    held = ""
    next
  }
  show()
  held = line
}
function show() {
  if (held ~ /^    / && !code) { print ".PP\n.nf"; code = 1 }
  if (code && held != "" && held !~ /^    /) { print ".fi\n.PP"; code = 0 }
  if (held == "") { if (code) print ""; else print ".PP" }
  else if (held ~ /^- /) { print ".IP \\(bu 2"; out(plain(substr(held, 3))) }
  else out(code ? held : plain(held))
}
# Text without the marks of emphasis and code.
function plain(line,  at) {
  sub(/^ +/, "", line)
  gsub(/`/, "", line)
  sub(/This file is/, "The header cldoci.h is", line)
  while ((at = match(line, /\*[a-z]+\*/))) line = substr(line, 1, at - 1) substr(line, at + 1, RLENGTH - 2) substr(line, at + RLENGTH)
  return line
}
END {
  show()
  if (code) print ".fi"
  print ".SH FUNCTIONS\nEach function is described where it is declared, in\n.IR cldoci.h .\n.SH SEE ALSO\n.BR cldoci (1)"
}
