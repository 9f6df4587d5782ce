// Which user this process acts as.  Only root can choose.
#pragma once

#include <unistd.h>

#include <vector>

#include "host/accounts.h"

namespace bx {

// Becomes USER for good: real, effective and saved ids, and its groups; nothing stays of root's
// session keyring and of limits that were raised.  Throws Error.
void become(const User& user);

// While it lives, files are looked up, opened and made as USER: its effective ids and groups, for
// root, who has its own back afterwards.  USER may be root with another group.  Throws Error.
class ActingAs {
public:
    explicit ActingAs(const User& user);
    ~ActingAs();
    ActingAs(const ActingAs&) = delete;
    ActingAs& operator=(const ActingAs&) = delete;

private:
    void restore() const;

    gid_t gid_;
    std::vector<gid_t> groups_;
    bool changes_;  // false: this process is that user already, and stays so
};

}  // namespace bx
