// Listening sockets: our own, and those we are given.
#pragma once

#include <string>

#include "base/fd.h"

namespace bx {

// Connections that may wait while the loop commits.  Beyond them the web server answers 502, and
// the event is lost.
constexpr int backlog = 4096;

// A unix listening socket at PATH, mode 0660 whatever the umask, given to GROUP (a name or number;
// empty: ours).  A socket that nobody listens on is replaced; one that somebody listens on, and any
// other file, is an Error.  As root it is made as the owner of its directory; throws UnsafeFile
// when a third user could put another directory there.
Fd open_listener(const std::string& path, const std::string& group);

// True when FD is a listening socket.
bool is_listening_socket(int fd);

// The first socket of systemd's socket activation (sd_listen_fds(3)), or none.
Fd systemd_socket();

}  // namespace bx
