// Shell commands for a person to type, as they stand: none may do harm in the state in which it is
// given.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>

namespace bx {

// Makes DIR with MODE ("700") for this process's user.  For root to type, or for that user where
// the parent lets it.
std::string make_directory_command(const std::string& dir, std::string_view mode);

// The same for the user that gateway and worker are to run as, when it is not known: `bxhook` where
// there is one, else the word USER, for the person to replace.
std::string make_store_directory_command(const std::string& dir);

// What to do with the directory of WORKER_FILES (StorePlace::worker_files), so that it belongs to USER
// (as `chown` takes it; empty: the user gateway and worker are to run as).  When other things than
// the store's lie there too, a directory of its own beside them.
std::string give_directory_command(const std::string& worker_files, const std::string& user = "");

// Gives the file PATH to the group GROUP.
std::string give_group_command(const std::string& path, gid_t group);

// True when nothing but the files of the store lies in the directory of WORKER_FILES, which may then
// be given away or closed as a whole.
bool has_own_directory(const std::string& worker_files);

// Runs `sed` with SCRIPT on the file that PATH leads to: `sed -i` would put a copy in place of a
// symlink.
std::string sed_command(std::string_view script, const std::string& path);

// "'/srv/hooks/a.sh' (of 2026-11-29T20:00:00.000Z, 120 bytes)", for who must choose between files.
std::string dated(const std::string& path);

// True when the file ONE was written before OTHER.
bool is_older(const std::string& one, const std::string& other);

// Renames the hook's file PATH so that it is none, over no other file.
std::string disable_command(const std::string& path);

// Shows these two files with their dates.
std::string compare_command(const std::string& one, const std::string& other);

}  // namespace bx
